"""`aistack status`: how a stack is, what was made for it, and why."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from aistack.api import AIStack
from aistack.api.stack import ComponentStatus, Condition
from aistack.cli.output import Exit, columns, show, write
from aistack.cli.tree import Branch, Made, branches
from aistack.connection import connect
from aistack.errors import AIStackError, NotFound
from aistack.kinds import AISTACK, CHILD_KINDS, OPTIONAL_KINDS, Kind, Manifest
from aistack.kube import Kube
from aistack.labels import STACK_LABEL


class StatusError(AIStackError):
    """The stack can't be shown; the message says why."""


@dataclass(frozen=True, slots=True)
class View:
    """One stack as the cluster has it: what it says of itself, and what was made for it."""

    stack: AIStack
    tree: Sequence[Branch]


def run(namespace: str, name: str, kubeconfig: str, output: str) -> Exit:
    view = asyncio.run(_view(namespace, name, kubeconfig))
    if output == "text":
        show(*report(view, datetime.now(UTC)))
    else:
        write(_document(view), output)
    return Exit.FINE


async def _view(namespace: str, name: str, kubeconfig: str) -> View:
    async with Kube(await connect(kubeconfig)) as kube:
        try:
            found = await kube.get(AISTACK, namespace, name)
        except NotFound:
            raise StatusError(
                f"AIStack {namespace}/{name}: not found; `kubectl get aistacks --all-namespaces` lists them"
            ) from None
        listed = await asyncio.gather(*(_children(kube, kind, namespace, name) for kind in CHILD_KINDS))
    try:
        stack = AIStack.parse(found)
    except ValidationError as error:
        raise StatusError(
            f"AIStack {namespace}/{name}: written for another version of aistack: {error}"
        ) from error
    return View(stack, branches(stack.spec, [each for children in listed for each in children]))


async def _children(kube: Kube, kind: Kind, namespace: str, name: str) -> list[Manifest]:
    pages = kube.pages(kind, namespace=namespace, label_selector=f"{STACK_LABEL}={name}")
    try:
        return [item async for page in pages for item in page.items]
    except NotFound:
        if kind in OPTIONAL_KINDS:
            return []
        raise


def report(view: View, now: datetime) -> list[RenderableType]:
    """The view for a reader. `now` is UTC: times are shown as ages."""
    meta, status = view.stack.metadata, view.stack.status
    endpoints = status.endpoints.dump() if status.endpoints else {}
    return [
        Text.assemble("AIStack ", (f"{meta.namespace}/{meta.name}", "bold")),
        *_section("conditions", _conditions(view.stack, now)),
        *_section("components", columns([_component(row, now) for row in status.components])),
        *_section("endpoints", columns([[name, url] for name, url in endpoints.items()])),
        "",
        Text("what was made, and why", "bold"),
        _tree(view),
    ]


def _section(title: str, lines: Sequence[Text]) -> list[RenderableType]:
    return ["", Text(title, "bold"), *(Text.assemble("  ", line) for line in lines or [Text("none yet")])]


def _conditions(stack: AIStack, now: datetime) -> list[Text]:
    status = stack.status
    if not status.conditions:
        return [Text("none yet: the controller hasn't seen this stack; is it running?")]
    lines = columns([_condition(condition, now) for condition in status.conditions])
    if status.observed_generation < stack.metadata.generation:
        lines.append(Text("the controller hasn't seen the newest spec yet", "yellow"))
    return lines


def _condition(condition: Condition, now: datetime) -> list[str | Text]:
    status = Text(condition.status, "green" if condition.status == "True" else "yellow")
    since = age(condition.last_transition_time, now)
    return [condition.type, status, condition.reason, since, condition.message]


def _component(row: ComponentStatus, now: datetime) -> list[str | Text]:
    ready = Text("ready", "green") if row.ready else Text("not ready", "red")
    return [row.name, ready, row.reason, age(row.since, now), row.message]


def _tree(view: View) -> Tree:
    root = Tree(view.stack.metadata.name, guide_style="dim")
    for branch in view.tree:
        limb = root.add(Text.assemble((branch.field, "bold"), f"  {branch.asks}"))
        for line in columns([_leaf(made) for made in branch.made]):
            limb.add(line)
    return root


def _leaf(made: Made) -> list[str | Text]:
    return [Text(f"{made.kind}/{made.name}", "cyan"), made.state, Text(made.purpose, "dim")]


def age(since: str, now: datetime) -> str:
    """The time since an RFC 3339 timestamp, as kubectl writes it: `45s`, `12m`, `3h`, `9d`."""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _document(view: View) -> dict[str, Any]:
    stack = view.stack
    return {
        "namespace": stack.metadata.namespace,
        "name": stack.metadata.name,
        "generation": stack.metadata.generation,
        "status": stack.status.dump(),
        "tree": [asdict(branch) for branch in view.tree],
    }
