"""A changed configuration reaches the fronts that run; the stack is ready when all of them say so."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from aistack.api import AIStack, Reason
from aistack.health import Part, assess
from aistack.observed import Child, Observed, Pod, Report, Workload
from aistack.render import render
from aistack.render.gateway.bootstrap import IDLE_SECONDS
from aistack.render.gateway.front_pod import LEAVE_SECONDS
from aistack.resolve import resolve
from aistack.resolved import ResolvedStack
from aistack.rollout import LEAVES_WITHIN, Rollout, rollout, started_with
from tests.stacks import catalog, stack

SETTLED = Workload(current=True, wanted=2, replicas=2, updated=2, available=2, failure=None)
MADE, CHANGED, LATER = "2026-11-01T10:00:00Z", "2026-11-01T12:00:00Z", "2026-11-01T12:00:01Z"
NOW = datetime.fromisoformat("2026-11-01T12:01:00Z")


def child(kind: str, changed: str = CHANGED, created: str = MADE) -> Child:
    return Child(
        kind=kind,
        name="support-gateway",
        component="gateway",
        part="gateway",
        uid=f"uid-{kind}",
        resource_version="1",
        owner_uid="uid-of-the-stack",
        owned="ours",
        owns_replicas=True,
        deleting=False,
        created=created,
        changed=changed,
        workload=SETTLED if kind == "Deployment" else None,
    )


def pod(name: str, created: str = MADE, **more: Any) -> Pod:
    return Pod(name, f"uid-{name}", "1", "gateway", "gateway", created, True, False, None, "10.0.0.7", **more)


def written(**annotations: str) -> ResolvedStack:
    manifest = stack()
    manifest["metadata"]["annotations"] = annotations
    found = resolve(AIStack.parse(manifest), catalog())
    assert found.stack
    return found.stack


STACK = written()
MANIFESTS = render(STACK)
VERSION = next(
    item["data"]["version"]
    for item in MANIFESTS
    if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "support-gateway"
)


def observed(*pods: Pod, **reports: Report) -> Observed:
    """Two objects of the front and its pods; reports are by the pods' names."""
    children = (child("ConfigMap"), child("Deployment"))
    return Observed(
        {(item.kind, item.name): item for item in children},
        {item.name: item for item in pods},
        {f"uid-{name}": report for name, report in reports.items()},
    )


def seen(
    *pods: Pod,
    stack: ResolvedStack = STACK,
    now: datetime = NOW,
    changed: bool = False,
    was_ready: bool = False,
    **reports: Report,
) -> Rollout:
    """What is made of pods that nobody has asked yet, but for these reports."""
    return rollout(stack, MANIFESTS, observed(*pods, **reports), now, changed=changed, was_ready=was_ready)


def gateway(*pods: Pod, **reports: Report) -> Part:
    """Its row in the status."""
    what = observed(*pods, **reports)
    fronts = rollout(STACK, MANIFESTS, what, NOW, changed=True, was_ready=True)
    return next(part for part in assess(STACK, what, (), fronts).parts if part.name == "gateway")


@pytest.mark.parametrize(
    ("configuration", "pods_time", "expected", "why"),
    [
        (child("ConfigMap"), MADE, False, "it is older than the change"),
        (child("ConfigMap"), CHANGED, False, "of the same second nobody knows which came first"),
        (child("ConfigMap"), LATER, True, "it started with what was there"),
        (child("ConfigMap", changed=MADE), MADE, True, "without its first configuration it can't start"),
        (child("ConfigMap", changed=LATER, created=LATER), MADE, False, "its configuration was made anew"),
    ],
)
def test_a_pod_that_is_younger_than_the_configuration_has_it(
    configuration: Child, pods_time: str, expected: bool, why: str
) -> None:
    assert started_with(pod("a", pods_time), configuration) is expected, why


def test_pods_that_started_with_it_are_neither_told_nor_asked() -> None:
    found = seen(pod("a", LATER), pod("b", LATER), changed=True)
    assert (found.replicas, found.live, found.untold, found.awaited) == (2, 2, (), ())


def test_older_pods_are_told_once_and_asked_until_they_have_it() -> None:
    found = seen(pod("a"), pod("b", LATER), changed=True)
    assert (found.replicas, found.live) == (2, 1)
    assert [item.name for item in found.untold] == ["a"]
    assert [(item.uid, item.address, item.version) for item in found.awaited] == [
        ("uid-a", "10.0.0.7", VERSION)
    ]
    assert seen(pod("a", news=found.news)).untold == ()


def test_a_front_is_ready_when_every_replica_has_the_configuration() -> None:
    old, new = Report(live="older", mounted="older"), Report(live=VERSION, mounted=VERSION)
    waiting = gateway(pod("a"), pod("b"), a=old, b=new)
    assert (waiting.ready, waiting.reason) == (False, Reason.PROGRESSING)
    assert waiting.message == "1 of 2 replicas have the new configuration"
    assert gateway(pod("a"), pod("b"), a=new, b=new).ready


