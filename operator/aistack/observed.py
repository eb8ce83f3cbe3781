"""What the controller remembers of the objects it watches: not the objects, only what decisions need."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from sys import intern
from typing import Any

import orjson

from aistack.api import Reason
from aistack.api.stack import MeasuredThroughput
from aistack.causes import Cause, conditions_of, pod_cause, shortened
from aistack.hardware import Hardware, hardware_of
from aistack.kinds import (
    AISTACK,
    AUTOSCALER,
    CHILD_KINDS,
    DEPLOYMENT,
    FIELD_MANAGER,
    HTTP_ROUTE,
    NAMESPACE,
    VOLUME_CLAIM,
    Manifest,
)
from aistack.labels import COMPONENT_LABEL, ENVOY, MODEL, NAME_LABEL, SYNC_ANNOTATION
from aistack.latency import Timing

METADATA_SUFFICES = frozenset((NAMESPACE, *CHILD_KINDS)) - {DEPLOYMENT, VOLUME_CLAIM, AUTOSCALER, HTTP_ROUTE}
"""Kinds of which no decision needs the status: that they are there, as we wrote them, is all."""
ROUTE_TAKEN = ("Accepted", "ResolvedRefs")
"""The conditions of an HTTPRoute that have to be true at its Gateway."""


ObjectKey = tuple[str, str]
"""(kind, name) of one of a stack's objects."""
PartKey = tuple[str, str]
"""(component, name) of one of a stack's parts: `("model", "llama")`, `("gateway", "gateway")`."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment's count of its pods; `current` once its controller has seen the newest spec."""

    current: bool
    wanted: int
    replicas: int
    updated: int
    available: int
    failure: Cause | None


@dataclass(frozen=True, slots=True)
class Child:
    """One object of a stack as last seen."""

    kind: str
    name: str
    component: str
    part: str
    uid: str
    resource_version: str
    owner_uid: str
    """The uid of the AIStack that controls it; empty when nobody or somebody else does."""
    owned: str
    """Digest of the fields that our field manager owns: it changes when someone takes one of them over.
    Empty when we own none: somebody else made the object."""
    owns_replicas: bool
    """Whether `spec.replicas` is among those fields."""
    deleting: bool
    created: str = ""
    """RFC 3339, UTC."""
    changed: str = ""
    """When what we own in it last changed, in the same form."""
    workload: Workload | None = None
    problem: Cause | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a stack as last seen."""

    name: str
    uid: str
    resource_version: str
    component: str
    part: str
    created: str
    """RFC 3339, UTC."""
    ready: bool
    ended: bool
    """Deleted, or its phase is final: it serves nobody and its Deployment has replaced it."""
    cause: Cause | None
    address: str = ""
    """Its IP address; empty before it has one."""
    news: str = ""
    """Which news of its configuration it was told."""
    left: datetime | None = None
    """When it was deleted."""
    started: str = ""
    """When its Envoy was, in the same form; empty while none runs in it."""
    hardware: Hardware | None = None
    """Of a model's pod, what it holds, where it says that."""
    ends: datetime | None = None
    """When the grace that it has for that is over; on a node that is lost it stays for longer."""

    @property
    def leaving(self) -> bool:
        """Deleted, and still there: until its containers have ended it holds its accelerators."""
        return self.left is not None

    @property
    def replica_set(self) -> str:
        """The name of what made it."""
        return self.name.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Report:
    """What a front's loader says of its configuration, by the version that was rendered."""

    live: str
    mounted: str = ""
    problem: str = ""
    """Why what is mounted is not live; it names no key."""
    silent: bool = False
    """It never answered; `live` is what the kubelet has handed over by now."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A front's pod that is to have a version of the configuration, and where its loader is asked."""

    uid: str
    address: str
    version: str
    news: str = ""
    """What the pod is told: other news is another question, for keys may have changed."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What the answers of a route took, as it was known at `at` (UTC)."""

    at: datetime
    timings: Mapping[str, Timing]
    """By target, of those that answered often enough."""


class Want(Enum):
    """What the fronts know of those who ask for a model that may be at zero."""

    ASKED = "asked"
    """Somebody asks for it, or has asked not long ago."""
    IDLE = "idle"
    """Nobody has asked for it for so long that it may go to zero."""
    UNKNOWN = "unknown"
    """No front answers."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that could not be brought to what was rendered, and why."""

    part: PartKey
    reason: Reason
    message: str
    lasting: bool
    """Trying again changes nothing until a person does something."""

    @property
    def transient(self) -> bool:
        """The API server didn't take it this time; there is nothing to wait for but the next try."""
        return self.reason is Reason.APPLY_FAILED and not self.lasting


