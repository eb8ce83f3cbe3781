"""Budgets as they are written: by compare-and-swap, and what is asked for together in one write.

An answer is part of the write that succeeded, or was found on a version that was read after it was asked for:
none rests on a cache that lags behind.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar

from aistack.api import AIBudget
from aistack.api.budgets import AIBudgetStatus, StackReservation
from aistack.budget import Claim, Ledger
from aistack.budget.ledger import Entered, admit, commit, hold, is_committed, release, restore, withdraw
from aistack.budget.reservation import (
    NOTHING_RESERVED,
    Reservation,
    asked,
    committed,
    refusing,
    standing,
)
from aistack.errors import ApiError, Conflict, NotFound, NotLeader
from aistack.kinds import AIBUDGET
from aistack.kube import Kube
from aistack.spending.summary import Spent
from aistack.status import of_budget
from aistack.units import timestamp

PAUSE = 0.02
"""Seconds, at most, before what lost a race is tried again; so much more each time, up to five times."""

T = TypeVar("T")
Step = Callable[[Ledger], tuple[Ledger, T]]


@dataclass(frozen=True, slots=True, eq=False)
class _Request(Generic[T]):
    step: Step[T]
    answer: "asyncio.Future[T | None]"
    shows: bool


class Account:
    """One budget. `known` is its newest known version; `kube` tells of those that are written.

    `spent` is what is known of budgets' months, by their uids.
    """

    def __init__(
        self,
        kube: Kube,
        name: str,
        known: Callable[[], AIBudget | None],
        spent: Mapping[str, Spent],
    ) -> None:
        self._kube = kube
        self._name = name
        self._known = known
        self._spent = spent
        self._waiting: list[_Request[Any]] = []
        self._work: asyncio.Task[None] | None = None

    async def take(self, step: Step[T], *, shows: bool = False) -> T | None:
        """Takes a step on the ledger, together with all that are asked for meanwhile, one after the other.

        Written is what changes the ledger, and with `shows` also what the status doesn't show yet. None when
        there is no such budget any more. ApiError and NotLeader when it can't be read or written.
        """
        request = _Request(step, asyncio.get_running_loop().create_future(), shows)
        self._waiting.append(request)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._take_all())
        return await request.answer

    async def _take_all(self) -> None:
        while self._waiting:
            batch: list[_Request[Any]] = []
            try:
                await self._take_together(batch)
            except Exception as error:  # noqa: BLE001  it is raised where it was asked for
                for request in batch:
                    if not request.answer.done():
                        request.answer.set_exception(error)

    async def _take_together(self, batch: list[_Request[Any]]) -> None:
        """One write for the whole batch; who asks while a try fails is part of the next."""
        self._collect(batch)
        budget = self._known()
        for lost in count():
            if budget is None and lost:
                break
            if budget is not None:
                ledger, answers = _taken(Ledger.of(budget), batch)
                spent = self._spent.get(budget.metadata.uid)
                after = of_budget(budget, ledger, datetime.now(UTC), spent)
                shows = any(request.shows for request in batch) and after != budget.status
                changed = shows or ledger != Ledger.of(budget)
                if (not changed and lost) or (changed and await self._write(budget, after)):
                    _answer(batch, answers)
                    return
                if changed:
                    await asyncio.sleep(random.uniform(0, PAUSE * min(lost + 1, 5)))  # noqa: S311  spreads load
            self._collect(batch)
            budget = await self._read()
        _answer(batch, [None] * len(batch))

    def _collect(self, batch: list[_Request[Any]]) -> None:
        """Adds those that wait; who has given up would hold money that nobody asks for."""
        batch[:] = [request for request in (*batch, *self._waiting) if not request.answer.done()]
        self._waiting = []

    async def _read(self) -> AIBudget | None:
        try:
            return AIBudget.read(await self._kube.get(AIBUDGET, "", self._name))
        except NotFound:
            return None

    async def _write(self, budget: AIBudget, status: AIBudgetStatus) -> bool:
        """Whether it was still the version that the status was made from."""
        meta = budget.metadata
        try:
            await self._kube.replace_status(
                AIBUDGET,
                "",
                self._name,
                uid=meta.uid,
                resource_version=meta.resource_version,
                status=status.dump(),
            )
        except (Conflict, NotFound):
            return False
        return True


def _taken(ledger: Ledger, batch: Sequence[_Request[Any]]) -> tuple[Ledger, list[Any]]:
    """The ledger after every step, and what each answered."""
    answers = []
    for request in batch:
        ledger, answer = request.step(ledger)
        answers.append(answer)
    return ledger, answers


def _answer(batch: Sequence[_Request[Any]], answers: Sequence[Any]) -> None:
    for request, answer in zip(batch, answers, strict=True):
        if not request.answer.done():
            request.answer.set_result(answer)


class Accounts:
    """Every budget's account. `budgets` are the newest known versions, of which `kube` tells.

    `patience` is how many seconds a pending entry waits for its spec: more than the API server's request
    timeout, so that what may still be stored is still held.
    """

    def __init__(self, kube: Kube, budgets: Callable[[], Mapping[str, AIBudget]], *, patience: float) -> None:
        self._kube = kube
        self._budgets = budgets
        self._patience = timedelta(seconds=patience)
        self._accounts: dict[str, Account] = {}
        self.spent: dict[str, Spent] = {}
        """What is known of each budget's month, by its uid, where this process meters it."""
        self._ledgers: dict[str, tuple[str, Ledger]] = {}
        self._withdrawals: set[asyncio.Task[None]] = set()
        """Kept for as long as they run: the event loop itself would forget them."""

    def __getitem__(self, name: str) -> Account:
        if name not in self._accounts:
            known = partial(self._known, name)
            self._accounts[name] = Account(self._kube, name, known, self.spent)
        return self._accounts[name]

    async def admit(self, claim: Claim, counting: Sequence[AIBudget]) -> Reservation:
        """Holds the claim in every budget or in none, in the order of their names."""
        expires_at = timestamp(datetime.now(UTC) + self._patience)
        tried: dict[str, Ledger] = {}
        step = partial(_admitted, claim=claim, expires_at=expires_at, tried=tried)
        try:
            admitted = asked(await self._in_each(counting, step))
        except asyncio.CancelledError:
            self._withdrawing(claim, counting, tried)  # who asked has no time left to wait for it
            raise
        except (ApiError, NotLeader):
            await asyncio.shield(self._withdrawing(claim, counting, tried))
            raise
        if admitted.denied:
            denying = {obstacle.ledger.name for obstacle in admitted.obstacles if obstacle.denies}
            holding = [budget for budget in counting if budget.metadata.name not in denying]
            await asyncio.shield(self._withdrawing(claim, holding, tried))
        return admitted

    def _withdrawing(
        self, claim: Claim, counting: Sequence[AIBudget], tried: Mapping[str, Ledger]
    ) -> "asyncio.Task[None]":
        """Takes back what `admit` entered where it was tried, whether or not somebody waits for that."""
        task = asyncio.create_task(self._withdraw(claim, counting, tried))
        self._withdrawals.add(task)
        task.add_done_callback(self._withdrawals.discard)
        return task

    async def _withdraw(
        self, claim: Claim, counting: Sequence[AIBudget], tried: Mapping[str, Ledger]
    ) -> None:
        """After what is being written: an account takes its steps in their order. What can't be reached holds
        it until it expires.
        """
        for budget in counting:
            with suppress(ApiError, NotLeader):
                await self[budget.metadata.name].take(partial(_withdrawn, claim=claim, tried=tried))

    async def ask(self, claim: Claim, counting: Sequence[AIBudget]) -> Reservation:
        """What `admit` would answer; nothing is held."""
        return asked(await self._in_each(counting, partial(_looked_at, claim=claim)))

    async def commit(self, claim: Claim, counting: Sequence[AIBudget], *, running: bool) -> Reservation:
        """Commits the claim in every budget or in none; without a request where that was done before.

        `running`: what the claim is for runs already.
        """
        step = partial(commit, claim=claim, running=running)
        before = {budget.metadata.name: self._ledger(budget) for budget in counting}
        entered = {name: step(ledger) for name, ledger in before.items()}
        if all(is_committed(ledger, claim) for ledger in before.values()):
            return committed(entered, claim)
        # What can't be committed everywhere is asked for only, or each try would write it and take it back.
        if refusing(entered, claim):
            entered = await self._in_each(counting, partial(_asked, step))
        if not refusing(entered, claim):
            try:
                entered = await self._in_each(counting, partial(_answered, step))
            except (ApiError, NotLeader):
                await self._restore(claim, before)
                raise
            if refused := refusing(entered, claim):
                await self._restore(claim, {name: before[name] for name in entered.keys() - refused})
        return committed(entered, claim)

    async def _restore(self, claim: Claim, before: Mapping[str, Ledger]) -> None:
        """Takes the claim back where it was entered. What can't be reached holds it until the next try."""
        for name, ledger in before.items():
            earlier = ledger.committed.get(claim.uid)
            with suppress(ApiError, NotLeader):
                await self[name].take(partial(_restored, claim=claim, earlier=earlier))

    async def hold(self, claim: Claim | None, counting: Sequence[AIBudget]) -> Reservation:
        """Counts what runs of a stack whose newest spec is not taken, in every budget that holds nothing for
        it; without a request where that was done before. None: nothing runs.
        """
        if claim is None:
            return NOTHING_RESERVED
        entered = {budget.metadata.name: hold(self._ledger(budget), claim) for budget in counting}
        missing = [each for each in counting if claim.uid not in self._ledger(each).committed]
        entered |= await self._in_each(missing, partial(_answered, partial(hold, claim=claim)))
        return standing(entered, claim)

    async def release(
        self, claim: Claim, counting: Sequence[AIBudget], reservation: Reservation
    ) -> Reservation:
        """Gives back what an older spec, or an older price, cost more; no request where nothing did.

        Answers with what is held then.
        """
        before = [(budget, self._ledger(budget)) for budget in counting]
        rich = [budget for budget, ledger in before if release(ledger, claim) is not ledger]
        if not rich:
            return reservation
        await self._in_each(rich, partial(_released, claim=claim))
        return await self.commit(claim, counting, running=True)

    async def _in_each(self, counting: Iterable[AIBudget], step: Step[T]) -> dict[str, T]:
        """The answers of the budgets that are still there, one after the other."""
        answers = {budget.metadata.name: await self[budget.metadata.name].take(step) for budget in counting}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def _known(self, name: str) -> AIBudget | None:
        return self._budgets().get(name)

    def _ledger(self, budget: AIBudget) -> Ledger:
        """The newest known one, made once of each version: thousands of stacks ask for it."""
        name = budget.metadata.name
        budget = self._known(name) or budget
        version = budget.metadata.resource_version
        if name not in self._ledgers or self._ledgers[name][0] != version:
            self._ledgers[name] = (version, Ledger.of(budget))
        return self._ledgers[name][1]


