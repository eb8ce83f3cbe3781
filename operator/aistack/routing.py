"""What a route asks of the gateway, and can't have."""

from collections.abc import Iterator

from aistack.api import Reason
from aistack.api.gateway import Route
from aistack.problem import Problem
from aistack.references import Names, members_of


def routing_problems(names: Names) -> Iterator[Problem]:
    """Every field of the routes that doesn't fit the models that they lead to."""
    for route in names.routes.values():
        yield from _when_down(f"spec.gateway.routes[{route.name}]", route, names)


def _when_down(path: str, route: Route, names: Names) -> Iterator[Problem]:
    members = (names.models[name] for name in members_of(route, names) if name in names.models)
    other = next((model for model in members if model.task != "chat"), None)
    if route.when_down and other:
        yield Problem(
            f"{path}.whenDown",
            Reason.INVALID_SPEC,
            f"a text can't stand for what {other.name} answers, whose task is {other.task}; leave it out",
        )