@dataclass(frozen=True, slots=True)
class Metered:
    """What a stack has really cost, in millionths of its currency's unit."""

    month: str
    """`2026-11`."""
    spent: int
    """Since that month began."""
    forecast: int | None
    """At its end; None before a day of it is known."""
    limited: Mapping[str, int] = field(default_factory=dict)
    """What the parts with a monthlyLimit have spent of it: `model/gpt`, `client/web`."""
    until: str = ""
    """When the month turns: RFC 3339, UTC."""
    throughput: tuple[MeasuredThroughput, ...] = ()
    """What replicas of its models have served under full load."""
    unread_since: str | None = None
    """Since when not all of its gateways could be read: RFC 3339, UTC."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything seen of one stack's objects."""

    children: Mapping[ObjectKey, Child] = field(default_factory=dict)
    pods: Mapping[str, Pod] = field(default_factory=dict)
    """By name."""
    reports: Mapping[str, Report] = field(default_factory=dict)
    """Of loaders, by the uid of their pods."""
    metered: Metered | None = None
    """None before the first look."""
    wants: Mapping[str, Want] = field(default_factory=dict)
    """By the name of a model that may be at zero; not of all is anything known."""
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    """By route, of those that are measured."""

    def only(self, component: str) -> "Observed":
        return replace(self, children=self._children(lambda child: child.component == component))

    def without(self, component: str) -> "Observed":
        return replace(self, children=self._children(lambda child: child.component != component))

    def _children(self, kept: Callable[[Child], bool]) -> Mapping[ObjectKey, Child]:
        return {key: child for key, child in self.children.items() if kept(child)}


def digest(value: Any) -> str:
    """A short name for a JSON value: equal values have equal digests, whatever the order of their keys."""
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def observe(manifest: Manifest) -> Child:
    """Reduces an object of a watch, or of an answer to a write, to what is remembered of it.

    What many objects say alike is kept once: a fifth of the store's memory.
    """
    meta = manifest["metadata"]
    labels = meta.get("labels", {})
    ours = _our_entry(meta)
    fields = ours.get("fieldsV1", {})
    return Child(
        kind=intern(manifest["kind"]),
        name=meta["name"],
        component=intern(labels.get(COMPONENT_LABEL, "")),
        part=intern(labels.get(NAME_LABEL, "")),
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        owner_uid=intern(owning_stack(meta)),
        owned=digest(fields) if fields else "",
        owns_replicas="f:replicas" in fields.get("f:spec", {}),
        deleting="deletionTimestamp" in meta,
        created=meta.get("creationTimestamp", ""),
        changed=ours.get("time", ""),
        workload=_workload(manifest) if manifest["kind"] == DEPLOYMENT.kind else None,
        problem=_problem(manifest),
    )


def _our_entry(meta: Manifest) -> Manifest:
    entries: Iterable[Manifest] = meta.get("managedFields", ())
    ours = (item for item in entries if item.get("manager") == FIELD_MANAGER and item["operation"] == "Apply")
    return next(ours, {})


def owning_stack(meta: Manifest) -> str:
    """The uid of the AIStack that controls an object, or an empty string."""
    for owner in meta.get("ownerReferences", ()):
        if owner.get("controller") and owner["kind"] == AISTACK.kind:
            return str(owner["uid"])
    return ""


def is_ours(child: Child, stack_uid: str) -> bool:
    """Controlled by this stack; or made by us and orphaned since, so that its stack takes it back."""
    return child.owner_uid == stack_uid or (not child.owner_uid and bool(child.owned))


def _workload(deployment: Manifest) -> Workload:
    status = deployment.get("status", {})
    conditions = conditions_of(deployment)
    failure = None
    if refusal := conditions.get("ReplicaFailure"):
        failure = _creation_failure(refusal.get("message", ""))
    elif conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded":
        failure = Cause(Reason.DEADLINE_EXCEEDED, conditions["Progressing"].get("message", ""))
    return Workload(
        current=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        wanted=deployment.get("spec", {}).get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        failure=failure,
    )


