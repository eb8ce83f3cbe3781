"""From what is seen of a stack's objects to one row a part, each with the root cause if it isn't ready."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from aistack.api import Reason
from aistack.causes import SEVERITY, Cause
from aistack.kinds import AUTOSCALER, DEPLOYMENT, HTTP_ROUTE, POD, VOLUME_CLAIM
from aistack.observed import Child, Failure, Observed, PartKey, Pod, Want
from aistack.resolved import ManagedModel, Replicas, ResolvedStack, SelfHostedModel
from aistack.rollout import Rollout

EVENTS_EXPLAIN = frozenset({Reason.PROGRESSING, Reason.PROBE_FAILED, Reason.VOLUME_PENDING})
"""Causes of which an object's status doesn't hold the whole story, but its events may."""

STARTING = "its pods are starting"
"""Said from the first write until something is wrong or all is well: a row doesn't flicker in between."""


NO_ROLLOUT = Rollout()


@dataclass(frozen=True, slots=True)
class Subject:
    """An object whose events may say more than its status does."""

    kind: str
    name: str
    uid: str
    created: str
    """RFC 3339, UTC; empty when it isn't known."""


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the status: `model/llama`, `gateway`, `adapter`."""

    name: str
    ready: bool
    reason: Reason
    message: str
    unexplained: Subject | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Every part of a stack; what keeps its replicas from following the load; what keeps it from its host."""

    parts: tuple[Part, ...]
    autoscaling: Cause | None
    exposure: Cause | None

    @property
    def unexplained(self) -> tuple[Subject, ...]:
        return tuple(part.unexplained for part in self.parts if part.unexplained)

    @property
    def settled(self) -> bool:
        """Every part is as it should be: it answers, or is switched off."""
        return all(part.ready or part.reason is Reason.SUSPENDED for part in self.parts)

    def explained(self, words: Mapping[str, str]) -> "Health":
        """The same with what events say, by the uid of the object that they're about."""
        return replace(self, parts=tuple(_explained(part, words) for part in self.parts))


def _explained(part: Part, words: Mapping[str, str]) -> Part:
    if part.unexplained is None or part.unexplained.uid not in words:
        return part
    return replace(part, message=f"{part.message}: {words[part.unexplained.uid]}")


def assess(
    stack: ResolvedStack, observed: Observed, failures: Iterable[Failure], rollout: Rollout = NO_ROLLOUT
) -> Health:
    """One row a part: models, gateway, adapter; and what belongs to none of them, if it failed."""
    failed = {failure.part: failure for failure in failures}
    hosted = [
        _model(model, _Seen(("model", model.name), observed), failed, observed.wants.get(model.name))
        for model in stack.self_hosted
    ]
    tiers = [
        _part(name, replicas, _Seen((name, name), observed), failed)
        for name, replicas in stack.gateway.tiers.items()
    ]
    tiers = [_configured(tier, rollout) if tier.name == "gateway" else tier for tier in tiers]
    managed = [_managed(model, {tier.name: tier for tier in tiers}) for model in stack.managed]
    models = sorted((*hosted, *managed), key=lambda part: part.name)
    others = [
        Part(component, False, failure.reason, failure.message)
        for (component, _), failure in failed.items()
        if component not in {"model", *stack.gateway.tiers}
    ]
    return Health(
        parts=(*models, *tiers, *others),
        autoscaling=_autoscaling(stack, observed),
        exposure=_exposure(stack, observed),
    )


class _Seen:
    """The objects and pods of one part."""

    def __init__(self, part: PartKey, observed: Observed) -> None:
        self.part = part
        self.children = [
            child for child in observed.children.values() if (child.component, child.part) == part
        ]
        self.pods = sorted(
            (pod for pod in observed.pods.values() if (pod.component, pod.part) == part),
            key=lambda pod: (pod.created, pod.name),
        )

    def of_kind(self, kind: str) -> list[Child]:
        return [child for child in self.children if child.kind == kind]