def test_what_a_loader_complains_of_is_said_with_the_pods_name() -> None:
    refusal = Report(live="older", mounted=VERSION, problem="Envoy refused routes.json; its log says why")
    part = gateway(pod("a"), a=refusal)
    assert (part.ready, part.reason) == (False, Reason.CONFIGURATION_NOT_LIVE)
    assert part.message == "pod a: Envoy refused routes.json; its log says why"


def test_a_key_that_can_not_be_used_is_said_of_a_pod_that_started_with_the_configuration() -> None:
    complaint = Report(live=VERSION, mounted=VERSION, problem="the key of client web is empty")
    part = gateway(pod("a", LATER), a=complaint)
    assert (part.ready, part.reason) == (False, Reason.CONFIGURATION_NOT_LIVE)
    assert part.message == "pod a: the key of client web is empty"


def test_a_complaint_about_an_older_configuration_is_about_to_go() -> None:
    stale = Report(live="older", mounted="older", problem="Envoy refused routes.json; its log says why")
    assert gateway(pod("a"), a=stale).reason is Reason.PROGRESSING


def test_a_loader_that_can_not_be_asked_holds_nothing_up_and_the_status_says_so() -> None:
    part = gateway(pod("a"), pod("b"), a=Report(live=VERSION, silent=True), b=Report(live=VERSION))
    assert part.ready
    assert part.message.startswith("1 of 2 replicas were handed the configuration")


@pytest.mark.parametrize(
    ("changed", "was_ready", "live", "why"),
    [
        (False, True, 1, "a restarted operator does not doubt what it has seen"),
        (True, True, 0, "another configuration is another question"),
        (False, False, 0, "it was waiting when it was restarted"),
    ],
)
def test_before_a_loader_was_asked_what_was_said_last_holds(
    changed: bool, was_ready: bool, live: int, why: str
) -> None:
    told = pod("a", news=seen(pod("a")).news)
    assert seen(told, changed=changed, was_ready=was_ready).live == live, why


def test_a_pod_that_was_never_told_has_not_taken_anything_over() -> None:
    assert seen(pod("a"), changed=False, was_ready=True).live == 0


def test_pods_that_do_not_serve_are_not_counted() -> None:
    starting, ended = replace(pod("a"), ready=False), replace(pod("b"), ended=True)
    assert seen(starting, ended, pod("c", LATER)).replicas == 1


def test_changed_secrets_are_news_for_every_pod() -> None:
    synced = written(**{"aistack.dev/sync": "2026-11-01T13:00:00Z"})
    found = seen(pod("a", LATER), pod("b", LATER), stack=synced)
    assert [item.name for item in found.untold] == ["a", "b"]
    assert [item.news for item in found.awaited] == [found.news, found.news]
    assert found.complete
    assert seen(pod("a", LATER, news=found.news), stack=synced).untold == ()
    assert found.news != seen(stack=written(**{"aistack.dev/sync": "later"})).news


def leaving(name: str, created: str = MADE, *, since: timedelta) -> Pod:
    return replace(pod(name, created), ended=True, left=NOW - since)


@pytest.mark.parametrize(
    ("since", "rerouted"), [(timedelta(seconds=5), False), (timedelta(minutes=2), True)], ids=str
)
def test_an_older_front_that_was_just_deleted_still_routes_for_a_while(
    since: timedelta, rerouted: bool
) -> None:
    found = seen(leaving("a", since=since), pod("b", LATER), was_ready=True)
    assert (found.complete, found.rerouted) == (True, rerouted)


def test_a_deleted_front_that_has_the_configuration_holds_nothing_up() -> None:
    just = timedelta(seconds=5)
    assert seen(leaving("a", LATER, since=just), pod("b", LATER)).rerouted
    assert seen(leaving("a", since=just), pod("b", LATER), a=Report(live=VERSION)).rerouted
    assert not seen(leaving("a", since=just), pod("b", LATER), a=Report(live="older")).rerouted


def test_an_older_front_that_is_not_ready_may_become_so_and_is_not_waited_for_for_ever() -> None:
    starting = replace(pod("a"), ready=False)
    assert not seen(starting, pod("b", LATER), was_ready=True).rerouted
    assert seen(starting, pod("b", LATER), now=NOW + timedelta(minutes=2), was_ready=True).rerouted
    assert seen(replace(starting, created=LATER), pod("b", LATER)).rerouted
    assert seen(replace(starting, ended=True), pod("b", LATER)).rerouted


def test_a_leaving_front_is_waited_for_until_its_idle_connections_are_closed() -> None:
    assert timedelta(seconds=IDLE_SECONDS + LEAVE_SECONDS) < LEAVES_WITHIN
