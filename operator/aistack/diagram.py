"""A stack as a picture: who asks under which name, who answers in which order, and where that is.

Mermaid's flowchart language: GitHub, GitLab and most wikis draw it where it stands. Nodes are numbered, so no
name of a user's is ever read as anything but a label.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from urllib.parse import urlsplit

from aistack.resolved import (
    ManagedModel,
    Replicas,
    ResolvedModel,
    ResolvedRoute,
    ResolvedStack,
    SelfHostedModel,
)

MOST_CLIENTS = 5
"""Named in the picture; the rest is counted."""
IN_ORDER = {"ordered", "lowestCost"}
"""Strategies that ask one target after the other: a fallback among them was asked before."""
_ENTITIES = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "\\": "#92;", "`": "#96;"}


def diagram(stack: ResolvedStack) -> str:
    """The stack's flowchart. What no request can arrive at is drawn without an arrow."""
    return "\n".join(["flowchart LR", *(f"  {line}" for line in _lines(stack)), ""])


def _lines(stack: ResolvedStack) -> Iterator[str]:
    ids = {model.name: f"model{number}" for number, model in enumerate(stack.models)}
    everybody = [client.name for client in stack.gateway.clients]
    yield f"clients([{_label(_named(everybody) or 'whoever reaches the gateway')}])"
    yield f"subgraph cluster[{_label(f'namespace {stack.ref.namespace}')}]"
    yield from (f"  {line}" for line in _parts(stack, ids))
    yield "end"
    yield from _providers(stack, ids)
    yield "clients --> gateway"
    queue = stack.gateway.spec.queue
    doors = {**ids, **{model.name: _door(model, ids) for model in _adapted(stack)}}
    for number, route in enumerate(stack.gateway.routes):
        allowed = [
            client.name
            for client in stack.gateway.clients
            if not client.routes or route.name in client.routes
        ]
        yield f"gateway {_arrow('' if allowed == everybody else _named(allowed))} route{number}"
        yield from _answers(f"route{number}", route, doors)
        if queue:
            yield f"route{number} {_dotted('when all fail')} queue"
        if route.spec.when_down:
            last = f"after {queue.max_wait} in the queue" if queue else "when all fail"
            yield f"route{number} {_dotted(last)} text{number}>{_label('a text of the stack')}]"
    for model in _adapted(stack):
        yield f"{_door(model, ids)} --> {ids[model.name]}"


def _parts(stack: ResolvedStack, ids: Mapping[str, str]) -> Iterator[str]:
    """What runs in the cluster, and the routes. The adapter is drawn once for each model that it leads to."""
    gateway = stack.gateway
    yield f"gateway[{_label('gateway: Envoy', _replicas(gateway.replicas))}]"
    if queue := gateway.spec.queue:
        yield f"queue[{_label(f'queue: up to {queue.max_depth} requests wait')}]"
    for number, route in enumerate(gateway.routes):
        yield f"route{number}([{_label(route.name, *_interception(route))}])"
    for model in _adapted(stack):
        yield f"{_door(model, ids)}[{_label('adapter: LiteLLM', _replicas(gateway.replicas))}]"
    for hosted in stack.self_hosted:
        yield f"{ids[hosted.name]}[{_label(*_hosted(hosted))}]"


def _interception(route: ResolvedRoute) -> Iterator[str]:
    checks = [*route.spec.guardrails, *(["deniedWords"] if route.spec.denied_words else [])]
    if checks:
        yield f"checked: {', '.join(checks)}"
    if route.is_cached:
        whom = "all clients" if route.spec.cache.scope == "Shared" else "each client"
        yield f"answers are kept for {route.spec.cache.ttl} for {whom}"


def _adapted(stack: ResolvedStack) -> list[ManagedModel]:
    reached = stack.gateway.reached
    return [model for model in stack.managed if model.needs_adapter and model in reached]


def _door(model: ManagedModel, ids: Mapping[str, str]) -> str:
    return f"to_{ids[model.name]}"


def _named(clients: Sequence[str]) -> str:
    more = [f"{len(clients) - MOST_CLIENTS} more"] if len(clients) > MOST_CLIENTS else []
    return ", ".join([*clients[:MOST_CLIENTS], *more])


def _hosted(model: SelfHostedModel) -> Iterator[str]:
    accelerator = model.hosted.accelerator
    yield f"{model.name}: vLLM, {_replicas(model.replicas)}"
    yield model.hosted.source
    yield f"{accelerator.count} of {accelerator.class_}"


def _replicas(replicas: Replicas) -> str:
    if replicas.autoscaled:
        return f"{replicas.min} to {replicas.max} replicas"
    return f"{replicas.min} replica{'' if replicas.min == 1 else 's'}"


def _providers(stack: ResolvedStack, ids: Mapping[str, str]) -> Iterator[str]:
    """A frame for each provider and region: what leaves the cluster goes there."""
    managed = sorted(stack.managed, key=_place)
    for number, (place, models) in enumerate(groupby(managed, _place)):
        yield f"subgraph provider{number}[{_label(place)}]"
        for model in models:
            yield f"  {ids[model.name]}[{_label(model.name, model.managed.model)}]"
        yield "end"


def _place(model: ManagedModel) -> str:
    managed = model.managed
    where = managed.region or (urlsplit(managed.endpoint).hostname if managed.endpoint else "")
    return f"{managed.provider}, {where}" if where else managed.provider


def _answers(source: str, route: ResolvedRoute, doors: Mapping[str, str]) -> Iterator[str]:
    for model, share in _shares(route):
        yield f"{source} {_arrow(share)} {doors[model.name]}"
    fallbacks = _fallbacks(route)
    for number, model in enumerate(fallbacks, 1):
        order = f" {number}" if len(fallbacks) > 1 else ""
        yield f"{source} {_dotted(f'fallback{order}')} {doors[model.name]}"
    for model in route.long_context_fallbacks:
        yield f"{source} {_dotted('too long for the others')} {doors[model.name]}"
    if route.embedding:
        yield f"{source} {_dotted('finds similar questions')} {doors[route.embedding.name]}"


def _fallbacks(route: ResolvedRoute) -> list[ResolvedModel]:
    asked = (
        [target.model for target in route.targets if target.weight] if route.spec.strategy in IN_ORDER else []
    )
    return [model for model in route.fallbacks if model not in asked]


def _shares(route: ResolvedRoute) -> Iterator[tuple[ResolvedModel, str]]:
    """Each target with what it gets; a single one gets all."""
    targets = [target for target in route.targets if target.weight]
    total = sum(target.weight for target in targets)
    for number, target in enumerate(targets, 1):
        if len(targets) == 1:
            yield target.model, ""
        elif route.spec.strategy in IN_ORDER:
            yield target.model, f"{number}."
        elif route.spec.strategy == "leastBusy":
            yield target.model, "the least busy"
        else:
            yield target.model, f"{100 * target.weight / total:.3g} %"


def _arrow(text: str) -> str:
    return f"-- {_label(text)} -->" if text else "-->"


def _dotted(text: str) -> str:
    return f"-. {_label(text)} .->"


def _label(*lines: str) -> str:
    return (
        '"' + "<br>".join("".join(_ENTITIES.get(letter, letter) for letter in line) for line in lines) + '"'
    )
