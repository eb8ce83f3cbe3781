"""How fast a replica is when requests wait for it: from what vLLM counts to what is said of a model."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.spending.throughput import (
    ENOUGH,
    MOST,
    Busy,
    Engine,
    Reading,
    Throughput,
    between,
    learned,
    read_engine,
    said,
)

START = datetime(2026, 11, 10, tzinfo=UTC)
LONGEST = timedelta(minutes=4)
METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="llama"} 8.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="llama"} 3.0
vllm:num_requests_waiting{engine="1",model_name="llama"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="llama",reason="capacity"} 3.0
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="llama"} 1.25e+06
vllm:prompt_tokens_total{engine="1",model_name="llama"} 500.0
vllm:prompt_tokens_by_source_total{engine="0",model_name="llama",source="local_compute"} 7.0
# TYPE vllm:prompt_tokens_created gauge
vllm:prompt_tokens_created{engine="0",model_name="llama"} 1.7623e+09
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="llama"} 4096.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="llama"} 12.0
"""


def test_the_engines_of_a_replica_are_read_together_and_nothing_else_is_taken_for_them() -> None:
    assert read_engine(METRICS) == Engine(tokens=1_250_000 + 500 + 4096, waiting=3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        METRICS.replace("num_requests_waiting{", "requests_waiting{"),
        METRICS.replace("1.25e+06", "NaN").replace(" 500.0", " -1"),
        METRICS.replace("4096.0", "9" * 400),
    ],
    ids=["nothing", "a name that is missing", "no numbers", "a number without end"],
)
def test_what_lacks_one_of_the_numbers_says_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="no vllm:"):
        read_engine(text)


def reading(seconds: float, tokens: int, waiting: int = 1) -> Reading:
    return Reading(START + timedelta(seconds=seconds), Engine(tokens, waiting))


def test_the_tokens_between_two_looks_are_what_it_can_where_requests_waited_at_both() -> None:
    assert between(reading(0, 500), reading(120, 60_500), LONGEST) == Busy(START, 500)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(reading(0, 500, waiting=0), reading(120, 900), id="it was idle at first"),
        pytest.param(reading(0, 500), reading(120, 900, waiting=0), id="it is idle by now"),
        pytest.param(reading(0, 500), reading(120, 400), id="it was started anew"),
        pytest.param(reading(0, 500), reading(120, 500), id="it stands still"),
        pytest.param(reading(0, 500), reading(241, 900), id="nobody looked for long"),
        pytest.param(reading(120, 500), reading(0, 900), id="a clock was set back"),
        pytest.param(reading(0, 500), reading(0, 500), id="the first look"),
    ],
)
def test_other_times_say_nothing_of_what_it_can(before: Reading, now: Reading) -> None:
    assert between(before, now, LONGEST) is None


def after(*rates: float, known: Throughput | None = None, replica_set: str = "llama-7f") -> Throughput:
    """What is known after times of so many tokens a second, two minutes each."""
    for minute, rate in enumerate(rates):
        busy = Busy(START + timedelta(minutes=2 * minute), rate)
        known = learned(known, f"digest-of-{replica_set}", replica_set, [busy])
    assert known
    return known


def test_the_median_of_enough_times_counts_so_that_one_lucky_time_does_not() -> None:
    assert after(900, 1000, 90_000, 10).tokens_per_second is None
    found = after(900, 1000, 90_000, 10, 950)
    assert (found.tokens_per_second, found.since) == (950, "2026-11-10T00:00:00Z")
    (row,) = said({"llama": found, "other": after(1)})
    assert (row.model, row.tokens_per_second, row.replica) == ("llama", 950, "digest-of-llama-7f")


def test_what_is_said_stands_until_the_median_is_a_tenth_away() -> None:
    found = after(*[1000] * MOST)
    nearly = after(*[1100] * MOST, known=found)
    assert nearly.tokens_per_second == 1000
    assert after(*[1101] * MOST, known=nearly).tokens_per_second == 1101


def test_other_replicas_are_measured_anew_and_the_old_ones_hold_until_then() -> None:
    old = after(*[1000] * ENOUGH)
    newer = after(*[3000] * (ENOUGH - 1), known=old, replica_set="llama-8a")
    assert (newer.tokens_per_second, newer.replica) == (None, "digest-of-llama-8a")
    assert after(3000, known=newer, replica_set="llama-8a").tokens_per_second == 3000


@given(st.lists(st.floats(1e-6, 1e30), min_size=1, max_size=3 * MOST))
def test_it_lies_within_what_was_seen_and_what_the_status_takes(rates: list[float]) -> None:
    found = after(*rates)
    assert len(found.busy) <= MOST
    if len(rates) < ENOUGH:
        assert list(said({"llama": found})) == []
        return
    (row,) = said({"llama": found})
    assert min(1, *rates) * 0.9 <= row.tokens_per_second <= max(1, *rates) * 1.1
