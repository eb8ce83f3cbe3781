"""`aistack budget`: what budgets hold, a bar for each stack."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from rich.text import Text

from aistack.api import AIBudget
from aistack.api.budgets import PendingReservation, StackReservation
from aistack.budget import Ledger
from aistack.cli import showback
from aistack.cli.output import Exit, columns, show, write
from aistack.connection import connect
from aistack.cost.money import MicroUnits, cents, exact
from aistack.errors import AIStackError, NotFound
from aistack.kinds import AIBUDGET, Manifest
from aistack.kube import Kube

WIDTH = 40
"""Characters of a bar that is as long as the limit."""
BLOCKS = " ▏▎▍▌▋▊▉█"
"""A character by eighths."""


class BudgetError(AIStackError):
    """A budget can't be shown; the message says why."""


def run(name: str, kubeconfig: str, output: str, *, stack: str, last_month: bool) -> Exit:
    """`stack`, as `care/support`, and `last_month` are about the bill, which is told as csv."""
    if output != "csv" and (stack or last_month):
        raise BudgetError("--stack and --last-month are of the bill: write --output csv with them")
    if stack and name:
        raise BudgetError("name an AIBudget or a --stack, not both")
    if stack:
        return showback.of_stack(stack, kubeconfig, last_month=last_month)
    budgets = [_parsed(each) for each in asyncio.run(_found(name, kubeconfig))]
    if output == "csv":
        return showback.of_budgets(budgets, kubeconfig, last_month=last_month)
    if output == "text":
        now = datetime.now(UTC)
        show(*(line for budget in budgets for line in report(budget, now)) if budgets else ["no AIBudget"])
    else:
        documents = [document(budget) for budget in budgets]
        write(documents[0] if name else documents, output)
    return Exit.FINE


async def _found(name: str, kubeconfig: str) -> list[Manifest]:
    async with Kube(await connect(kubeconfig)) as kube:
        if not name:
            return [item async for page in kube.pages(AIBUDGET) for item in page.items]
        try:
            return [await kube.get(AIBUDGET, "", name)]
        except NotFound:
            raise BudgetError(f"AIBudget {name}: not found; `aistack budget` shows all") from None


def _parsed(found: Manifest) -> AIBudget:
    try:
        return AIBudget.parse(found)
    except ValidationError as error:
        name = found["metadata"]["name"]
        raise BudgetError(f"AIBudget {name}: written for another version of aistack: {error}") from error


def report(budget: AIBudget, now: datetime) -> list[Text]:
    """One budget for a reader, its largest stacks first. `now` is UTC: what is pending says for how long."""
    ledger = Ledger.of(budget)
    rows = [list(_row(entry, ledger, now)) for entry in _holding(ledger)]
    return [
        _headline(ledger),
        *_month(budget),
        *(Text.assemble("  ", line) for line in columns(rows)),
        *(Text(f"  {told}", "yellow") for told in _warnings(budget)),
        Text(),
    ]


def _headline(ledger: Ledger) -> Text:
    terms = ledger.terms
    over = ledger.left < 0
    left = f"{cents(-ledger.left)} over the limit" if over else f"{cents(ledger.left)} left"
    return Text.assemble(
        "AIBudget ",
        (ledger.name, "bold"),
        f": {cents(ledger.reserved)} of {cents(ledger.limit)} {terms.limit.currency} a month reserved, ",
        (left, "red" if over else "green"),
        f"; {terms.enforcement}, by {'the most' if terms.basis == 'Max' else 'the expected cost'}",
    )


def _month(budget: AIBudget) -> Iterator[Text]:
    """What was really spent, as of when; nothing before it was metered."""
    status, currency = budget.status, budget.spec.limit.currency
    if status.month_to_date is None:
        return
    told = f"  {status.month_to_date} {currency} spent in {status.month}, as of {status.metered_at}"
    if status.forecast:
        told += f"; {status.forecast} at its end ({status.forecast_low} to {status.forecast_high})"
    yield Text(told)


def _holding(ledger: Ledger) -> Sequence[StackReservation]:
    """The entry by which each stack holds what it holds, the largest first."""
    most: dict[str, StackReservation] = {}
    for entry in ledger.entries:
        if entry.uid not in most or entry.micro_units > most[entry.uid].micro_units:
            most[entry.uid] = entry
    return sorted(most.values(), key=lambda entry: (-entry.micro_units, entry.stack))


def _row(entry: StackReservation, ledger: Ledger, now: datetime) -> Iterator[str | Text]:
    pending = isinstance(entry, PendingReservation)
    yield entry.stack
    yield Text(cents(entry.micro_units).rjust(len(cents(ledger.reserved))))
    yield Text(bar(entry.micro_units, ledger.limit), "yellow" if pending else "cyan")
    yield _phase(entry, now)


def bar(amount: MicroUnits, limit: MicroUnits) -> str:
    """As long as the part of the limit; what is over it is no longer."""
    eighths = WIDTH * 8 if amount >= limit else amount * WIDTH * 8 // limit
    return (BLOCKS[-1] * (eighths // 8) + BLOCKS[eighths % 8]).strip()


def _phase(entry: StackReservation, now: datetime) -> str:
    if not isinstance(entry, PendingReservation):
        return "committed"
    seconds = (datetime.fromisoformat(entry.expires_at) - now).total_seconds()
    return f"pending, {max(0, int(seconds))}s"


def _warnings(budget: AIBudget) -> Iterator[str]:
    for condition in budget.status.conditions:
        if condition.status == "False":
            yield f"{condition.reason}: {condition.message}"
    if budget.status.observed_generation < budget.metadata.generation:
        yield "the controller hasn't seen the newest spec yet"


def document(budget: AIBudget) -> dict[str, Any]:
    """One budget for a program: amounts are decimal strings."""
    ledger = Ledger.of(budget)
    return {
        "name": ledger.name,
        "currency": ledger.terms.limit.currency,
        "limit": exact(ledger.limit),
        "reserved": exact(ledger.reserved),
        "enforcement": ledger.terms.enforcement,
        "basis": ledger.terms.basis,
        "spent": {
            "month": budget.status.month,
            "monthToDate": budget.status.month_to_date,
            "forecast": budget.status.forecast,
            "forecastLow": budget.status.forecast_low,
            "forecastHigh": budget.status.forecast_high,
            "meteredAt": budget.status.metered_at,
        },
        "stacks": [
            {
                "stack": entry.stack,
                "reserved": exact(entry.micro_units),
                "phase": "Pending" if isinstance(entry, PendingReservation) else "Committed",
            }
            for entry in _holding(ledger)
        ],
    }
