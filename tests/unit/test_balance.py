"""The shares of a route's targets follow what their answers take: slowly, within bounds, and to an end."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.api.stack import RouteStatus
from aistack.balance import LEAST, STEP, WORTH, Shares, balanced, declared, moved, shared_out
from aistack.latency import MOST, Timing, faded, measured, together
from aistack.observed import Latency
from aistack.resolved import ResolvedStack
from tests.stacks import hosted, resolved

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
NAMES = [f"m{n}" for n in range(16)]


def stack(*weights: int, strategy: str = "lowestLatency", **fields: Any) -> ResolvedStack:
    """A route `chat` to models m0, m1 …, with these weights."""
    models = NAMES[: len(weights)]
    targets = [{"model": name, "weight": weight} for name, weight in zip(models, weights, strict=True)]
    route = {"name": "chat", "strategy": strategy, "targets": targets, **fields}
    return resolved(models=[hosted(name) for name in models], gateway={"routes": [route]})


def shares(rows: tuple[RouteStatus, ...]) -> Shares:
    [row] = rows
    return {each.model: each.percent for each in row.targets}


def surely(milliseconds: Mapping[str, float]) -> dict[str, Timing]:
    """These means, of so many answers that chance moves nothing."""
    return {model: Timing(MOST * mean, MOST) for model, mean in milliseconds.items()}


@pytest.mark.parametrize(
    ("weights", "expected", "why"),
    [
        ((1, 1), {"m0": 50, "m1": 50}, "alike"),
        ((1, 1, 1), {"m0": 34, "m1": 33, "m2": 33}, "whole percent, 100 together"),
        ((80, 20), {"m0": 80, "m1": 20}, "where it begins is declared"),
        ((999, 1), {"m0": 95, "m1": 5}, "nobody gets too little to be measured"),
        ((1, 0), {"m0": 100}, "weight 0 takes a target out"),
    ],
)
def test_it_begins_with_the_weights(weights: tuple[int, ...], expected: Shares, why: str) -> None:
    assert declared(stack(*weights).gateway.routes[0]) == expected, why


@pytest.mark.parametrize(
    ("before", "milliseconds", "after", "why"),
    [
        ({"m0": 50, "m1": 50}, {"m0": 100, "m1": 200}, {"m0": 60, "m1": 40}, "one step"),
        ({"m0": 78, "m1": 22}, {"m0": 100, "m1": 200}, {"m0": 78, "m1": 22}, "near enough to 80 and 20"),
        ({"m0": 90, "m1": 10}, {"m0": 100, "m1": 9000}, {"m0": 95, "m1": 5}, "never less than that"),
        ({"m0": 50, "m1": 50}, {"m0": 100}, {"m0": 50, "m1": 50}, "one alone compares with nothing"),
        ({"m0": 50, "m1": 50}, {"m0": 0, "m1": 0}, {"m0": 50, "m1": 50}, "no time at all is alike"),
        (
            {"m0": 40, "m1": 40, "m2": 20},
            {"m0": 100, "m1": 300},
            {"m0": 50, "m1": 30, "m2": 20},
            "what was not measured keeps its share",
        ),
    ],
)
def test_a_move(before: Shares, milliseconds: Mapping[str, float], after: Shares, why: str) -> None:
    assert moved(before, surely(milliseconds)) == after, why


@st.composite
def divided(draw: st.DrawFn) -> tuple[Shares, Mapping[str, float]]:
    """Shares as they may be, and what was measured of some of them."""
    count = draw(st.integers(1, 16))
    free = 100 - LEAST * count
    cuts = sorted(draw(st.lists(st.integers(0, free), min_size=count - 1, max_size=count - 1)))
    parts = pairwise([0, *cuts, free])
    before = {name: LEAST + high - low for name, (low, high) in zip(NAMES, parts, strict=False)}
    return before, draw(st.dictionaries(st.sampled_from(sorted(before)), st.floats(0, 1e6)))


@given(divided())
def test_a_move_is_small_and_loses_nothing(drawn: tuple[Shares, Mapping[str, float]]) -> None:
    before, milliseconds = drawn
    after = moved(before, surely(milliseconds))
    assert sum(after.values()) == 100
    assert after.keys() == before.keys()
    assert min(after.values()) >= LEAST
    assert all(abs(after[model] - before[model]) <= STEP for model in before)
    assert all(after[model] == before[model] for model in before.keys() - milliseconds.keys())


@given(divided())
def test_no_target_gets_less_than_a_slower_one_that_had_less(
    drawn: tuple[Shares, Mapping[str, float]],
) -> None:
    before, milliseconds = drawn
    after = moved(before, surely(milliseconds))
    for faster in milliseconds:
        for slower in milliseconds:
            if milliseconds[faster] <= milliseconds[slower] and before[faster] > before[slower]:
                assert after[faster] >= after[slower] - 1, "but for what is rounded"


@given(divided(), st.data())
def test_while_nothing_changes_it_comes_to_rest_with_the_fastest_ahead(
    drawn: tuple[Shares, Mapping[str, float]], data: st.DataObject
) -> None:
    now = before = drawn[0]
    milliseconds = {model: data.draw(st.integers(10, 10_000)) for model in now}
    for _ in range(30):
        before, now = now, moved(now, surely(milliseconds))
    assert now == before
    fastest = min(milliseconds, key=lambda model: milliseconds[model])
    assert now[fastest] >= max(now.values()) - 2 * WORTH


def test_a_target_that_slows_down_under_load_gets_what_it_can_take() -> None:
    """Its answers take longer the more it gets: the shares come near to where both take alike, and stay."""
    now: Shares = {"m0": 50, "m1": 50}
    seen = []
    for _ in range(40):
        now = moved(now, surely({"m0": 50 + 4 * now["m0"], "m1": 200 + 4 * now["m1"]}))
        seen.append(now["m0"])
    assert set(seen[-10:]) == {seen[-1]}
    assert 55 <= seen[-1] <= 75


@pytest.mark.parametrize(("count", "after"), [(100, 50), (300, 60)])
def test_what_may_be_chance_moves_nothing(count: int, after: int) -> None:
    timings = {"m0": Timing(100 * count, count), "m1": Timing(160 * count, count)}
    assert moved({"m0": 50, "m1": 50}, timings)["m0"] == after


@pytest.mark.parametrize(("slower", "looks"), [(1.0, 500), (2.0, 12)])
@pytest.mark.parametrize("answers", [60, 500])
def test_shares_go_where_they_belong_and_hardly_ever_elsewhere(
    slower: float, looks: int, answers: int
) -> None:
    """Times are lognormal with sigma 1, and gathered as the controller does: until the shares are moved."""
    drawn = Random(7)  # noqa: S311  a test's dice
    timings: dict[tuple[str, str], Timing] = {}
    now, moves = {"m0": 50, "m1": 50}, 0
    for _ in range(looks):
        new = {
            ("chat", model): took(drawn, factor, round(answers * now[model] / 50))
            for model, factor in (("m0", 1.0), ("m1", slower))
        }
        timings = faded(together([timings, new]))
        before, now = now, dict(moved(now, measured(timings, "chat", now)))
        if now != before:
            moves, timings = moves + 1, {}
    right = 100 * slower**2 / (1 + slower**2)
    assert abs(now["m0"] - right) <= 2 * WORTH
    assert moves <= abs(right - 50) / STEP + 0.01 * looks + 1


def took(drawn: Random, factor: float, count: int) -> Timing:
    return Timing(sum(factor * drawn.lognormvariate(7, 1) for _ in range(count)), count)


def known(at: datetime, **milliseconds: float) -> dict[str, Latency]:
    return {"chat": Latency(at, surely(milliseconds))}


def test_a_latency_moves_the_shares_once() -> None:
    one = stack(1, 1)
    began = balanced(one, (), {}, NOW)
    assert shares(began) == {"m0": 50, "m1": 50}
    slower = known(LATER, m0=100, m1=400)
    first = balanced(one, began, slower, LATER)
    assert shares(first) == {"m0": 60, "m1": 40}
    assert [each.milliseconds for each in first[0].targets] == [100, 400]
    assert first[0].since == "2026-11-10T12:01:00Z"
    assert balanced(one, first, slower, LATER) == first
    assert balanced(one, first, {}, LATER + timedelta(days=1)) == first, "a restart changes nothing"


def test_other_targets_begin_anew() -> None:
    before = balanced(stack(1, 1), (), known(LATER, m0=100, m1=400), NOW)
    assert shares(balanced(stack(1, 1, 2), before, {}, LATER)) == {"m0": 25, "m1": 25, "m2": 50}
    assert balanced(stack(1, 1, strategy="weighted"), before, {}, LATER) == ()


def test_requests_are_sent_by_the_shares_of_the_status() -> None:
    one = stack(1, 1, 0)
    row = balanced(one, (), {}, NOW)
    moved_on = balanced(one, row, known(LATER, m0=100, m1=400), LATER)
    [route] = shared_out(one, moved_on).gateway.routes
    assert [each.weight for each in route.targets] == [60, 40, 0]
    assert [each.weight for each in shared_out(one, ()).gateway.routes[0].targets] == [50, 50, 0]


def test_other_strategies_are_left_alone() -> None:
    one = stack(3, 1, strategy="weighted")
    assert shared_out(one, balanced(stack(1, 1), (), {}, NOW)) is one
