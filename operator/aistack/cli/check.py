"""`aistack check`: every problem of the stacks in files, as admission would find them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from aistack.api import AIStack
from aistack.cli.files import Document, accelerator_classes, read
from aistack.cli.output import Exit, show, write
from aistack.images import default_images
from aistack.resolve import Catalog, Problem, Resolution, resolve


@dataclass(frozen=True, slots=True)
class Checked:
    """One object of our own kinds, and, when it is a readable AIStack, what its names resolve to."""

    document: Document
    resolution: Resolution | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.resolution.problems if self.resolution else ()

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return self.resolution.warnings if self.resolution else ()


def run(files: Sequence[str], catalog: Sequence[str], namespace: str, output: str, *, strict: bool) -> Exit:
    checked = check(read(files, namespace), read(catalog))
    if output == "text":
        show(*lines(checked))
    else:
        write([_report(each) for each in checked], output)
    return verdict(checked, strict=strict)


def check(documents: Sequence[Document], catalog: Sequence[Document]) -> list[Checked]:
    """Checks `documents`; those of `catalog` are only referred to."""
    known = Catalog(default_images(), accelerator_classes([*catalog, *documents]))
    return [
        Checked(each, resolve(each.parsed, known) if isinstance(each.parsed, AIStack) else None)
        for each in documents
        if each.is_ours
    ]


def verdict(checked: Sequence[Checked], *, strict: bool) -> Exit:
    if any(each.document.problems for each in checked):
        return Exit.BAD_INPUT
    if any(each.problems for each in checked):
        return Exit.DENIED
    if strict and any(each.warnings for each in checked):
        return Exit.WARNED
    return Exit.FINE


def lines(checked: Sequence[Checked]) -> list[Text]:
    """The findings for a reader: one line an object, then one a finding."""
    if not checked:
        return [Text("nothing to check: no object of aistack.dev in these files")]
    found = [line for each in checked for line in _lines(each)]
    if any(problem.path.endswith("accelerator.class") for each in checked for problem in each.problems):
        found.append(Text("AcceleratorClasses are read from these files; name more with --catalog FILE"))
    return found


def _lines(checked: Checked) -> list[Text]:
    document = checked.document
    found = [
        *(_finding("invalid", "red", message) for message in document.problems),
        *(_finding("denied", "red", str(problem)) for problem in checked.problems),
        *(_finding("warning", "yellow", str(warning)) for warning in checked.warnings),
    ]
    fine = ("", "") if found else (": fine", "green")
    return [Text.assemble(f"{document.file}: ", (document.title, "bold"), fine), *found]


def _finding(sort: str, colour: str, message: str) -> Text:
    return Text.assemble("  ", (f"{sort:8}", colour), message)


def _report(checked: Checked) -> dict[str, Any]:
    return {
        "file": checked.document.file,
        "object": checked.document.title,
        "invalid": list(checked.document.problems),
        "problems": [_row(problem) for problem in checked.problems],
        "warnings": [_row(warning) for warning in checked.warnings],
    }


def _row(problem: Problem) -> dict[str, str]:
    return {"path": problem.path, "reason": problem.reason.value, "message": problem.message}
