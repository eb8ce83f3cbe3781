"""What one version of a budget costs the webhook, by how many stacks it holds: CPU of one core, no network.

From claims to the written status, with all JSON that is written and read on the way.
"""

import asyncio
import time
from typing import Any

import orjson

from aistack.accounts import Accounts
from aistack.kinds import AIBUDGET, Manifest
from aistack.runtime.store import Store
from bench.measure import Measure, of_rounds
from bench.raw import CONNECTIONS
from tests import budgets
from tests.budget_server import Server

HELD = (100, 1000, 4900)
"""Stacks; a budget holds at most 5,000."""
WRITES = 5
"""In one round of each."""


def versions(rounds: int) -> list[Measure]:
    """One claim and 64 that arrive together, by how many stacks hold something already."""
    found: list[Measure] = []
    for held in HELD:
        alone = [asyncio.run(_round(held, 1)) for _ in range(rounds)]
        together = [asyncio.run(_round(held, CONNECTIONS)) for _ in range(rounds)]
        found.append(of_rounds("budget: CPU of a write for one request", held, alone, "ms"))
        found.append(of_rounds(f"budget: CPU of a write for {CONNECTIONS} requests", held, together, "ms"))
    return found


async def _round(held: int, together: int) -> float:
    """Milliseconds of CPU a write."""
    server, store, spent = Server(budgets.manifest(limit="999999999999")), Store(), 0.0
    server.told = lambda written: store.written(_sent(written))
    accounts = Accounts(server, lambda: store.budgets, patience=90)
    claims = [budgets.claim(1, f"care/asked-{number}") for number in range(together)]
    stacks = [_reservation(number) for number in range(held)]
    for _ in range(WRITES):
        store.update(_holding(server, stacks))
        counting = list(store.budgets.values())
        begun = time.process_time()
        await asyncio.gather(*(accounts.admit(claim, counting) for claim in claims))
        spent += time.process_time() - begun
    assert server.writes == WRITES
    return spent / WRITES * 1000


def _sent(manifest: Manifest) -> Manifest:
    sent: Manifest = orjson.loads(orjson.dumps(manifest))
    return sent


def _holding(server: Server, stacks: list[Manifest]) -> Manifest:
    """The next version of the budget, which holds these and nothing else."""
    budget = server.stored["care"]
    budget["metadata"]["resourceVersion"] = str(int(budget["metadata"]["resourceVersion"]) + 1)
    budget["status"] = {"stacks": stacks}
    return {**budget, "apiVersion": AIBUDGET.api_version, "kind": AIBUDGET.kind}


def _reservation(number: int) -> dict[str, Any]:
    return {
        "stack": f"team-{number % 50}/stack-{number}",
        "uid": f"3b2f4f3a-8d1c-4a55-9b55-{number:012}",
        "specHash": f"{number:016}",
        "microUnits": 812_000_000,
    }
