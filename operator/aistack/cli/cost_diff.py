"""What a change costs: for a terminal, for a program, and as the comment of a pull request."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rich.text import Text

from aistack.cli.output import columns
from aistack.cost.comparison import Comparison, Line
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


def _amount(cost: Range[MicroUnits] | None, bound: str) -> str:
    return "-" if cost is None else cents(getattr(cost, bound))


def change(line: Line) -> str:
    """`+584.00 (+50 %)`; without percent where there was nothing before."""
    before, after = line.before or NOTHING, line.after or NOTHING
    more = after.expected - before.expected
    told = f"{'-' if more < 0 else '+'}{cents(abs(more))}"
    return f"{told} ({more / before.expected:+.0%})" if before.expected and more else told


def markdown(compared: Sequence[Comparison]) -> str:
    """A table of all stacks, and below it the parts of each that change."""
    if not any(each.lines for each in compared):
        return "### This change costs nothing\n\nEvery stack costs what it did.\n"
    changed = [each for each in compared if each.lines]
    summary = [_markdown_row(each.title, each.total, each.currency) for each in changed]
    details = "\n".join(map(_details, changed))
    return "\n".join(
        ["### What this change costs a month", "", *_head("stack"), *summary, "", details, _footnote(changed)]
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


def _footnote(changed: Sequence[Comparison]) -> str:
    unknown = [_cell(each.title) for each in changed if each.is_lower_bound]
    month = "A month has 730 hours."
    return f"{month} Some prices are unknown in {', '.join(unknown)}.\n" if unknown else f"{month}\n"


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


def _range(cost: Range[MicroUnits] | None) -> dict[str, str] | None:
    if cost is None:
        return None
    return {"min": exact(cost.min), "expected": exact(cost.expected), "max": exact(cost.max)}
