"""What a gateway's routes mean, in no engine's words: who is tried, in which order, for how long."""

from dataclasses import dataclass

from aistack.api.gateway import Client
from aistack.resolve import ResolvedGateway, ResolvedModel, ResolvedRoute
from aistack.units import seconds


@dataclass(frozen=True, slots=True)
class Choice:
    """One way through a route: picked in proportion to `weight`, then one model an attempt."""

    weight: int
    attempts: tuple[ResolvedModel, ...]


@dataclass(frozen=True, slots=True)
class NeutralRoute:
    """A model name that clients use. Times are in seconds.

    `timeout` bounds one attempt: a whole answer must be complete, a stream must have begun. A fallback after
    a timeout gets the same time again, so a request ends after `timeout` times its attempts at the latest; a
    stream that has begun is never cut by it. `first_token_timeout` bounds a stream's beginning more tightly.
    """

    name: str
    task: str
    choices: tuple[Choice, ...]
    timeout: float
    first_token_timeout: float | None
    clients: tuple[str, ...] | None
    """The clients that may use it; None is every client that may enter."""

    @property
    def attempts(self) -> int:
        """How often a request is tried at most; the same for every choice."""
        return len(self.choices[0].attempts)


def neutral_routes(gateway: ResolvedGateway) -> tuple[NeutralRoute, ...]:
    return tuple(_neutral(route, gateway.clients) for route in gateway.routes)


def reached_models(gateway: ResolvedGateway) -> tuple[ResolvedModel, ...]:
    """The models that some request may arrive at, in the order of the routes, each once."""
    reached = {
        model.name: model
        for route in neutral_routes(gateway)
        for choice in route.choices
        for model in choice.attempts
    }
    return tuple(reached.values())


def _neutral(route: ResolvedRoute, clients: tuple[Client, ...]) -> NeutralRoute:
    spec = route.spec
    first_token = seconds(spec.first_token_timeout) if spec.first_token_timeout else None
    return NeutralRoute(
        name=route.name,
        task=route.targets[0].model.spec.task,
        choices=_choices(route),
        timeout=seconds(spec.timeout),
        first_token_timeout=first_token or None,
        clients=_allowed(route.name, clients),
    )


def _choices(route: ResolvedRoute) -> tuple[Choice, ...]:
    """Weight 0 takes a target out. `ordered` is one choice: the targets as declared, then the fallbacks."""
    targets = [target for target in route.targets if target.weight]
    if route.spec.strategy == "ordered":
        return (Choice(1, _attempts([target.model for target in targets], route)),)
    by_weight = sorted(targets, key=lambda target: -target.weight)
    return tuple(
        Choice(picked.weight, _attempts([picked.model, *(target.model for target in by_weight)], route))
        for picked in targets
    )


def _attempts(targets: list[ResolvedModel], route: ResolvedRoute) -> tuple[ResolvedModel, ...]:
    """Each model once; attempts that are left over go to further replicas of the first one."""
    once = list({model.name: model for model in (*targets, *route.fallbacks)}.values())
    left_over = max(0, 1 + route.spec.retries - len(once))
    return (*[once[0]] * left_over, *once)


def _allowed(route: str, clients: tuple[Client, ...]) -> tuple[str, ...] | None:
    """A client that names no routes may use all of them."""
    if all(not client.routes or route in client.routes for client in clients):
        return None
    return tuple(client.name for client in clients if not client.routes or route in client.routes)
