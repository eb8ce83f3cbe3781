"""`aistack render`: the objects that the stacks in files become, as the controller would apply them."""

from collections.abc import Sequence

from aistack.cli.check import check, lines, verdict
from aistack.cli.files import price_books, read
from aistack.cli.output import Exit, as_json, as_yaml, complain, emit, remark
from aistack.cost.cheapest import cheapest_first
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.render import render


def run(files: Sequence[str], catalog: Sequence[str], namespace: str, output: str) -> Exit:
    """Prints nothing when one of the stacks can't be served: half a rendering is worse than none."""
    documents, referred = read(files, namespace), read(catalog)
    checked = check(documents, referred)
    outcome = verdict(checked, strict=False)
    stacks = [each.resolution.stack for each in checked if each.resolution and each.resolution.stack]
    if outcome is not Exit.FINE:
        remark(*lines(checked))
        return outcome
    if not stacks:
        complain("no AIStack in these files")
        return Exit.BAD_INPUT
    prices = index({DEFAULT: shipped_book(), **price_books([*referred, *documents])})
    manifests = [manifest for stack in stacks for manifest in render(cheapest_first(stack, prices))]
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    emit(as_json(listed) if output == "json" else as_yaml(manifests))
    return outcome
