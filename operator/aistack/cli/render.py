"""`aistack render`: the objects that the stacks in files become, as the controller would apply them."""

from collections.abc import Sequence

from aistack.cli.check import check, lines, verdict
from aistack.cli.files import read
from aistack.cli.output import Exit, as_json, as_yaml, complain, emit, remark
from aistack.render import render


def run(files: Sequence[str], catalog: Sequence[str], namespace: str, output: str) -> Exit:
    """Prints nothing when one of the stacks can't be served: half a rendering is worse than none."""
    checked = check(read(files, namespace), read(catalog))
    outcome = verdict(checked, strict=False)
    stacks = [each.resolution.stack for each in checked if each.resolution and each.resolution.stack]
    if outcome is not Exit.FINE:
        remark(*lines(checked))
        return outcome
    if not stacks:
        complain("no AIStack in these files")
        return Exit.BAD_INPUT
    manifests = [manifest for stack in stacks for manifest in render(stack)]
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    emit(as_json(listed) if output == "json" else as_yaml(manifests))
    return outcome
