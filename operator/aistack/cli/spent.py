"""`aistack spent`: what a stack has really cost in a month, by part, by client or by route."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from aistack.cli.budget import bar
from aistack.cli.output import Exit, columns, complain, emit, remark, show, write
from aistack.cli.showback import Bill, bills_of, gaps
from aistack.cost.money import cents
from aistack.spending.money import micro, said
from aistack.spending.tally import Sums, Tally

BY: Mapping[str, Callable[[Tally], Sums]] = {
    "component": lambda tally: tally.components,
    "client": lambda tally: tally.clients,
    "route": lambda tally: tally.routes,
}
NOBODY = "nobody"
"""Whose is what no client has used and no route led to, as the gateway's own pods."""


def run(stack: str, kubeconfig: str, output: str, *, by: str, last_month: bool) -> Exit:
    """Of `care/support`. In a month in which its prices changed their currency it has several bills."""
    bills = [bill for bill in bills_of(stack, kubeconfig, last_month=last_month) if bill.tally.month]
    if not bills:
        complain(f"AIStack {stack}: nothing is metered of it")
        return Exit.BAD_INPUT
    documents = [document(bill, by) for bill in bills]
    if output == "text":
        show(*(line for bill in bills for line in report(bill, by)))
    elif output == "csv":
        emit(table(documents))
    else:
        write(documents, output)
    remark(*(line for bill in bills for line in gaps(bill)))
    return Exit.FINE


def report(bill: Bill, by: str) -> Iterator[Text]:
    """For a reader, the largest first."""
    tally, whole = bill.tally, micro(bill.tally.cost)
    rows: list[list[str | Text]] = [
        [name or NOBODY, Text(cents(micro(cost)).rjust(len(cents(whole)))), bar(micro(cost), max(whole, 1))]
        for name, cost in _shares(tally, by)
    ]
    yield Text(f"AIStack {bill.title}: {cents(whole)} {bill.book.currency} spent in {tally.month}, by {by}")
    yield from (Text.assemble("  ", line) for line in columns(rows))


def document(bill: Bill, by: str) -> dict[str, Any]:
    """For a program: amounts are decimal strings to the last digit, and add up to `spent`. What is nobody's
    has no name."""
    return {
        "stack": bill.title,
        "month": bill.tally.month,
        "currency": bill.book.currency,
        "spent": said(bill.tally.cost),
        "by": by,
        "shares": [{"name": name or None, "cost": said(cost)} for name, cost in _shares(bill.tally, by)],
    }


def table(documents: Sequence[Mapping[str, Any]]) -> str:
    """A row for each share."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stack", "month", "currency", "by", "name", "cost"])
    for each in documents:
        about = [each["stack"], each["month"], each["currency"], each["by"]]
        writer.writerows([*about, share["name"] or "", share["cost"]] for share in each["shares"])
    return text.getvalue()


def _shares(tally: Tally, by: str) -> list[tuple[str, int]]:
    """All of the month, the largest first; the last, without a name, is nobody's."""
    sums = BY[by](tally)
    rest = tally.cost - sum(sums.values())
    named = sorted(sums.items(), key=lambda share: (-share[1], share[0]))
    return [*named, ("", rest)] if rest > 0 else named
