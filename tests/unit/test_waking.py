"""A model that may be at zero runs while somebody asks for it, and as it did while nobody knows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.api import Reason
from aistack.causes import Cause
from aistack.health import Part, assess
from aistack.kinds import Manifest
from aistack.observed import Child, Failure, Observed, Pod, Want, Workload
from aistack.render import render
from aistack.render.gateway.demand import Sleeper, sleepers
from aistack.resolved import ResolvedStack
from aistack.waking import UNHEARD_AFTER, Interest, both_ways, followed, looked, woken
from tests.stacks import hosted, resolved

MODEL = hosted(scaling={"min": 0, "max": 1, "toZeroAfter": "5m"})
STACK = resolved(models=[MODEL])
[SLEEPER] = sleepers(STACK.gateway)
ACTIVE, MEANT = "cluster.waiting-llama.upstream_rq_active", "cluster.model-llama.upstream_rq_total"
AT_ZERO = Workload(current=True, wanted=0, replicas=0, updated=0, available=0, failure=None)
RUNNING = replace(AT_ZERO, wanted=1, replicas=1, updated=1, available=1)
STARTING = replace(RUNNING, available=0)


def look(
    before: Interest | None,
    *fronts: dict[str, int],
    silent: int = 0,
    now: float = 0,
    sleeper: Sleeper = SLEEPER,
) -> Interest:
    return looked(before, sleeper, {f"front-{n}": said for n, said in enumerate(fronts)}, silent, now)


NOTHING = look(None, {})


def test_who_waits_is_heard_at_the_first_look() -> None:
    assert look(None, {}, {ACTIVE: 1}).want is Want.ASKED


def test_what_was_counted_before_anybody_looked_asks_for_nothing() -> None:
    first = look(None, {MEANT: 7})
    assert first.want is None
    assert look(first, {MEANT: 7}).want is None
    assert look(first, {MEANT: 8}).want is Want.ASKED


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        ({"a": 7}, {"a": 2}, "a front that began again has counted since"),
        ({"a": 7}, {"a": 7, "b": 1}, "a new front has counted since it came"),
    ],
)
def test_every_count_since_the_last_look_asks(before: dict[str, int], now: dict[str, int], why: str) -> None:
    interest = replace(NOTHING, counted={uid: {MEANT: count} for uid, count in before.items()})
    answers = {uid: {MEANT: count} for uid, count in now.items()}
    assert looked(interest, SLEEPER, answers, silent=0, now=1).want is Want.ASKED, why


def test_a_front_that_is_gone_or_began_at_nothing_asks_for_nothing() -> None:
    interest = replace(NOTHING, counted={"front-0": {MEANT: 7}, "gone": {MEANT: 3}})
    assert look(interest, {}).want is None


def test_other_lists_of_models_ask_for_nothing_until_somebody_does() -> None:
    before, after = (
        replace(SLEEPER, counted=frozenset({MEANT, "old"})),
        replace(SLEEPER, counted=frozenset({MEANT, "new"})),
    )
    seen = look(look(None, {MEANT: 5, "old": 7}, sleeper=before), {MEANT: 5, "old": 7}, sleeper=before)
    for said in ({MEANT: 5, "old": 7}, {MEANT: 5, "old": 7, "new": 0}, {MEANT: 5}):
        seen = look(seen, said, sleeper=after)
        assert seen.want is None
    assert look(seen, {MEANT: 5, "new": 1}, sleeper=after).want is Want.ASKED


def test_it_is_idle_when_nobody_has_asked_for_as_long_as_is_declared() -> None:
    asked = look(NOTHING, {ACTIVE: 1}, now=10)
    assert look(asked, {}, now=309).want is Want.ASKED
    assert look(asked, {}, now=310).want is Want.IDLE


def test_without_a_time_it_never_goes_to_zero_again() -> None:
    ever = replace(SLEEPER, idle_after=None)
    asked = look(None, {ACTIVE: 1}, sleeper=ever)
    assert look(asked, {}, now=1e9, sleeper=ever).want is Want.ASKED


def test_a_front_that_is_silent_may_know_of_a_request() -> None:
    asked = look(NOTHING, {ACTIVE: 1}, now=10)
    silent = look(asked, {}, silent=1, now=300)
    assert silent.want is Want.ASKED
    assert look(silent, {}, {}, now=599).want is Want.ASKED
    assert look(silent, {}, {}, now=600).want is Want.IDLE


def test_when_all_are_silent_nobody_knows_and_one_word_is_enough() -> None:
    silent = look(NOTHING, silent=2, now=UNHEARD_AFTER - 1)
    assert silent.want is None
    silent = look(silent, silent=2, now=UNHEARD_AFTER)
    assert silent.want is Want.UNKNOWN
    assert look(silent, {}, silent=1, now=UNHEARD_AFTER + 1).want is None


def test_without_fronts_nobody_can_ask() -> None:
    assert look(NOTHING, now=UNHEARD_AFTER).want is None
    assert look(NOTHING, now=300).want is Want.IDLE


FRONT = st.fixed_dictionaries({ACTIVE: st.integers(0, 1), MEANT: st.integers(0, 3)})
LOOKS = st.lists(st.tuples(st.integers(1, 200), st.lists(FRONT, max_size=2), st.integers(0, 1)), min_size=1)


@given(LOOKS)
def test_it_never_ends_sooner_than_declared_after_it_was_asked_for(
    looks: list[tuple[int, list[dict[str, int]], int]],
) -> None:
    interest, now, heard = NOTHING, 0, 0
    for seconds, fronts, silent in looks:
        before, now = interest, now + seconds
        interest = look(before, *fronts, silent=silent, now=now)
        under_way = any(front[ACTIVE] for front in fronts)
        assert not under_way or interest.want is Want.ASKED
        heard = now if under_way or silent else heard
        if interest.want is Want.IDLE and before.want is not Want.IDLE:
            assert now - heard >= 300


def deployment(workload: Workload) -> Child:
    return Child(
        kind="Deployment",
        name="support-llama",
        component="model",
        part="llama",
        uid="uid",
        resource_version="1",
        owner_uid="uid-of-the-stack",
        owned="ours",
        owns_replicas=True,
        deleting=False,
        workload=workload,
    )


def seeing(workload: Workload | None, want: Want | None = None, *pods: Pod) -> Observed:
    children = {("Deployment", "support-llama"): deployment(workload)} if workload else {}
    return Observed(children, {pod.name: pod for pod in pods}, wants={"llama": want} if want else {})


@pytest.mark.parametrize(
    ("workload", "want", "replicas", "why"),
    [
        (None, None, 0, "a new model is at zero"),
        (AT_ZERO, None, 0, "it stays where it is"),
        (AT_ZERO, Want.ASKED, 1, "a request starts it"),
        (RUNNING, None, 1, "after a restart of the operator it runs on"),
        (RUNNING, Want.UNKNOWN, 1, "so it does when nobody knows"),
        (AT_ZERO, Want.UNKNOWN, 0, "and stays at zero then"),
        (RUNNING, Want.IDLE, 0, "nobody needs it"),
    ],
)
def test_what_runs(workload: Workload | None, want: Want | None, replicas: int, why: str) -> None:
    [model] = woken(STACK, seeing(workload, want)).self_hosted
    assert model.replicas.min == replicas, why
    assert manifest(woken(STACK, seeing(workload, want)))["spec"]["replicas"] == replicas


def manifest(stack: ResolvedStack, kind: str = "Deployment") -> Manifest:
    labelled = (each for each in render(stack) if each["metadata"]["name"] == "support-llama")
    return next(each for each in labelled if each["kind"] == kind)


def test_a_model_that_no_request_reaches_any_more_goes_to_zero_as_if_nobody_asked() -> None:
    targets = [{"model": "llama", "weight": 0}, {"model": "mistral"}]
    stack = resolved(
        models=[MODEL, hosted("mistral")], gateway={"routes": [{"name": "chat", "targets": targets}]}
    )
    [sleeper] = followed(stack, seeing(RUNNING))
    asked = look(look(None, {}, sleeper=sleeper), {MEANT: 1}, sleeper=sleeper)
    assert asked.want is Want.ASKED, "from before it lost its way"
    assert look(asked, {MEANT: 1}, sleeper=sleeper, now=300).want is Want.IDLE
    assert followed(stack, seeing(AT_ZERO)) == (), "nobody can ask for it"
    assert followed(resolved(models=[MODEL], suspend=True), seeing(RUNNING)) == ()


def test_a_model_that_always_runs_or_a_suspended_one_is_not_woken() -> None:
    for stack in (resolved(), resolved(models=[MODEL], suspend=True)):
        assert woken(stack, seeing(AT_ZERO, Want.ASKED)) is stack
        assert both_ways(stack) == (stack,)


def row(workload: Workload, want: Want | None = None, *pods: Pod, **spec: bool) -> Part:
    stack = resolved(models=[MODEL], **spec)
    found = assess(woken(stack, seeing(workload, want)), seeing(workload, want, *pods), ())
    return next(part for part in found.parts if part.name == "model/llama")


def test_at_zero_it_is_ready_for_who_asks() -> None:
    assert (row(AT_ZERO).ready, row(AT_ZERO).reason) == (True, Reason.AT_ZERO)
    ending = replace(AT_ZERO, current=False, replicas=1)
    assert row(ending, Want.IDLE).reason is Reason.AT_ZERO


def test_while_it_starts_requests_wait_and_a_start_that_fails_is_told() -> None:
    starting = row(STARTING, Want.ASKED)
    assert (starting.ready, starting.reason) == (True, Reason.PROGRESSING)
    cause = Cause(Reason.UNSCHEDULABLE, "no node")
    stuck = Pod("p", "u", "1", "model", "llama", "2026-11-01T10:00:00Z", False, False, cause)
    assert (row(STARTING, Want.ASKED, stuck).ready, row(STARTING, Want.ASKED, stuck).message) == (
        False,
        "no node",
    )


def test_at_zero_with_fronts_that_nobody_reaches_it_is_not_ready() -> None:
    found = row(AT_ZERO, Want.UNKNOWN)
    assert (found.ready, found.reason) == (False, Reason.DEMAND_UNKNOWN)
    assert "port 9902" in found.message
    assert row(RUNNING, Want.UNKNOWN).ready


def test_a_suspended_model_is_suspended_whatever_it_may_be() -> None:
    assert row(AT_ZERO, suspend=True).reason is Reason.SUSPENDED


def test_what_could_not_be_written_is_told_first() -> None:
    failure = Failure(("model", "llama"), Reason.APPLY_FAILED, "no", lasting=False)
    found = assess(STACK, seeing(AT_ZERO), [failure])
    assert found.parts[0].reason is Reason.APPLY_FAILED
