"""`aistack budget --output csv`: what a budget's stacks have really cost in a month, in FOCUS."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from aistack.api import AIBudget, AIStack
from aistack.api.base import Metadata
from aistack.cli.output import Exit, emit, remark
from aistack.connection import connect
from aistack.cost.focus import Row, table, tags_of
from aistack.kinds import AISTACK, CONFIG_MAP, Manifest
from aistack.kube import Kube
from aistack.observed import owning_stack
from aistack.resolve import StackRef
from aistack.spending.book import Book, loaded
from aistack.spending.showback import rows
from aistack.spending.tally import Tally

BOOKS = "app.kubernetes.io/managed-by=aistack,app.kubernetes.io/component=spending"


def run(budgets: Sequence[AIBudget], kubeconfig: str, *, last_month: bool) -> Exit:
    """Of the stacks that hold something of a budget now; what has no price is told beside it."""
    counted = {entry.uid for budget in budgets for entry in budget.status.stacks}
    stacks, books = asyncio.run(_found(kubeconfig))
    known = [
        (stack, books[uid], books[uid].last if last_month else books[uid].now)
        for uid, stack in stacks.items()
        if uid in counted and uid in books
    ]
    emit(table(row for each in known for row in _rows(*each)))
    for stack, _, tally in known:
        for part in tally.unpriced:
            remark(f"{stack.metadata.namespace}/{stack.metadata.name}: {part} has no price and is left out")
    return Exit.FINE


async def _found(kubeconfig: str) -> tuple[Mapping[str, AIStack], Mapping[str, Book]]:
    """The stacks, and what each has cost, by their uids."""
    async with Kube(await connect(kubeconfig)) as kube:
        stacks = [item async for page in kube.pages(AISTACK) for item in page.items]
        kept = [item async for page in kube.pages(CONFIG_MAP, label_selector=BOOKS) for item in page.items]
    return dict(_stacks(stacks)), dict(_books(kept))


def _stacks(found: Sequence[Manifest]) -> Iterator[tuple[str, AIStack]]:
    for each in found:
        try:
            stack = AIStack.read({**each, "status": {}})
        except ValidationError:
            remark(f"AIStack {each['metadata']['name']}: written for another version of aistack; left out")
        else:
            yield stack.metadata.uid, stack


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
