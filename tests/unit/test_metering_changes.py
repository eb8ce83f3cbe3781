"""What was used under a spec that is not the newest any more: it is paid for as what it was.

A million tokens that are read cost 2.
"""

import pytest

from tests.costs import managed, route
from tests.metered import CREATED, Front, World
from tests.stacks import hosted, stack


def asks_for(world: World, name: str) -> None:
    """The newest spec has one managed model, of this name."""
    made = stack(models=[hosted(), managed(name)], gateway={"routes": [route((name, 1))]})
    world.has({**made, "metadata": {**made["metadata"], "creationTimestamp": CREATED}})


@pytest.mark.parametrize("restarts", [False, True], ids=["at once", "after a restart"])
async def test_what_a_model_was_asked_before_it_was_renamed_is_paid_for(front: Front, restarts: bool) -> None:
    world = World()
    front.tokens = 10_000_000
    await world.looks()
    front.tokens = 20_000_000
    asks_for(world, "other")
    if restarts:
        world.restarts()
    assert (await world.looks())["monthToDate"] == "40.00"
    assert world.metered() == ("Metered", "")


async def test_a_gateway_that_was_silent_since_a_model_went_tells_of_it_later(front: Front) -> None:
    world = World()
    await world.looks()
    front.tokens = None
    asks_for(world, "other")
    for _ in range(5):
        await world.looks(after=24 * 60)
    front.tokens = 20_000_000
    for _ in range(17):
        status = await world.looks()
    assert float(status["monthToDate"]) == pytest.approx(40 + 6 * 24 * 0.009, abs=0.5)
    assert world.metered() == ("Metered", "")


async def test_a_model_that_came_and_went_between_two_looks_is_named(front: Front) -> None:
    world = World()
    asks_for(world, "other")
    await world.looks()
    front.tokens = 20_000_000
    await world.looks()
    assert world.metered() == ("PriceUnknown", "not counted, without a price; care/support: model/gpt")


async def test_one_that_is_told_of_is_remembered_for_an_hour(front: Front) -> None:
    world = World()
    await world.looks()
    asks_for(world, "other")
    for tokens, minutes, paid in ((10_000_000, 59, 20), (20_000_000, 59, 40), (30_000_000, 59, 40)):
        front.tokens = tokens
        status = await world.looks(after=minutes)
        assert float(status["monthToDate"]) == pytest.approx(paid, abs=0.05)
