"""What a deleted stack has cost stays on its budget's bill, for its month and the next."""

import csv
import io
from decimal import Decimal

from aistack.cost.focus import Row, table
from aistack.errors import Conflict
from aistack.spending import showback
from aistack.spending.budget import BudgetBook, loaded
from tests.metered import CHAT, CREATED, Front, World
from tests.stacks import stack

TOKENS = 20_000_000
"""They cost 40."""


def kept(world: World) -> BudgetBook:
    return loaded(world.cluster.maps["aistack-system", "budget-care-spending"])


def bill(world: World, month: str) -> list[Row]:
    """The model's rows of the CSV; the minute of its gateway's pod is in others."""
    told = [(each, tally) for each in kept(world).gone.values() if (tally := each.of_month(month))]
    text = table(row for each, tally in told for row in showback.rows(each.ref, each.book, tally, each.tags))
    return [row for row in csv.DictReader(io.StringIO(text)) if row["ResourceName"] == "model/gpt"]


async def deleted(front: Front) -> World:
    """A stack of the team `care` has cost 40, and is deleted."""
    world = World()
    made = stack(**CHAT, environment="production")
    meta = {**made["metadata"], "creationTimestamp": CREATED, "labels": {"team": "care"}}
    world.has({**made, "metadata": meta})
    front.tokens = TOKENS
    await world.looks()
    world.deletes()
    await world.looks()
    return world


async def test_its_rows_have_the_tags_that_it_had_and_survive_a_restart(front: Front) -> None:
    world = await deleted(front)
    for _ in range(2):
        (row,) = bill(world, "2026-11")
        assert Decimal(row["BilledCost"]) == 40
        assert (row["SubAccountId"], row["ConsumedQuantity"]) == ("care/support", "20")
        assert row["Tags"] == '{"environment": "production", "team": "care"}'
        world.restarts()
        assert (await world.looks())["monthToDate"] == "40.00"


async def test_it_is_told_for_its_month_and_the_next_and_then_forgotten(front: Front) -> None:
    world = await deleted(front)
    thirty_days = 30 * 24 * 60
    await world.looks(after=thirty_days)
    assert (kept(world).month, len(bill(world, "2026-11")), bill(world, "2026-12")) == ("2026-12", 1, [])
    await world.looks(after=thirty_days)
    assert (kept(world).month, kept(world).gone) == ("2027-01", {})


async def test_one_that_the_budget_did_not_count_any_more_is_on_no_bill_of_it(front: Front) -> None:
    world = World()
    front.tokens = TOKENS
    await world.looks()
    stored = world.cluster.stored["care"]
    elsewhere = {"stackSelector": {"matchLabels": {"team": "sales"}}}
    moved = {**stored, "spec": {**stored["spec"], "selector": elsewhere}}
    world.cluster.stored["care"] = world.cluster.cache["care"] = moved
    await world.looks()
    world.deletes()
    await world.looks()
    assert kept(world).gone == {}


async def test_a_budget_whose_book_can_not_be_written_at_once_notes_it_later(front: Front) -> None:
    world = World()
    front.tokens = TOKENS
    await world.looks()
    world.deletes()
    world.cluster.refusing = Conflict(409, "Conflict", "somebody was faster")
    await world.looks()
    world.cluster.refusing = None
    await world.looks()
    assert len(bill(world, "2026-11")) == 1
