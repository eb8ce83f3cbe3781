"""`aistack render` and `aistack diagram`: what the stacks in files become, as objects and as a picture."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from aistack.cli.check import check, lines, verdict
from aistack.cli.files import price_books, read
from aistack.cli.output import Exit, as_json, as_yaml, complain, emit, remark
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.diagram import diagram
from aistack.platform import with_prices
from aistack.render import render
from aistack.resolved import ResolvedStack


def run(files: Sequence[str], catalog: Sequence[str], namespace: str, output: str) -> Exit:
    """Prints nothing when one of the stacks can't be served: half a rendering is worse than none."""
    stacks, outcome = _served(files, catalog, namespace)
    if stacks:
        manifests = [manifest for stack in stacks for manifest in render(stack)]
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        emit(as_json(listed) if output == "json" else as_yaml(manifests))
    return outcome


def run_diagram(files: Sequence[str], catalog: Sequence[str], namespace: str, output: str) -> Exit:
    """One flowchart a stack; as Markdown each has its stack's name above it."""
    stacks, outcome = _served(files, catalog, namespace)
    for stack in stacks:
        drawn = diagram(stack)
        if output == "markdown":
            drawn = f"## {stack.ref.namespace}/{stack.ref.name}\n\n```mermaid\n{drawn}```\n"
        emit(drawn)
    return outcome


def _served(
    files: Sequence[str], catalog: Sequence[str], namespace: str
) -> tuple[Sequence[ResolvedStack], Exit]:
    """None when one of them can't be served, which is said then."""
    documents, referred = read(files, namespace), read(catalog)
    checked = check(documents, referred)
    outcome = verdict(checked, strict=False)
    if outcome is not Exit.FINE:
        remark(*lines(checked))
        return (), outcome
    stacks = [each.resolution.stack for each in checked if each.resolution and each.resolution.stack]
    if not stacks:
        complain("no AIStack in these files")
        return (), Exit.BAD_INPUT
    prices = index({DEFAULT: shipped_book(), **price_books([*referred, *documents])})
    return [with_prices(stack, prices, ZoneInfo("UTC")) for stack in stacks], outcome
