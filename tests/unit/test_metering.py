"""What is asked of gateways, where it is kept, and what a restart or a second process makes of it.

A million tokens that are read cost 2.
"""

from datetime import timedelta

import pytest

from aistack.cost.prices import NO_PRICES
from aistack.errors import Conflict
from aistack.runtime.metrics import Spending
from tests.costs import managed
from tests.metered import CHAT, CREATED, START, Front, World
from tests.stacks import hosted, stack


async def test_what_a_gateway_counts_becomes_the_months_cost(front: Front) -> None:
    world = World()
    front.tokens = 20_000_000
    status = await world.looks()
    assert status["monthToDate"] == "40.00"
    assert (status["month"], status["meteredAt"]) == ("2026-11", "2026-11-10T12:01:00Z")
    kept = world.cluster.maps["care", "support-spending"]
    assert kept["metadata"]["ownerReferences"][0]["uid"] == "uid-of-the-stack"
    assert '"chat": "40.000000000000"' in kept["data"]["spending.json"]
    assert world.told == [("care", "support")]


async def test_replicas_cost_by_the_hour(front: Front) -> None:
    world = World()
    await world.looks()
    world.has_pod("model", "llama")
    assert float((await world.looks(after=60))["monthToDate"]) == pytest.approx(0.81, abs=0.005)
    assert front.asked == 2, "the model's pod counts nothing that costs"


async def test_while_nothing_but_time_is_new_nothing_is_written_and_a_restart_loses_nothing(
    front: Front,
) -> None:
    world = World()
    world.has_pod("model", "llama")
    await world.looks()
    kept = world.cluster.maps["care", "support-spending"]
    version = world.cluster.stored["care"]["metadata"]["resourceVersion"]
    for _ in range(20):
        status = await world.looks()
    assert world.cluster.stored["care"]["metadata"]["resourceVersion"] == version
    world.restarts()
    after = await world.looks()
    assert world.cluster.maps["care", "support-spending"] is kept
    assert (
        float(status["monthToDate"]) < float(after["monthToDate"]) == pytest.approx(0.81 * 22 / 60, abs=0.01)
    )
    front.tokens = 1_000_000
    await world.looks()
    assert world.cluster.maps["care", "support-spending"] is not kept


async def test_a_stack_that_costs_nothing_is_never_written(front: Front) -> None:
    world = World()
    world.prices = NO_PRICES
    await world.looks()
    version = world.cluster.stored["care"]["metadata"]["resourceVersion"]
    for _ in range(20):
        await world.looks()
    assert world.cluster.stored["care"]["metadata"]["resourceVersion"] == version
    assert (world.told, ("care", "support-spending") in world.cluster.maps) == ([], False)
    assert front.asked == 21


async def test_a_restart_goes_on_where_it_was_left_and_counts_nothing_twice(front: Front) -> None:
    world = World()
    front.tokens = 20_000_000
    await world.looks()
    for tokens, cost in ((20_000_000, "40.00"), (30_000_000, "60.00"), (5_000_000, "70.00")):
        front.tokens = tokens
        world.restarts()
        assert (await world.looks())["monthToDate"] == cost


async def test_two_processes_at_once_count_nothing_twice(front: Front) -> None:
    world = World()
    await world.looks()
    first = world.metering
    world.restarts()
    second = world.metering
    front.tokens = 20_000_000
    for metering in (second, first, first, second, second):
        world.metering = metering
        status = await world.looks()
    assert status["monthToDate"] == "40.00"


async def test_a_silent_gateway_is_said_and_what_it_counted_is_added_when_it_answers(front: Front) -> None:
    world = World()
    front.tokens = 10_000_000
    await world.looks()
    front.tokens = None
    for _ in range(7):
        status = await world.looks()
    metered = next(item for item in status["conditions"] if item["type"] == "Metered")
    assert (metered["reason"], metered["message"]) == (
        "MetricsMissing",
        "not read since 2026-11-10T12:01:00Z: care/support",
    )
    assert status["monthToDate"] == "20.00"
    assert front.asked < 8, "one that is silent is asked less and less"
    front.tokens = 12_000_000
    for _ in range(10):
        status = await world.looks()
    assert status["monthToDate"] == "24.00"
    assert next(item for item in status["conditions"] if item["type"] == "Metered")["status"] == "True"


