"""From counters to money: each token and each second once, whatever restarts in between."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.spending.counters import Kind, Series, increments, read_counters
from aistack.spending.meter import Replica, Source, Use, as_they_were, begun, read
from aistack.spending.money import PICO
from aistack.spending.rates import Call, Called, costs, rates_of
from tests.costs import GPT, TRAFFIC, managed, priced, prices, route, shared
from tests.stacks import hosted

START = datetime(2026, 11, 1, tzinfo=UTC)
LLAMA, FRONT = Replica("model/llama"), Replica("gateway")
PROMPT = Series("web", "chat", "gpt", "prompt")
ANSWER = Series("web", "chat", "gpt", "completion")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def front(uid: str, *, created: float, tokens: int | None, started: float | None = None) -> Source:
    """A gateway's pod that was made so many minutes after the start, and its Envoy started then or later."""
    counted = None if tokens is None else {PROMPT: tokens}
    begun = at(created if started is None else started)
    return Source(uid, FRONT, at(created), counted, counts=True, started=begun)


def counted(*looks: tuple[float, list[Source]], since: float = 0) -> tuple[int, float]:
    """All tokens that were counted, and the seconds that were not read."""
    meter, tokens, unread = begun(at(since)), 0, 0.0
    for minute, sources in looks:
        meter, use = read(meter, sources, at(minute))
        tokens, unread = tokens + sum(use.counted.values()), unread + use.unread_seconds
    return tokens, unread


def test_counters_are_read_by_their_labels_and_everything_else_is_left() -> None:
    text = "\n".join(
        [
            "# TYPE aistack_prompt_tokens_total counter",
            'aistack_prompt_tokens_total{client="web",route="chat",target="gpt"} 120',
            'aistack_completion_tokens_total{client="web",route="chat",target="gpt"} 30',
            'aistack_prompt_tokens_total{client="-",route="a,\\"b",target="gpt"} 7',
            'aistack_requests_total{client="web",route="chat",target="gpt",status="200"} 4',
            'aistack_request_bytes_total{client="web",route="chat",target="gpt"} 812',
            'aistack_cached_tokens_total{client="web",route="chat",target="gpt"} 9',
            'aistack_estimated_prompt_tokens_total{client="web",route="chat",target="gpt"} 6',
            "aistack_prompt_tokens_total{broken",
        ]
    )
    assert read_counters(text) == {
        PROMPT: 120,
        ANSWER: 30,
        Series("", 'a,\\"b', "gpt", "prompt"): 7,
        PROMPT._replace(kind="sent"): 812,
        PROMPT._replace(kind="cached"): 9,
        PROMPT._replace(kind="estimated_prompt"): 6,
    }


def test_what_no_gateway_would_say_is_read_in_no_time() -> None:
    begin = time.perf_counter()
    assert read_counters(f"aistack_prompt_tokens_total{{{'a' * 200_000}}} 1") == {
        Series("", "", "", "prompt"): 1
    }
    assert time.perf_counter() - begin < 5, "it took minutes"


def test_a_counter_that_is_lower_has_begun_again() -> None:
    assert increments({PROMPT: 100, ANSWER: 10}, {PROMPT: 30, ANSWER: 12}) == {PROMPT: 30, ANSWER: 2}
    assert increments({}, {PROMPT: 5}) == {PROMPT: 5}
    assert increments({PROMPT: 5}, {PROMPT: 5}) == {}


def test_what_was_counted_before_metering_began_is_nobodys() -> None:
    looks = [(10.0, [front("old", created=-60, tokens=500)]), (20.0, [front("old", created=-60, tokens=530)])]
    assert counted(*looks) == (30, 0)


def test_one_that_was_silent_when_metering_began_is_not_billed_for_its_whole_life() -> None:
    answers = (1.0, None), (2.0, None), (3.0, 500), (4.0, None), (5.0, 530)
    looks = [(minute, [front("old", created=-60, tokens=tokens)]) for minute, tokens in answers]
    assert counted(*looks) == (30, 0)


def test_a_replica_that_came_later_has_counted_from_zero() -> None:
    assert counted((10.0, [front("new", created=3, tokens=500)])) == (500, 0)


def test_two_replicas_are_two_sources() -> None:
    both = [front("a", created=1, tokens=100), front("b", created=1, tokens=90)]
    more = [front("a", created=1, tokens=110), front("b", created=1, tokens=95)]
    assert counted((10.0, both), (20.0, more)) == (205, 0)


def test_one_that_was_silent_for_a_while_loses_nothing() -> None:
    looks = [(10.0, 100), (20.0, None), (30.0, None), (40.0, 170)]
    assert counted(*((minute, [front("a", created=1, tokens=n)]) for minute, n in looks)) == (170, 0)


def test_one_that_ended_unread_is_said_as_a_gap() -> None:
    assert counted((10.0, [front("a", created=1, tokens=100)]), (12.0, [])) == (100, 120)
    assert counted((10.0, [front("a", created=4, tokens=None)]), (12.0, [])) == (0, 480), "never read"


