"""`aistack budget --output csv`: what stacks have really cost in a month, in FOCUS."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from aistack.api import AIBudget, AIStack
from aistack.cli.output import Exit, complain, emit, remark
from aistack.connection import connect
from aistack.cost.focus import table, tags_of
from aistack.cost.money import cents
from aistack.kinds import AIBUDGET, AISTACK, CONFIG_MAP, Kind, Manifest
from aistack.kube import Kube
from aistack.resolved import StackRef
from aistack.spending.book import Book, loaded
from aistack.spending.budget import BudgetBook
from aistack.spending.budget import loaded as loaded_of_budget
from aistack.spending.money import heard, micro
from aistack.spending.month import month_before
from aistack.spending.showback import rows
from aistack.spending.tally import Tally

BOOKS = "app.kubernetes.io/managed-by=aistack,app.kubernetes.io/component=spending"
T = TypeVar("T")


class Bill(NamedTuple):
    """What one stack has cost in one month."""

    stack: StackRef
    tags: Mapping[str, str]
    book: Book
    tally: Tally

    @property
    def title(self) -> str:
        return f"{self.stack.namespace}/{self.stack.name}"


@dataclass(frozen=True, slots=True)
class Metered:
    """All that is metered in a cluster, by uid."""

    stacks: Mapping[str, AIStack]
    books: Mapping[str, Book]
    """Of the stacks."""
    budgets: Mapping[str, BudgetBook]

    def bills(self, uid: str, *, last_month: bool) -> Iterator[Bill]:
        """Of one stack; a bill of its own for each other currency that its prices had in the month."""
        stack, book = self.stacks[uid], self.books[uid]
        meta = stack.metadata
        ref, tags = StackRef(meta.name, meta.namespace, meta.uid), tags_of(stack)
        tally = book.last if last_month else book.now
        yield Bill(ref, tags, book, tally)
        for other in book.others.values():
            if earlier := other.of_month(tally.month or month_before(book.now.month)):
                yield Bill(ref, tags, other, earlier)

    def gone(self, budget: str, *, last_month: bool) -> Iterator[Bill]:
        """Of the stacks that were deleted while the budget counted them."""
        if found := self.budgets.get(budget):
            month = month_before(found.month) if last_month else found.month
            for each in found.gone.values():
                if tally := each.of_month(month):
                    yield Bill(each.ref, each.tags, each.book, tally)


def of_budgets(budgets: Sequence[AIBudget], kubeconfig: str, *, last_month: bool) -> Exit:
    """Of the stacks that hold something of a budget now, and of those that were deleted; where it has seen
    another sum, that is remarked.
    """
    metered = asyncio.run(_metered(kubeconfig))
    counted = {entry.uid for budget in budgets for entry in budget.status.stacks}
    bills = [
        bill for uid in metered.books if uid in counted for bill in metered.bills(uid, last_month=last_month)
    ]
    gone = [bill for each in budgets for bill in metered.gone(each.metadata.uid, last_month=last_month)]
    outcome = _tell([*bills, *{bill.stack.uid: bill for bill in gone}.values()])
    if last_month:
        remark(
            "these are the stacks that are counted now or were deleted: what others have cost is not in it"
        )
    else:
        remark(*(said for budget in budgets if (said := difference(budget, metered))))
    return outcome


def difference(budget: AIBudget, metered: Metered) -> str:
    """What a budget has seen spent this month beside the sum of its stacks' bills; empty where that is the
    same to a hundredth, for neither is written at every look. Those of another currency are in neither.
    """
    status, currency = budget.status, budget.spec.limit.currency
    if status.month_to_date is None:
        return ""
    held = [entry.uid for entry in status.stacks if entry.uid in metered.books]
    bills = [bill for uid in held for bill in metered.bills(uid, last_month=False)]
    bills += metered.gone(budget.metadata.uid, last_month=False)
    tallies = [bill.tally for bill in bills if bill.book.currency == currency]
    bill, seen = sum(each.cost for each in tallies if each.month == status.month), heard(status.month_to_date)
    if abs(bill - seen) * 100 <= seen:
        return ""
    return (
        f"AIBudget {budget.metadata.name}: {cents(micro(seen))} {currency} spent in {status.month} by its "
        f"status.monthToDate, {cents(micro(bill))} by these rows: they have all of the month of each stack "
        "that it counts now, and nothing of those that went elsewhere"
    )


def of_stack(name: str, kubeconfig: str, *, last_month: bool) -> Exit:
    """Of `care/support`, whether or not a budget counts it."""
    found = bills_of(name, kubeconfig, last_month=last_month)
    if not found:
        complain(f"AIStack {name}: nothing is metered of it; write it as namespace/name")
        return Exit.BAD_INPUT
    return _tell(found)


def bills_of(name: str, kubeconfig: str, *, last_month: bool) -> list[Bill]:
    """Those of `care/support`."""
    metered = asyncio.run(_metered(kubeconfig))
    bills = (bill for uid in metered.books for bill in metered.bills(uid, last_month=last_month))
    return [bill for bill in bills if bill.title == name]


def _tell(bills: Iterable[Bill]) -> Exit:
    """What has no price is told beside it."""
    told = list(bills)
    emit(table(row for bill in told for row in rows(bill.stack, bill.book, bill.tally, bill.tags)))
    remark(*(line for bill in told for line in gaps(bill)))
    return Exit.FINE


def gaps(bill: Bill) -> Iterator[str]:
    """What was used and is in no sum."""
    return (f"{bill.title}: {part} has no price and is left out" for part in bill.tally.unpriced)


async def _metered(kubeconfig: str) -> Metered:
    async with Kube(await connect(kubeconfig)) as kube:
        found = [item async for page in kube.pages(AISTACK) for item in page.items]
        kept = [item async for page in kube.pages(CONFIG_MAP, label_selector=BOOKS) for item in page.items]
    stacks = {stack.metadata.uid: stack for stack in _stacks(found)}
    books = {uid: book for uid, book in _books(kept, AISTACK, loaded) if uid in stacks}
    return Metered(stacks, books, dict(_books(kept, AIBUDGET, loaded_of_budget)))


def _stacks(found: Sequence[Manifest]) -> Iterator[AIStack]:
    for each in found:
        try:
            yield AIStack.read({**each, "status": {}})
        except ValidationError:
            remark(f"AIStack {each['metadata']['name']}: written for another version of aistack; left out")


def _books(found: Sequence[Manifest], of: Kind, read: Callable[[Manifest], T]) -> Iterator[tuple[str, T]]:
    """Those of one kind, by their owners' uids: all are kept under the same labels."""
    for each in found:
        owners = (owner for owner in each["metadata"].get("ownerReferences", ()) if owner["kind"] == of.kind)
        if owner := next(owners, None):
            try:
                yield owner["uid"], read(each)
            except ValueError as error:
                remark(str(error))