def _creation_failure(message: str) -> Cause:
    """Why a ReplicaSet can't make pods; the API server's words tell a quota from somebody's webhook."""
    if "exceeded quota" in message:
        reason = Reason.QUOTA_EXCEEDED
    elif "admission webhook" in message or "violates PodSecurity" in message:
        reason = Reason.ADMISSION_DENIED
    else:
        reason = Reason.PODS_NOT_CREATED
    return Cause(reason, f"its pods can't be created: {shortened(message)}")


def _problem(manifest: Manifest) -> Cause | None:
    name = manifest["metadata"]["name"]
    if manifest["kind"] == VOLUME_CLAIM.kind and manifest.get("status", {}).get("phase") != "Bound":
        return Cause(Reason.VOLUME_PENDING, f"volume claim {name} is not bound")
    if manifest["kind"] == HTTP_ROUTE.kind:
        return _route_problem(name, manifest)
    if manifest["kind"] == AUTOSCALER.kind:
        active = conditions_of(manifest, present_when=None).get("ScalingActive", {})
        # An autoscaler rests while its Deployment is at zero, and says so.
        if active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
            return Cause(
                Reason.AUTOSCALER_FAILED, f"autoscaler {name}: {shortened(active.get('message', ''))}"
            )
    return None


def _route_problem(name: str, route: Manifest) -> Cause | None:
    """What a Gateway's controller says of it; nothing is what it says while it doesn't know it."""
    places = {_gateway(route, named) for named in route.get("spec", {}).get("parentRefs", ())}
    parents: Iterable[Manifest] = route.get("status", {}).get("parents", ())
    said = [
        condition
        for parent in parents
        if _gateway(route, parent["parentRef"]) in places
        for condition in parent.get("conditions", ())
        if _is_current(condition, route)
    ]
    refusal = next((item for item in said if item["type"] in ROUTE_TAKEN and item["status"] == "False"), None)
    if refusal:
        words = shortened(refusal.get("message", ""))
        return Cause(Reason.ROUTE_NOT_ACCEPTED, f"HTTPRoute {name}: {refusal['reason']}: {words}")
    if any(item["type"] == "Accepted" and item["status"] == "True" for item in said):
        return None
    message = f"no controller has taken up HTTPRoute {name}; is there a Gateway {', '.join(sorted(places))}?"
    return Cause(Reason.ROUTE_NOT_ACCEPTED, message)


def _gateway(route: Manifest, named: Manifest) -> str:
    return f"{named.get('namespace', route['metadata']['namespace'])}/{named['name']}"


def _is_current(condition: Manifest, route: Manifest) -> bool:
    """Whether it is about the newest spec; a controller that doesn't say of which is taken at its word."""
    generation: int = route["metadata"].get("generation", 0)
    return bool(condition.get("observedGeneration", generation) >= generation)


def observe_pod(manifest: Manifest) -> Pod:
    """Reduces a pod to whether it serves and, if not, the root cause that its status holds."""
    meta, status = manifest["metadata"], manifest.get("status", {})
    labels = meta.get("labels", {})
    component = intern(labels.get(COMPONENT_LABEL, ""))
    ready = "Ready" in conditions_of(manifest)
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        component=component,
        part=intern(labels.get(NAME_LABEL, "")),
        created=meta.get("creationTimestamp", ""),
        ready=ready,
        ended="deletionTimestamp" in meta or status.get("phase") in {"Failed", "Succeeded"},
        cause=None if ready else pod_cause(meta["name"], manifest),
        left=_deleted(meta),
        ends=_grace_ends(meta),
        started=_started(ENVOY, status.get("initContainerStatuses", ())),
        hardware=hardware_of(manifest) if component == MODEL else None,
        address=status.get("podIP", ""),
        news=meta.get("annotations", {}).get(SYNC_ANNOTATION, ""),
    )


def _started(container: str, statuses: Iterable[Manifest]) -> str:
    state: Manifest = next((each["state"] for each in statuses if each["name"] == container), {})
    return str(state.get("running", {}).get("startedAt", ""))


def _deleted(meta: Manifest) -> datetime | None:
    """A pod's deletionTimestamp is when its grace ends, not when it was deleted."""
    ends = _grace_ends(meta)
    return ends - timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0) if ends else None


def _grace_ends(meta: Manifest) -> datetime | None:
    return datetime.fromisoformat(meta["deletionTimestamp"]) if "deletionTimestamp" in meta else None