def _answered(step: Callable[[Ledger], Entered], ledger: Ledger) -> tuple[Ledger, Entered]:
    entered = step(ledger)
    return entered[0], entered


def _asked(step: Callable[[Ledger], Entered], ledger: Ledger) -> tuple[Ledger, Entered]:
    return ledger, step(ledger)


def _looked_at(ledger: Ledger, claim: Claim) -> tuple[Ledger, Entered]:
    return ledger, (ledger, ledger.obstacle(claim))


def _admitted(
    ledger: Ledger, claim: Claim, expires_at: str, tried: dict[str, Ledger]
) -> tuple[Ledger, Entered]:
    """Keeps in `tried` what the ledger was before the last try: it may be written though nobody hears of it,
    and what an earlier request holds may have been missing in the cache that the first try began with.
    """
    tried[ledger.name] = ledger
    entered = admit(ledger, claim, expires_at)
    return entered[0], entered


def _withdrawn(ledger: Ledger, claim: Claim, tried: Mapping[str, Ledger]) -> tuple[Ledger, None]:
    """Only what was entered: an entry of an earlier request for the same spec stays."""
    before = tried.get(ledger.name)
    if before is None or (claim.uid, claim.spec_hash) in before.pending:
        return ledger, None
    return withdraw(ledger, claim), None


def _released(ledger: Ledger, claim: Claim) -> tuple[Ledger, None]:
    return release(ledger, claim), None


def _restored(ledger: Ledger, claim: Claim, earlier: StackReservation | None) -> tuple[Ledger, None]:
    return restore(ledger, claim, earlier), None
