"""What a change costs: for a terminal, for a program, and as the comment of a pull request."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rich.text import Text

from aistack.cli.output import columns
from aistack.cost.comparison import Comparison, Line, Part
from aistack.cost.money import MicroUnits, Range, cents, exact

NOTHING = Range(0, 0, 0)
HEADINGS = ("", "before", "after", "change", "at most before", "after")


def lines(compared: Sequence[Comparison]) -> list[Text]:
    """A table a stack, the parts that change and the sum."""
    return [line for each in compared for line in (*_stack(each), Text())]


def _stack(compared: Comparison) -> list[Text]:
    rows = [_row(line) for line in (*compared.lines, compared.total)]
    return [
        Text.assemble((compared.title, "bold"), f": {compared.currency} a month, expected"),
        *columns([HEADINGS, *rows]),
        *([Text("some prices are unknown: it may be any other amount", "yellow")] * compared.is_lower_bound),
    ]


def _row(line: Line) -> tuple[str, ...]:
    before, after = line.before, line.after
    return (
        line.component,
        _amount(before, "expected"),
        _amount(after, "expected"),
        change(line),
        _amount(before, "max"),
        _amount(after, "max"),
    )


def _amount(part: Part | None, bound: str) -> str:
    """`> 12.00` where not all of it has a price."""
    if part is None:
        return "-"
    if part.known is None:
        return "unknown"
    return f"{'> ' * bool(part.unknown)}{cents(getattr(part.known, bound))}"


def change(line: Line) -> str:
    """`+584.00 (+50 %)`; without percent where there was nothing before, and `unknown` where what has no
    price is not what had none.
    """
    before, after = _known(line.before), _known(line.after)
    more = after.expected - before.expected
    told = f"{'-' if more < 0 else '+'}{cents(abs(more))}"
    if _unknown(line.before) != _unknown(line.after):
        return f"{told} and unknown" if more else "unknown"
    return f"{told} ({more / before.expected:+.0%})" if before.expected and more else told


def _known(part: Part | None) -> Range[MicroUnits]:
    return part.known if part and part.known else NOTHING


def _unknown(part: Part | None) -> frozenset[str]:
    return part.unknown if part else frozenset()


def markdown(compared: Sequence[Comparison]) -> str:
    """A table of all stacks, and below it the parts of each that change."""
    changed = [each for each in compared if each.lines]
    if not changed:
        return _nothing(compared)
    summary = [_markdown_row(each.title, each.total, each.currency) for each in changed]
    details = "\n".join(map(_details, changed))
    return "\n".join(
        [
            "### What this change costs a month",
            "",
            *_head("stack"),
            *summary,
            "",
            details,
            _footnote(compared),
        ]
    )


def _head(first: str) -> list[str]:
    return [
        f"| {first} | expected before | after | change | at most before | after |",
        "|---|---:|---:|---:|---:|---:|",
    ]


def _markdown_row(name: str, line: Line, currency: str) -> str:
    _, before, after, more, most_before, most_after = _row(line)
    return f"| {_cell(name)} | {before} | {after} | **{more} {currency}** | {most_before} | {most_after} |"


def _details(compared: Comparison) -> str:
    rows = [_markdown_row(line.component, line, compared.currency) for line in compared.lines]
    summary = f"<details><summary>{_cell(compared.title)}</summary>"
    return "\n".join([summary, "", *_head("part"), *rows, "", "</details>", ""])


def _nothing(compared: Sequence[Comparison]) -> str:
    if unknown := _unpriced(compared):
        return f"### No known cost changes\n\nWhat has a price costs what it did. {unknown}\n"
    return "### This change costs nothing\n\nEvery stack costs what it did.\n"


def _footnote(compared: Sequence[Comparison]) -> str:
    return f"A month has 730 hours. {_unpriced(compared)}".rstrip() + "\n"


def _unpriced(compared: Sequence[Comparison]) -> str:
    """Empty where all has a price."""
    stacks = [_cell(each.title) for each in compared if each.is_lower_bound]
    return f"Some prices are unknown in {', '.join(stacks)}." if stacks else ""


def _cell(text: str) -> str:
    return escape(text).replace("|", "\\|").replace("`", "'")


def report(compared: Comparison) -> dict[str, Any]:
    """For a program; null is what is not there, or unknown."""
    return {
        "object": compared.title,
        "currency": compared.currency,
        "isLowerBound": compared.is_lower_bound,
        "total": _line(compared.total),
        "components": [{"component": line.component, **_line(line)} for line in compared.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    return {"before": _range(line.before), "after": _range(line.after)}


def _range(part: Part | None) -> dict[str, str] | None:
    if part is None or part.known is None:
        return None
    return {bound: exact(getattr(part.known, bound)) for bound in ("min", "expected", "max")}
