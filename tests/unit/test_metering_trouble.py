"""What torn books, faults, clocks and other currencies do to metering: it goes on, and says what is missing.

A million tokens that are read cost 2.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aistack.cost import Prices
from aistack.errors import Refused
from aistack.resolved import ResolvedStack
from aistack.runtime import budgetbooks, metering
from aistack.spending.budget import BudgetBook, looked
from aistack.spending.rates import Rates, rates_of
from tests.budgets import manifest
from tests.costs import managed
from tests.metered import CHAT, CREATED, Front, World
from tests.stacks import stack


@pytest.mark.parametrize(
    "broken",
    [
        {"total": "torn"},
        {"total": "1e330"},
        {"total": "-1"},
        {"timeZone": "Europe"},
        {"at": "2026-11-10T12:01:00"},
        {"unreadSeconds": "long"},
    ],
    ids=lambda broken: "=".join(map(str, *broken.items())),
)
async def test_a_book_that_somebody_has_torn_is_begun_anew_and_the_budget_goes_on(
    front: Front, broken: Mapping[str, Any]
) -> None:
    world = World(thresholds=[{"percent": 50, "action": "Stop"}])
    front.tokens = 10_000_000
    await world.looks()
    world.edits(**broken)
    world.restarts()
    for tokens in (10_000_000, 10_000_000, 30_000_000):
        front.tokens = tokens
        status = await world.looks()
    assert (status["monthToDate"], status["action"]) == ("60.00", "Stop")
    assert world.metered()[0] == "Metered"


async def test_a_budgets_book_that_is_torn_is_begun_anew_with_what_its_status_says(front: Front) -> None:
    world = World(thresholds=[{"percent": 50, "action": "Stop"}])
    front.tokens = 30_000_000
    assert (await world.looks())["action"] == "Stop"
    world.cluster.maps["aistack-system", "budget-care-spending"]["data"] = {"spending.json": "{"}
    world.restarts()
    front.tokens = 40_000_000
    await world.looks()
    front.tokens = 45_000_000
    status = await world.looks()
    assert (status["monthToDate"], status["action"]) == ("70.00", "Stop"), "of one look nothing is known"
    status = await world.looks(after=30 * 24 * 60)
    assert (status["month"], status.get("action")) == ("2026-12", None)


async def test_a_stack_that_runs_and_can_not_be_metered_is_said(front: Front) -> None:
    world = World()
    theirs = {"metadata": {"uid": "uid-x", "resourceVersion": "1"}, "data": {"mine": "yes"}}
    world.cluster.maps["care", "support-spending"] = theirs
    for _ in range(7):
        await world.looks()
    assert world.metered() == ("MetricsMissing", "not read since 2026-11-10T12:01:00Z: care/support")
    world.cluster.maps.clear()
    world.metering._budgets._kept.clear()
    for _ in range(3):
        front.tokens = 20_000_000
        await world.looks()
    assert world.metered()[0] == "Metered"


async def test_a_fault_ends_nobody_elses_metering(
    front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    for cache in (world.cluster.stored, world.cluster.cache):
        cache["faulty"] = {**manifest("faulty"), "metadata": {"name": "faulty", "uid": "uid-faulty"}}
        cache["care"] = cache.pop("care")  # the other one has its turn first
    faulty = stack("faulty", **CHAT)
    world.has({**faulty, "metadata": {**faulty["metadata"], "uid": "uid-of-the-faulty"}})
    turns = iter(range(2))

    def rates(meaning: ResolvedStack, prices: Prices, *found: Any) -> Rates:
        if meaning.ref.name == "faulty":
            raise RuntimeError("a fault")
        return rates_of(meaning, prices, *found)

    def looks(book: BudgetBook, *found: Any) -> BudgetBook:
        if next(turns) == 0:
            raise RuntimeError("a fault")
        return looked(book, *found)

    monkeypatch.setattr(metering, "rates_of", rates)
    monkeypatch.setattr(budgetbooks, "looked", looks)
    front.tokens = 20_000_000
    assert (await world.looks())["monthToDate"] == "40.00"
    assert "only care/faulty is not metered" in caplog.text
    assert "only budget faulty is not added up" in caplog.text


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_clock_that_was_ahead_stops_no_metering_when_it_is_right_again(
    front: Front, restarts: bool
) -> None:
    world = World()
    front.tokens = 10_000_000
    await world.looks()
    right = world.now
    await world.looks(after=60 * 24 * 60)
    world.now = right
    if restarts:
        world.restarts()
    front.tokens = 20_000_000
    status = await world.looks()
    assert (status["month"], status["monthToDate"]) == ("2026-11", "0.00")
    assert status["meteredAt"] == "2026-11-10T12:02:00Z"
    front.tokens = 30_000_000
    assert (await world.looks())["monthToDate"] == "40.00"


async def test_what_is_counted_in_another_currency_is_named(front: Front) -> None:
    world = World()
    world.prices = replace(world.prices, currency="EUR")
    front.tokens = 20_000_000
    assert (await world.looks())["monthToDate"] == "0.00"
    assert world.metered() == ("PriceUnknown", "not counted, without a price; care/support: counted in EUR")


async def test_a_currency_that_comes_back_goes_on_where_it_was_left(front: Front) -> None:
    world = World()
    dollars, said = world.prices, []
    for currency, tokens in (
        ("USD", 20_000_000),
        ("EUR", 30_000_000),
        ("USD", 40_000_000),
        ("USD", 45_000_000),
    ):
        world.prices = replace(dollars, currency=currency)
        front.tokens = tokens
        status = await world.looks()
        world.restarts()
        kept = json.loads(world.cluster.maps["care", "support-spending"]["data"]["spending.json"])
        said.append((kept["currency"], round(float(kept["monthToDate"])), status["monthToDate"]))
    assert said == [
        ("USD", 40, "40.00"),
        ("EUR", 20, "40.00"),
        ("USD", 60, "40.00"),
        ("USD", 70, "50.00"),
    ], "a budget counts what comes from the look on at which the stack is back"


@pytest.mark.usefixtures("front")
async def test_a_budget_that_gets_a_time_zone_that_nobody_knows_says_so() -> None:
    world = World()
    await world.looks()
    stored = world.cluster.stored["care"]
    changed = {**stored, "spec": {**stored["spec"], "timeZone": "Europe/Berlim"}}
    world.cluster.stored["care"] = world.cluster.cache["care"] = changed
    await world.looks()
    await world.accounts["care"].take(lambda ledger: (ledger, None), shows=True)
    assert world.metered()[0] == "InvalidSpec"


async def test_a_gateway_that_still_answers_while_it_leaves_is_read(front: Front) -> None:
    world = World()
    await world.looks()
    ends = (world.now + timedelta(hours=1)).isoformat()
    world.has_pod(
        "gateway",
        "gateway",
        creationTimestamp=CREATED,
        deletionTimestamp=ends,
        deletionGracePeriodSeconds=3600,
    )
    front.tokens = 20_000_000
    assert (await world.looks())["monthToDate"] == "40.00"


async def test_where_no_book_can_be_written_a_reached_limit_holds_and_ends_with_its_month(
    front: Front,
) -> None:
    world = World()
    limited = stack(**{**CHAT, "models": [managed(monthlyLimit={"amount": "41"})]})
    world.has({**limited, "metadata": {**limited["metadata"], "creationTimestamp": CREATED}})
    await world.looks()
    world.cluster.refusing = Refused(403, "Forbidden", "exceeded quota")
    found = []
    for tokens, minutes in ((30_000_000, 1), (30_000_000, 21 * 24 * 60), (30_000_000, 1)):
        front.tokens = tokens
        status = await world.looks(after=minutes)
        shown = world.metering.metered("uid-of-the-stack")
        assert shown
        found.append((shown.month, shown.limited["model/gpt"] // 10**6, status["month"]))
    assert found[0] == ("2026-11", 60, "2026-11")
    assert [(stacks, budgets) for stacks, _, budgets in found[1:]] == [("2026-12", "2026-12")] * 2
    world.cluster.refusing = None
    await world.looks()
    kept = world.cluster.maps["aistack-system", "budget-care-spending"]
    assert '"month":"2026-12"' in kept["data"]["spending.json"], "it is tried again"


async def test_who_leads_again_says_nothing_until_the_first_look(front: Front) -> None:
    """What it knew is older than what others have put into the statuses."""
    world = World()
    front.tokens = 20_000_000
    await world.looks()
    assert world.metering.metered("uid-of-the-stack")
    leading = asyncio.create_task(world.metering.run())
    await asyncio.sleep(0)
    leading.cancel()
    await asyncio.wait([leading])
    assert world.metering.metered("uid-of-the-stack") is None


async def test_an_outage_over_the_months_turn_puts_into_the_new_one_what_came_in_it(front: Front) -> None:
    """Away from 10 November to 1 December, 12:01: of 30,240 minutes 721 are in December."""
    world = World(thresholds=[{"percent": 50, "action": "Stop"}])
    world.has_pod("model", "llama")
    await world.looks()
    front.tokens = 30_240_000
    world.restarts()
    status = await world.looks(after=21 * 24 * 60)
    kept = json.loads(world.cluster.maps["care", "support-spending"]["data"]["spending.json"])
    tokens = {each["item"]: float(each["quantity"]) for each in kept["items"] if "tokens" in each["item"]}
    assert list(tokens.values()) == pytest.approx([0.721], abs=1e-3)
    hours = {each["item"]: float(each["quantity"]) for each in kept["items"] if each["unit"] == "Hours"}
    assert list(hours.values()) == pytest.approx([12 + 1 / 60], abs=1e-6)
    month, last = float(kept["monthToDate"]), float(kept["lastMonth"]["monthToDate"])
    assert (kept["month"], kept["lastMonth"]["month"]) == ("2026-12", "2026-11")
    assert last > 300
    assert month + last == pytest.approx(float(kept["total"]))
    assert float(status["monthToDate"]) == pytest.approx(month, abs=0.01)
    assert (status["month"], status.get("action")) == ("2026-12", None)
    again = await world.looks()
    assert float(again["monthToDate"]) == pytest.approx(month, abs=0.05)


def unread_since(world: World) -> str | None:
    """What the stack's status is to say."""
    shown = world.metering.metered("uid-of-the-stack")
    assert shown
    return shown.unread_since