def _model(
    model: SelfHostedModel, seen: "_Seen", failed: Mapping[PartKey, Failure], want: Want | None
) -> Part:
    """One that may be at zero is there for who asks: also while it starts, for then requests wait."""
    part = _part(f"model/{model.name}", model.replicas, seen, failed)
    workload = next((child.workload for child in seen.of_kind(DEPLOYMENT.kind)), None)
    may_be_at_zero = model.hosted.scaling.min == 0 < model.replicas.max
    if not may_be_at_zero or seen.part in failed or workload is None:
        return part
    if workload.wanted == 0:
        return _asleep(part.name, want)
    if part.reason is Reason.PROGRESSING and not workload.available:
        return replace(part, ready=True, message="it starts; requests wait for it")
    return part


def _asleep(row: str, want: Want | None) -> Part:
    if want is Want.UNKNOWN:
        message = (
            "no replica runs, and no pod of the gateway tells the operator whether a request waits; let it "
            "reach their port 9902, or write scaling.min: 1"
        )
        return Part(row, False, Reason.DEMAND_UNKNOWN, message)
    return Part(row, True, Reason.AT_ZERO, "no replica runs; a request starts one")


def _part(row: str, replicas: Replicas, seen: _Seen, failed: Mapping[PartKey, Failure]) -> Part:
    """The first of these that holds: not written as it should be, nothing there yet, ready, or the cause."""
    if failure := failed.get(seen.part):
        return Part(row, False, failure.reason, failure.message)
    deployments = seen.of_kind(DEPLOYMENT.kind)
    if not deployments or deployments[0].workload is None or deployments[0].deleting:
        return Part(row, False, Reason.PROGRESSING, STARTING)
    workload = deployments[0].workload
    if workload.current and workload.wanted == 0:
        return _at_zero(row, workload.replicas)
    settled = workload.current and workload.updated == workload.replicas
    if replicas.autoscaled:
        ready = settled and workload.available >= replicas.min
    else:
        ready = settled and workload.replicas == workload.wanted == workload.available
    if ready:
        return Part(row, True, Reason.READY, "")
    cause, subject = _cause(seen, workload.failure)
    return Part(row, False, cause.reason, cause.message, subject)


def _configured(front: Part, rollout: Rollout) -> Part:
    """A front that runs is ready once its replicas have its newest configuration, too."""
    if not front.ready:
        return front
    if rollout.problem:
        return replace(front, ready=False, reason=Reason.CONFIGURATION_NOT_LIVE, message=rollout.problem)
    if not rollout.complete:
        message = f"{rollout.live} of {rollout.replicas} replicas have the new configuration"
        return replace(front, ready=False, reason=Reason.PROGRESSING, message=message)
    if rollout.silent:
        message = (
            f"{rollout.silent} of {rollout.replicas} replicas were handed the configuration and don't say "
            "whether it is live: the operator can't reach their loaders"
        )
        return replace(front, message=message)
    return front


def _at_zero(row: str, replicas: int) -> Part:
    if replicas:
        return Part(row, False, Reason.TERMINATING, "its pods are ending")
    return Part(row, False, Reason.SUSPENDED, "no pod runs, because the stack is suspended; its data is kept")


def _cause(seen: _Seen, failure: Cause | None) -> tuple[Cause, Subject | None]:
    """A refusal to make pods; else a volume that the pods wait for; else what the worst pod says."""
    if failure and failure.reason is not Reason.DEADLINE_EXCEEDED:
        return failure, None
    for claim in seen.of_kind(VOLUME_CLAIM.kind):
        waiting = any(pod.cause and pod.cause.reason is Reason.UNSCHEDULABLE for pod in seen.pods)
        if claim.problem and (waiting or not seen.pods):
            return claim.problem, Subject(VOLUME_CLAIM.kind, claim.name, claim.uid, claim.created)
    worst = _worst(_explaining(seen.pods))
    if worst and worst.cause:
        subject = Subject(POD.kind, worst.name, worst.uid, worst.created)
        if worst.cause.reason is Reason.PROGRESSING:
            return Cause(Reason.PROGRESSING, STARTING), subject
        return worst.cause, subject if worst.cause.reason in EVENTS_EXPLAIN else None
    if failure:
        return failure, None
    return Cause(Reason.PROGRESSING, STARTING), None


