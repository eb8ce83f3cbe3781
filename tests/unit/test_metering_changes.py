"""What was used under a spec that is not the newest any more: it is paid for as what it was.

A million tokens that are read cost 2.
"""

import pytest

from tests.costs import managed, route
from tests.metered import CHAT, CREATED, Front, World
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


def runs_on(world: World, name: str, count: int = 1) -> None:
    """The newest spec has its model on these accelerators."""
    made = stack(**{**CHAT, "models": [hosted(accelerator={"class": name, "count": count}), managed()]})
    world.has({**made, "metadata": {**made["metadata"], "creationTimestamp": CREATED}})


@pytest.mark.parametrize(
    ("before", "after", "paid"),
    [
        pytest.param(("nvidia-h100", 1), ("nvidia-l4", 1), 80, id="dearer than what is to come"),
        pytest.param(("nvidia-l4", 1), ("nvidia-h100", 1), 8, id="cheaper than what is to come"),
        pytest.param(("nvidia-h100", 4), ("nvidia-h100", 1), 320, id="more than what is to come"),
    ],
)
@pytest.mark.usefixtures("front")
async def test_a_pod_is_paid_for_as_what_it_is_while_the_spec_says_something_else_already(
    before: tuple[str, int], after: tuple[str, int], paid: float
) -> None:
    world = World()
    world.offers("nvidia-h100", "8.00")
    runs_on(world, *before)
    world.has_pod("model", "llama", accelerators=before)
    await world.looks(after=1 / 60)
    runs_on(world, *after)
    status = await world.looks(after=10 * 60)
    assert float(status["monthToDate"]) == pytest.approx(paid, abs=0.2)


@pytest.mark.usefixtures("front")
async def test_the_last_pods_of_a_model_that_is_not_declared_any_more_are_paid_for() -> None:
    world = World()
    world.has_pod("model", "llama", accelerators=("nvidia-l4", 1))
    await world.looks()
    made = stack(models=[managed()], gateway=CHAT["gateway"])
    world.has({**made, "metadata": {**made["metadata"], "creationTimestamp": CREATED}})
    status = await world.looks(after=10 * 60)
    assert float(status["monthToDate"]) == pytest.approx(8, abs=0.2)
    assert world.metered() == ("Metered", "")
