"""Budgets and claims that tests start from, in whole units of money."""

from typing import Any

from aistack.api import AIBudget
from aistack.budget import Claim
from aistack.cost.money import Range
from tests.stacks import API_VERSION

UNIT = 1_000_000
EXPIRES = "2026-11-01T00:01:30Z"


def manifest(name: str = "care", limit: str = "100", **spec: Any) -> dict[str, Any]:
    """A budget that counts every stack, unless `spec` says otherwise."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AIBudget",
        "metadata": {"name": name},
        "spec": {"limit": {"amount": limit}, **spec},
    }


def budget(name: str = "care", limit: str = "100", **spec: Any) -> AIBudget:
    return AIBudget.parse(manifest(name, limit, **spec))


def claim(
    most: int, stack: str = "care/support", *, uid: str = "", spec: str = "first", **fields: Any
) -> Claim:
    """A claim of a tenth at least, half expected, `most` at most."""
    monthly = Range(most * UNIT // 10, most * UNIT // 2, most * UNIT)
    chosen = {"currency": "USD", "monthly": monthly, **fields}
    return Claim(stack=stack, uid=uid or f"uid-of-{stack}", spec_hash=spec, **chosen)
