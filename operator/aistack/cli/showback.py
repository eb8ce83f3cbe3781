"""`aistack budget --output csv`: what stacks have really cost in a month, in FOCUS."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from aistack.api import AIBudget, AIStack
from aistack.api.base import Metadata
from aistack.cli.output import Exit, complain, emit, remark
from aistack.connection import connect
from aistack.cost.focus import Row, table, tags_of
from aistack.cost.money import cents
from aistack.kinds import AISTACK, CONFIG_MAP, Manifest
from aistack.kube import Kube
from aistack.observed import owning_stack
from aistack.resolve import StackRef
from aistack.spending.book import Book, loaded
from aistack.spending.money import heard, micro
from aistack.spending.showback import rows
from aistack.spending.tally import Tally

BOOKS = "app.kubernetes.io/managed-by=aistack,app.kubernetes.io/component=spending"


Known = tuple[AIStack, Book]


def of_budgets(budgets: Sequence[AIBudget], kubeconfig: str, *, last_month: bool) -> Exit:
    """Of the stacks that hold something of a budget now; where it has seen another sum, that is remarked."""
    known = asyncio.run(_known(kubeconfig))
    counted = {entry.uid for budget in budgets for entry in budget.status.stacks}
    outcome = _tell([each for each in known if each[0].metadata.uid in counted], last_month=last_month)
    if last_month:
        remark("these are the stacks that are counted now: what others have cost is not in it")
    else:
        books = {stack.metadata.uid: book for stack, book in known}
        remark(*(said for budget in budgets if (said := difference(budget, books))))
    return outcome


def difference(budget: AIBudget, books: Mapping[str, Book]) -> str:
    """What a budget has seen spent this month beside the sum of its stacks' `books`, by their uids; empty
    where that is the same to a hundredth, for neither is written at every look. Those of another currency
    are in neither.
    """
    status, currency = budget.status, budget.spec.limit.currency
    if status.month_to_date is None:
        return ""
    mine = [books[entry.uid] for entry in status.stacks if entry.uid in books]
    tallies = [book.now for book in mine if book.currency == currency]
    bill, seen = sum(each.cost for each in tallies if each.month == status.month), heard(status.month_to_date)
    if abs(bill - seen) * 100 <= seen:
        return ""
    return (
        f"AIBudget {budget.metadata.name}: {cents(micro(seen))} {currency} spent in {status.month} by its "
        f"status.monthToDate, {cents(micro(bill))} by these rows: they have all of the month of each stack "
        "that it counts now, and nothing of those that it counts no more"
    )


def of_stack(name: str, kubeconfig: str, *, last_month: bool) -> Exit:
    """Of `care/support`, whether or not a budget counts it."""
    known = [each for each in asyncio.run(_known(kubeconfig)) if _title(each[0]) == name]
    if not known:
        complain(f"AIStack {name}: nothing is metered of it; write it as namespace/name")
        return Exit.BAD_INPUT
    return _tell(known, last_month=last_month)


def _tell(known: Sequence[Known], *, last_month: bool) -> Exit:
    """What has no price is told beside it."""
    months = [(stack, book, book.last if last_month else book.now) for stack, book in known]
    emit(table(row for each in months for row in _rows(*each)))
    for stack, _, tally in months:
        for part in tally.unpriced:
            remark(f"{_title(stack)}: {part} has no price and is left out")
    return Exit.FINE


async def _known(kubeconfig: str) -> list[Known]:
    """The stacks that are metered, with what each has cost."""
    async with Kube(await connect(kubeconfig)) as kube:
        found = [item async for page in kube.pages(AISTACK) for item in page.items]
        kept = [item async for page in kube.pages(CONFIG_MAP, label_selector=BOOKS) for item in page.items]
    books = dict(_books(kept))
    return [(stack, books[stack.metadata.uid]) for stack in _stacks(found) if stack.metadata.uid in books]


def _title(stack: AIStack) -> str:
    return f"{stack.metadata.namespace}/{stack.metadata.name}"


def _stacks(found: Sequence[Manifest]) -> Iterator[AIStack]:
    for each in found:
        try:
            yield AIStack.read({**each, "status": {}})
        except ValidationError:
            remark(f"AIStack {each['metadata']['name']}: written for another version of aistack; left out")


def _books(found: Sequence[Manifest]) -> Iterator[tuple[str, Book]]:
    """Those of budgets are kept elsewhere under the same labels."""
    for each in found:
        if uid := owning_stack(each["metadata"]):
            try:
                yield uid, loaded(each)
            except ValueError as error:
                remark(str(error))


def _rows(stack: AIStack, book: Book, tally: Tally) -> Iterator[Row]:
    meta: Metadata = stack.metadata
    return rows(StackRef(meta.name, meta.namespace, meta.uid), book, tally, tags_of(stack))