@pytest.mark.parametrize("tokens", [30, 100, 160], ids=["less", "as much", "more than before"])
def test_one_that_was_started_again_in_its_pod_has_counted_from_zero_and_what_came_before_is_a_gap(
    tokens: int,
) -> None:
    first = front("a", created=1, tokens=100)
    again = front("a", created=1, tokens=tokens, started=11.5)
    assert counted((10.0, [first]), (12.0, [again]), (14.0, [again])) == (100 + tokens, 90)


def test_one_that_is_silent_after_it_was_started_again_is_a_gap_once() -> None:
    silent = front("a", created=1, tokens=None, started=11)
    again = front("a", created=1, tokens=160, started=11)
    looks = [(10.0, [front("a", created=1, tokens=100)]), (12.0, [silent]), (14.0, [silent]), (16.0, [again])]
    assert counted(*looks) == (260, 60)
    assert counted(*looks[:3], (16.0, [])) == (100, 360), "it ends, and nobody knows what it counted"


@pytest.mark.parametrize("ahead", [0.0, 5.0], ids=["known late", "by a clock that is behind"])
def test_one_whose_new_start_is_known_after_it_was_read_is_not_counted_twice(ahead: float) -> None:
    first, early = front("a", created=1, tokens=100), front("a", created=1, tokens=30)
    late = front("a", created=1, tokens=40, started=11 - ahead)
    assert counted((10.0, [first]), (12.0, [early]), (14.0, [late]), (16.0, [late])) == (140, 0)


def test_one_whose_nodes_clock_is_ahead_is_begun_anew_once() -> None:
    first = front("a", created=1, tokens=100)
    again, later = (front("a", created=1, tokens=tokens, started=30) for tokens in (7, 9))
    assert counted((10.0, [first]), (12.0, [again]), (14.0, [later]))[0] == 109


def test_over_a_months_turn_one_that_was_started_again_counts_from_then() -> None:
    before, _ = read(begun(START), [front("a", created=1, tokens=100)], at(10))
    again = [front("a", created=1, tokens=100, started=20)]
    for turn, early in ((15.0, 0), (20.0, 0), (70.0, 50)):
        meter, first = read(before, as_they_were(before, again, at(turn), at(120)), at(turn))
        _, then = read(meter, again, at(120))
        assert (sum(first.counted.values()), sum(then.counted.values())) == (early, 100 - early)
        assert first.unread_seconds + then.unread_seconds == 600


def test_the_same_look_twice_and_one_into_the_past_see_nothing() -> None:
    sources = [front("a", created=1, tokens=100)]
    assert counted((10.0, sources), (10.0, sources), (5.0, [front("a", created=1, tokens=999)])) == (100, 0)


def test_replicas_cost_from_when_they_came_also_over_an_outage_of_the_operator() -> None:
    meter, _ = read(begun(START), [Source("a", LLAMA, at(-60))], at(10))
    runs = [Source("a", LLAMA, at(-60)), Source("b", LLAMA, at(100))]
    _, use = read(meter, runs, at(130))
    assert use.replica_seconds == {LLAMA: (120 + 30) * 60}


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_whatever_restarts_and_falls_silent_nothing_is_counted_twice(
    steps: list[tuple[int, bool, bool]],
) -> None:
    """A restart takes the counter back to zero; what came since the last answer goes with it, and no more."""
    meter, served, value, tokens = begun(START), 0, 0, 0
    started, told, lost = 0.0, 0, 0
    for minute, (more, restarts, answers) in enumerate([*steps, (0, False, True)], 1):
        if restarts:
            started, lost, value, told = minute - 0.5, lost + value - told, 0, 0
        value, served = value + more, served + more
        said = front("a", created=0, tokens=value if answers else None, started=started)
        meter, use = read(meter, [said], at(minute))
        tokens, told = tokens + sum(use.counted.values()), value if answers else told
        assert tokens <= served
    assert tokens + lost == served


def test_what_was_used_costs_what_the_estimate_says_of_it() -> None:
    stack = priced(**shared(hosted(cache={"size": "10Gi"}), managed(), traffic=TRAFFIC))
    rates = rates_of(stack, prices())
    gateway = Decimal("0.27") * Decimal("0.03") + Decimal("0.15625") * Decimal("0.004")
    volume = Decimal("0.10") * 10 / 730
    sources = [
        Source("m", LLAMA, at(0)),
        front("f", created=0, tokens=1_000_000),
    ]
    _, use = read(begun(START), sources, at(60))
    spent = costs(use, rates)
    cost = {(item.component, item.name): amount.cost / PICO for item, amount in spent.items.items()}
    assert cost["model/llama", "nvidia-l4 on demand"] == pytest.approx(0.80)
    assert cost["model/llama", "volume"] == pytest.approx(float(volume))
    assert cost["gateway", "CPU"] + cost["gateway", "memory"] == pytest.approx(float(gateway))
    assert cost["model/gpt", "gpt-x input tokens"] == 2, "a million tokens at 2"
    hours = {
        item.name: amount.quantity / PICO for item, amount in spent.items.items() if item.unit == "Hours"
    }
    assert hours == {"nvidia-l4 on demand": pytest.approx(1)}
    assert spent.calls == {Call("web", "chat", "gpt"): Called(0, 2 * PICO)}
    assert spent.unpriced == frozenset()