def _explaining(pods: list[Pod]) -> list[Pod]:
    """Those that live, and those that were evicted and whose places no younger pod has taken yet."""
    living = [pod for pod in pods if not pod.ended]
    current = {pod.replica_set for pod in living}
    taken = {(pod.replica_set, pod.created) for pod in living if pod.ready}
    evicted = [
        pod
        for pod in pods
        if pod.cause
        and pod.cause.reason is Reason.EVICTED
        and (pod.replica_set in current or not current)
        and not any(ours == pod.replica_set and pod.created <= created for ours, created in taken)
    ]
    return [pod for pod in living if pod.cause] + evicted


def _worst(pods: list[Pod]) -> Pod | None:
    """The pod whose cause explains most; of equals the oldest, so that the message stays the same."""
    return min(pods, key=lambda pod: SEVERITY.index(pod.cause.reason) if pod.cause else 0, default=None)


def _managed(model: ManagedModel, tiers: Mapping[str, Part]) -> Part:
    """As ready as the tier of the gateway that calls the provider; nobody probes providers."""
    row = f"model/{model.name}"
    tier = tiers.get("adapter" if model.needs_adapter else "gateway")
    if tier is None:
        return Part(row, True, Reason.READY, "no route leads to it")
    if not tier.ready:
        return Part(
            row, False, tier.reason, f"the {tier.name} that calls {model.managed.provider} is not ready"
        )
    return Part(row, True, Reason.READY, f"{model.managed.provider}, called by the {tier.name}")


def _exposure(stack: ResolvedStack, observed: Observed) -> Cause | None:
    """What keeps the stack from being published as it is to be, as far as anybody tells."""
    expose = stack.gateway.spec.expose
    if expose.certificate_issuer and not stack.gateway.abilities.cert_manager:
        return Cause(
            Reason.CERT_MANAGER_MISSING,
            f"nobody fills Secret {expose.tls_secret_name}: the cluster serves no cert-manager.io; install "
            "cert-manager, or leave out spec.gateway.expose.certificateIssuer and make the Secret yourself",
        )
    if expose.type != "Gateway":
        return None
    if not stack.gateway.abilities.gateway_api:
        return Cause(
            Reason.GATEWAY_API_MISSING,
            f"nothing publishes {expose.host}: the cluster serves no {HTTP_ROUTE.group}; install the Gateway "
            "API and a controller for it, or write spec.gateway.expose.type: Ingress",
        )
    route = observed.children.get((HTTP_ROUTE.kind, stack.gateway.object_name))
    if route is None:
        return Cause(Reason.PROGRESSING, "its HTTPRoute is being made")
    return route.problem


def _autoscaling(stack: ResolvedStack, observed: Observed) -> Cause | None:
    """What keeps replicas from following the load; None where nothing does, or nothing is to scale."""
    if stack.spec.suspend:
        return None
    for child in sorted(observed.children.values(), key=lambda child: child.name):
        if child.kind == AUTOSCALER.kind and child.problem:
            return child.problem
    fixed = [
        f"model {model.name} stays at {model.hosted.scaling.min or '1 at most'}"
        for model in stack.self_hosted
        if max(1, model.hosted.scaling.min) < model.hosted.scaling.max and not model.replicas.autoscaled
    ]
    if fixed:
        return Cause(
            Reason.METRICS_API_MISSING,
            f"{', '.join(fixed)}: the cluster serves no custom.metrics.k8s.io, so vLLM's load can't be seen; "
            "install a custom metrics adapter",
        )
    wanted = stack.gateway.spec.replicas
    if wanted.min < wanted.max and not stack.gateway.replicas.autoscaled:
        return Cause(
            Reason.METRICS_API_MISSING,
            f"the gateway stays at {wanted.min}: the cluster serves no metrics.k8s.io; "
            "install metrics-server",
        )
    return None
