"""`aistack cache purge`: has a stack's kept answers given to nobody any more."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from aistack.api import AIStack
from aistack.api.conditions import ConditionType
from aistack.cli.output import Exit, emit
from aistack.connection import connect
from aistack.errors import AIStackError, NotFound
from aistack.kinds import AISTACK
from aistack.kube import Kube
from aistack.labels import purge_annotation
from aistack.references import routes_of


class PurgeError(AIStackError):
    """Nothing of that is kept; the message says what is."""


def purge(namespace: str, name: str, route: str, client: str, kubeconfig: str) -> Exit:
    stack = asyncio.run(_purge(namespace, name, route, client, kubeconfig))
    what = " ".join(
        ["answers", *([f"of route {route}"] if route else []), *([f"to client {client}"] if client else [])]
    )
    emit(f"AIStack {namespace}/{name}: asked for {what} that were kept until now to be given to nobody\n")
    emit("".join(f"AIStack {namespace}/{name}: {line}\n" for line in hindrances(stack)))
    return Exit.FINE


def hindrances(stack: AIStack) -> Iterator[str]:
    """Why the running gateway may not have heard of it for long."""
    for condition in stack.status.conditions:
        if condition.type == ConditionType.STALLED and condition.status == "True":
            yield f"is Stalled, and may give them until it isn't: {condition.reason}: {condition.message}"
    if not stack.status.conditions:
        yield "the controller hasn't seen this stack, and nothing happens until it does"


async def _purge(namespace: str, name: str, route: str, client: str, kubeconfig: str) -> AIStack:
    """The stack as it was before."""
    async with Kube(await connect(kubeconfig)) as kube:
        try:
            stack = AIStack.parse(await kube.get(AISTACK, namespace, name))
        except NotFound:
            raise PurgeError(
                f"AIStack {namespace}/{name}: not found; `kubectl get aistacks --all-namespaces` lists them"
            ) from None
        cached = [each.name for each in routes_of(stack.spec) if each.cache.mode != "Off"]
        _known(f"AIStack {namespace}/{name}", "route with a cache", route, cached)
        clients = [each.name for each in stack.spec.gateway.clients]
        _known(f"AIStack {namespace}/{name}", "client", client, clients)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        await kube.annotate(AISTACK, namespace, name, {purge_annotation(route, client): now})
        return stack


def _known(stack: str, sort: str, name: str, names: Iterable[str]) -> None:
    if name and name not in names:
        there = ", ".join(names) or "none"
        raise PurgeError(f"{stack}: has no {sort} {name!r}; there is {there}")