async def test_what_has_no_price_is_said_to_be_left_out(front: Front) -> None:
    world = World()
    broken = stack(**{**CHAT, "models": [hosted(), managed(model="nobody-knows")]})
    world.has({**broken, "metadata": {**broken["metadata"], "creationTimestamp": CREATED}})
    front.tokens = 20_000_000
    status = await world.looks()
    metered = next(item for item in status["conditions"] if item["type"] == "Metered")
    assert (metered["reason"], metered["message"]) == (
        "PriceUnknown",
        "not counted, without a price; care/support: model/gpt",
    )


async def test_a_threshold_is_reached_and_left_behind_with_the_month(front: Front) -> None:
    world = World(thresholds=[{"percent": 50, "action": "Warn"}, {"percent": 80, "action": "Stop"}])
    said, actions = [], []
    for tokens, minutes in ((20_000_000, 1), (45_000_000, 1), (45_000_001, 21 * 24 * 60)):
        front.tokens = tokens
        status = await world.looks(after=minutes)
        (found,) = (item for item in status["conditions"] if item["type"] == "WithinThresholds")
        said.append((found["status"], found["message"]))
        actions.append(status.get("action"))
    assert said == [
        ("True", ""),
        ("False", "80 % of 100 USD and more was spent in 2026-11"),
        ("True", ""),
    ]
    assert actions == [None, "Stop", None]
    world.restarts()
    await world.looks()
    assert list(world.cluster.events.values()) == [
        "80 % of 100 USD and more was spent in 2026-11: Stop",
        "50 % of 100 USD and more was spent in 2026-11: Warn",
    ]


async def test_a_raised_limit_undoes_what_a_threshold_did_though_nothing_more_was_spent(front: Front) -> None:
    world = World(thresholds=[{"percent": 80, "action": "Stop"}])
    front.tokens = 45_000_000
    assert (await world.looks())["action"] == "Stop"
    stored = world.cluster.stored["care"]
    raised = {**stored, "spec": {**stored["spec"], "limit": {"amount": "1000"}}}
    world.cluster.stored["care"] = world.cluster.cache["care"] = raised
    assert "action" not in await world.looks(after=1e-9)


async def test_a_write_that_fails_is_made_up_for_by_the_next(front: Front) -> None:
    world = World()
    await world.looks()
    front.tokens = 20_000_000
    world.cluster.refusing = Conflict(409, "Conflict", "somebody was faster")
    await world.looks()
    world.cluster.refusing = None
    assert (await world.looks())["monthToDate"] == "40.00"


async def test_a_config_map_of_somebody_else_is_left_alone(front: Front) -> None:
    world = World()
    theirs = {"metadata": {"uid": "uid-x", "resourceVersion": "1"}, "data": {"mine": "yes"}}
    world.cluster.maps["care", "support-spending"] = theirs
    front.tokens = 20_000_000
    await world.looks()
    assert world.cluster.maps["care", "support-spending"] is theirs


async def test_a_status_is_written_when_what_was_spent_doubles_or_an_hour_has_passed(
    front: Front,
) -> None:
    world, said = World(), []
    for tokens, minutes in (
        (0, 0.01),
        (100_000_000, 1),
        (110_000_000, 30),
        (110_100_000, 31),
        (112_000_000, 1),
        (230_000_000, 1),
    ):
        front.tokens = tokens
        await world.looks(after=minutes)
        shown = world.metering.metered("uid-of-the-stack")
        said.append(shown and round(shown.spent / 1_000_000))
    assert said == [None, 200, 200, 220, 220, 460]
    assert len(world.told) == 3
    assert world.metering.metered("uid-of-another-with-this-name") is None


async def test_a_stack_that_is_deleted_costs_as_long_as_somebody_holds_it(front: Front) -> None:
    world = World()
    front.tokens = 10_000_000
    await world.looks()
    made = stack(**CHAT)
    world.has({**made, "metadata": {**made["metadata"], "deletionTimestamp": CREATED}})
    front.tokens = 20_000_000
    assert (await world.looks())["monthToDate"] == "40.00"


