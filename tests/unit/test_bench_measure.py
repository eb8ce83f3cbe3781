"""What the benchmark says of the numbers that it measured."""

from math import nan

import pytest

from bench.measure import Measure, of_rounds, quantile, table


@pytest.mark.parametrize(
    ("value", "goal", "verdict", "why"),
    [
        (1.3, 1.3, "met", "the goal itself is good enough"),
        (1.31, 1.3, "missed", "more than the goal"),
        (0, 0, "met", "nothing was to happen and nothing did"),
        (7.0, None, "", "nobody set a goal"),
        (nan, 1.0, "", "this machine can't tell"),
    ],
)
def test_a_goal_is_met_missed_or_not_judged(value: float, goal: float | None, verdict: str, why: str) -> None:
    assert Measure("create: reads", 1, value, goal=goal).verdict == verdict, why


def test_several_rounds_give_the_median_and_the_extremes() -> None:
    measure = of_rounds("create", 100, [3.0, 1.0, 2.0])
    assert (measure.value, measure.low, measure.high) == (2.0, 1.0, 3.0)


def test_one_round_has_no_spread() -> None:
    measure = of_rounds("create", 1000, [3.0])
    assert (measure.value, measure.low, measure.high) == (3.0, None, None)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.75, 3), (0.99, 4), (0.0, 1)])
def test_a_quantile_is_one_of_the_values(share: float, value: int) -> None:
    assert quantile([4, 2, 1, 3], share) == value


def test_the_table_says_what_was_missed_and_what_is_not_known() -> None:
    text = table(
        [
            Measure("create: ours / raw", 1000, 1.62, goal=1.3),
            Measure("create: most memory", 1, nan, "MB", goal=150.0),
            of_rounds("create: the raw writer", 1, [20.0, 30.0], "ms"),
        ]
    )
    assert "| create: ours / raw | 1,000 | 1.62 |  | ≤ 1.3 | missed |" in text
    assert "| create: most memory | 1 | not known |  | ≤ 150 |  |" in text
    assert "| create: the raw writer | 1 | 25 ms | 20 to 30 |  |  |" in text