def test_tokens_are_metered_at_the_price_of_long_inputs_where_the_declared_mean_is_long() -> None:
    long = {"aboveTokens": 200_000, "inputPerMillion": "4", "outputPerMillion": "12"}
    known = prices({**GPT, "longInput": long})
    for mean, paid in ((200_000, 2), (200_001, 4)):
        stack = priced(models=[managed()], traffic={**TRAFFIC, "inputTokens": mean})
        spent = costs(Use(60, counted={PROMPT: 1_000_000}), rates_of(stack, known))
        assert spent.calls == {Call("web", "chat", "gpt"): Called(0, paid * PICO)}


def test_a_model_that_is_cached_sent_to_and_answers_outside_is_charged_for_each() -> None:
    public = {"expose": {"type": "Ingress", "host": "ai.example.com"}}
    routes = [route(("gpt", 1), ("llama", 1))]
    stack = priced(models=[hosted(), managed()], gateway={"routes": routes, **public})
    counted = {
        ("gpt", "prompt"): 1_000_000,
        ("gpt", "cached"): 400_000,
        ("gpt", "completion"): 100_000,
        ("gpt", "estimated_prompt"): 50_000,
        ("gpt", "estimated_completion"): 10_000,
        ("gpt", "sent"): 2 * 2**30,
        ("gpt", "answered"): 2**30,
        ("llama", "prompt"): 700,
        ("llama", "cached"): 300,
        ("llama", "completion"): 70,
        ("llama", "estimated_completion"): 7,
        ("llama", "sent"): 2**30,
        ("llama", "answered"): 2**30,
    }
    series = {Series("web", "chat", target, cast("Kind", kind)): n for (target, kind), n in counted.items()}
    spent = costs(Use(60, counted=series), rates_of(stack, prices()))
    cost = {item.name: Decimal(amount.cost) / PICO for item, amount in spent.items.items()}
    a_gib = Decimal("0.09")
    assert cost == {
        "gpt-x input tokens": Decimal("1.2"),
        "gpt-x cached input tokens": Decimal("0.2"),
        "gpt-x output tokens": Decimal("0.8"),
        "gpt-x input tokens, estimated": Decimal("0.1"),
        "gpt-x output tokens, estimated": Decimal("0.08"),
        "traffic to the provider": 2 * a_gib,
        "traffic to clients": 2 * a_gib,
    }
    assert spent.calls == {
        Call("web", "chat", "gpt"): Called(0, int((Decimal("2.38") + 3 * a_gib) * PICO)),
        Call("web", "chat", "llama"): Called(777, int(a_gib * PICO)),
    }


def test_what_has_no_price_is_named_and_in_no_sum() -> None:
    stack = priced(**shared(managed(model="nobody-knows"), hosted(accelerator={"class": "cpu"})))
    rates = rates_of(stack, prices())
    assert LLAMA in rates.replicas, "a cpu costs what its pods request"
    sources = [front("f", created=0, tokens=10), Source("x", Replica("tier"), at(0))]
    _, use = read(begun(START), sources, at(60))
    spent = costs(use, rates)
    assert spent.unpriced == {"model/gpt", "tier"}
    assert {item.component for item in spent.items} == {"gateway"}


@given(
    st.integers(0, 10**30), st.integers(0, 10**30), st.floats(0.1, 99.9), st.sampled_from([-60, -1, 0, 5, 50])
)
def test_what_is_divided_between_two_looks_is_counted_once_and_evenly(
    first: int, then: int, minute: float, created: float
) -> None:
    before, _ = read(begun(at(-10)), [front("a", created=created, tokens=first)] * (created < 0), at(0))
    there = [front("a", created=created, tokens=then)]
    _, whole = read(before, there, at(100))
    halfway = as_they_were(before, there, at(minute), at(100))
    meter, early = read(before, halfway, at(minute))
    _, late = read(meter, there, at(100))
    counted, all_of_it = early.counted.get(PROMPT, 0), whole.counted.get(PROMPT, 0)
    assert counted + late.counted.get(PROMPT, 0) == all_of_it
    begin = max(0, created)
    share = max(0.0, (minute - begin) / (100 - begin))
    assert counted == pytest.approx(all_of_it * share, abs=1, rel=1e-6)
    seconds = [use.replica_seconds.get(FRONT, 0) for use in (whole, early, late)]
    assert seconds[0] == pytest.approx(seconds[1] + seconds[2])


def test_a_routes_last_answer_is_of_no_model() -> None:
    """Nobody is named as unpriced for it; who was a model for a moment is."""
    rates = rates_of(priced(models=[managed()], traffic=TRAFFIC), prices())
    sent = {Series("web", "chat", target, "sent"): 2**20 for target in ("whenDown", "-", "adapter", "gone")}
    assert costs(Use(60, counted=sent), rates).unpriced == {"model/gone"}