async def test_what_a_stack_spends_can_be_watched_in_prometheus(front: Front) -> None:
    world = World()
    await world.looks()
    front.tokens = 20_000_000
    await world.looks(after=2 * 24 * 60)
    shown = Spending(world.metering.spent, world.accounts.spent, world.cluster.budgets)
    found = {family.name: round(sample.value) for family in shown.collect() for sample in family.samples}
    assert found["aistack_stack_cost_month_to_date"] == found["aistack_budget_month_to_date"] == 40
    assert found["aistack_stack_cost_forecast"] > 300 < found["aistack_budget_forecast"]


async def test_a_limit_that_is_reached_is_told_at_once_and_again_when_the_month_turns(front: Front) -> None:
    world = World()
    web = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}, "monthlyLimit": {"amount": "43"}}
    limited = stack(
        models=[hosted(), managed(monthlyLimit={"amount": "41"})],
        gateway={**CHAT["gateway"], "clients": [web]},
    )
    world.has({**limited, "metadata": {**limited["metadata"], "creationTimestamp": CREATED}})
    told, turns = [], []
    for tokens, minutes in (
        (20_000_000, 1),
        (20_400_000, 1),
        (20_600_000, 1),
        (21_600_000, 1),
        (0, 30 * 24 * 60),
    ):
        front.tokens = tokens
        await world.looks(after=minutes)
        shown = world.metering.metered("uid-of-the-stack")
        assert shown
        turns.append(shown.until)
        told.append({part: spent / 10**6 for part, spent in shown.limited.items()})
    assert told == [
        {"model/gpt": 40, "client/web": 40},
        {"model/gpt": 40, "client/web": 40},
        {"model/gpt": 41.2, "client/web": 41.2},
        {"model/gpt": 43.2, "client/web": 43.2},
        {"model/gpt": 0, "client/web": 0},
    ], "what reaches no limit is told later"
    assert turns == ["2026-12-01T00:00:00Z"] * 4 + ["2027-01-01T00:00:00Z"]
    assert len(world.told) == 4
    collected = Spending(world.metering.spent, world.accounts.spent, world.cluster.budgets).collect()
    limits = {
        (family.name, sample.labels["part"]): sample.value
        for family in collected
        for sample in family.samples
        if "part" in sample.labels
    }
    assert limits == {
        ("aistack_stack_limit", "model/gpt"): 41,
        ("aistack_stack_limit_spent", "model/gpt"): 0,
        ("aistack_stack_limit", "client/web"): 43,
        ("aistack_stack_limit_spent", "client/web"): 0,
    }


async def test_a_stack_that_goes_is_forgotten_and_its_cost_stays(front: Front) -> None:
    world = World()
    front.tokens = 20_000_000
    await world.looks()
    world.store.remove({**stack(), "metadata": {**stack()["metadata"], "resourceVersion": "99"}})
    assert (await world.looks())["monthToDate"] == "40.00"
    assert list(world.metering.spent()) == []


async def test_a_budget_of_the_same_name_has_spent_nothing_of_what_the_first_had(front: Front) -> None:
    world = World()
    front.tokens = 20_000_000
    await world.looks()
    again = world.cluster.stored["care"]
    world.cluster.stored["care"] = {**again, "metadata": {**again["metadata"], "uid": "uid-2"}, "status": {}}
    world.cluster.cache["care"] = world.cluster.stored["care"]
    world.cluster.maps.pop(("aistack-system", "budget-care-spending"))
    world.cluster.stored["care"]["metadata"]["creationTimestamp"] = (START - timedelta(days=1)).isoformat()
    assert (await world.looks())["monthToDate"] == "0.00"


async def test_an_envoy_that_was_started_again_in_its_pod_has_counted_from_zero(front: Front) -> None:
    world = World()
    for tokens, minute in ((10_000_000, 0), (15_000_000, 1.5)):
        started = (START + timedelta(minutes=minute)).isoformat()
        world.has_pod("gateway", "gateway", creationTimestamp=CREATED, started=started)
        front.tokens = tokens
        status = await world.looks()
    assert status["monthToDate"] == "50.00"
    assert world.metered()[0] == "Metered"
    assert "30 s" in world.metered()[1]