async def test_a_stack_whose_gateway_is_silent_says_since_when_and_is_told_of_it_once(front: Front) -> None:
    world = World()
    front.tokens = 10_000_000
    await world.looks()
    front.tokens = None
    told, said = len(world.told), []
    for _ in range(10):
        await world.looks()
        said.append(unread_since(world))
    assert said == [None] * 5 + ["2026-11-10T12:01:00Z"] * 5
    assert len(world.told) == told + 1
    front.tokens = 10_000_000
    for _ in range(20):
        await world.looks()
    assert unread_since(world) is None
    assert len(world.told) == told + 2


async def test_a_stack_that_can_not_be_metered_any_more_says_since_when(front: Front) -> None:
    world = World()
    front.tokens = 10_000_000
    await world.looks()
    world.cluster.refusing = Refused(403, "Forbidden", "exceeded quota")
    for tokens in range(11_000_000, 18_000_000, 1_000_000):
        front.tokens = tokens
        await world.looks()
    assert unread_since(world) == "2026-11-10T12:02:00Z"


async def test_after_a_restart_a_status_that_says_so_is_put_right_when_all_is_read_again(
    front: Front,
) -> None:
    world = World()
    front.tokens = 10_000_000
    await world.looks()
    made = world.store.stack(("care", "support"))
    assert made
    world.has({**made, "status": {"cost": {"unreadSince": "2026-11-10T12:01:00Z"}}})
    world.restarts()
    world.told.clear()
    await world.looks()
    assert unread_since(world) is None
    assert world.told == [("care", "support")]


async def test_where_a_monthly_limit_stands_a_silent_gateway_is_asked_at_every_look(front: Front) -> None:
    world = World()
    limited = stack(**{**CHAT, "models": [managed(monthlyLimit={"amount": "41"})]})
    world.has({**limited, "metadata": {**limited["metadata"], "creationTimestamp": CREATED}})
    front.tokens = None
    for _ in range(20):
        await world.looks()
    assert front.asked == 20
    front.tokens = 30_000_000
    await world.looks()
    shown = world.metering.metered("uid-of-the-stack")
    assert shown
    assert shown.limited == {"model/gpt": 60_000_000}
