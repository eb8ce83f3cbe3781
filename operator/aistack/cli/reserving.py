"""What the budgets in files say of the stacks in files: as if each were applied in its turn."""

from dataclasses import replace

from aistack.admission.review import Priced
from aistack.api import AIBudget, AIStack
from aistack.budget import Budgets, Ledger, Reservation
from aistack.budget.ledger import Entered, admit
from aistack.budget.reservation import asked
from aistack.platform import Platform

NEVER = "2999-12-31T23:59:59Z"
"""Nothing expires while files are read."""


def identified(stack: AIStack, budgets: Budgets) -> AIStack:
    """With the uid under which a budget holds something for it; else with its name for one.

    A file says none, and one budget's entries are told apart by it.
    """
    if stack.metadata.uid:
        return stack
    name = f"{stack.metadata.namespace}/{stack.metadata.name}"
    entries = (entry for budget in budgets.budgets for entry in Ledger.of(budget).entries)
    uid = next((entry.uid for entry in entries if entry.stack == name), name)
    return stack.model_copy(update={"metadata": stack.metadata.model_copy(update={"uid": uid})})


def reserve(wanted: Priced, platform: Platform) -> tuple[Reservation, Platform]:
    """The answer, and the platform whose budgets hold what was admitted."""
    ledgers = {budget.metadata.name: Ledger.of(budget) for budget in wanted.counting}
    entered = {name: admit(ledger, wanted.claim, NEVER) for name, ledger in ledgers.items()}
    reservation = asked(entered)
    if reservation.denied:
        return reservation, platform
    held = tuple(_holding(budget, entered) for budget in platform.budgets.budgets)
    return reservation, replace(platform, budgets=replace(platform.budgets, budgets=held))


def _holding(budget: AIBudget, entered: dict[str, Entered]) -> AIBudget:
    if budget.metadata.name not in entered:
        return budget
    ledger, _ = entered[budget.metadata.name]
    return budget.model_copy(update={"status": ledger.status(budget.status)})
