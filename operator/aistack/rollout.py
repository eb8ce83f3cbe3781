"""How far a changed configuration has come among the fronts that run: it needs no new pods.

A pod that is younger than the configuration started with it. An older one is told by an annotation, at which
the kubelet renews what the pod has mounted; its loader hands that to Envoy and reports what is live.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aistack.kinds import CONFIG_MAP, Manifest
from aistack.labels import GATEWAY, SYNC_ANNOTATION
from aistack.observed import Awaited, Child, Observed, Pod, Report, digest
from aistack.resolved import ResolvedStack

LEAVES_WITHIN = timedelta(seconds=90)
"""How long a deleted front may get new requests: over connections until they have been idle for a minute,
and news of its leaving take their time."""
STARTS_WITHIN = timedelta(minutes=2)
"""How long after a change a front that started before it may become ready: one that never does holds nothing
up for longer."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The ready replicas of a front and the configuration that they are to have."""

    replicas: int = 0
    live: int = 0
    """How many have it, as far as they say."""
    silent: int = 0
    """How many of them are counted as having it without their word: their loaders could not be asked."""
    lingering: int = 0
    """How many others may route by an older one for a while: they were deleted, or are not ready."""
    problem: str = ""
    """Why one of them can't take it over."""
    news: str = ""
    """What their annotation says once they are told."""
    untold: tuple[Pod, ...] = ()
    awaited: tuple[Awaited, ...] = ()
    """Those that did not start with it, or whose Secrets have changed."""

    @property
    def complete(self) -> bool:
        """Whether every ready replica has the configuration."""
        return self.live == self.replicas

    @property
    def rerouted(self) -> bool:
        """Whether no front routes by an older configuration any more."""
        return self.complete and not self.lingering


def rollout(
    stack: ResolvedStack,
    manifests: Sequence[Manifest],
    observed: Observed,
    now: datetime,
    *,
    changed: bool,
    was_ready: bool,
) -> Rollout:
    """Compares the configuration with what the loaders said. `now` is UTC.

    A pod that nobody has asked yet, as after a restart of the operator, has it if it was told, the front
    `was_ready` then and the configuration has not `changed` since.
    """
    name = stack.gateway.object_name
    configuration = observed.children.get((CONFIG_MAP.kind, name))
    if configuration is None:
        return Rollout()
    version = _version(manifests, name)
    sync = stack.metadata.annotations.get(SYNC_ANNOTATION, "")
    news = digest([version, sync])
    fronts = sorted((pod for pod in observed.pods.values() if pod.part == GATEWAY), key=lambda pod: pod.name)
    pods = [pod for pod in fronts if pod.ready and not pod.ended]
    known = version if was_ready and not changed else ""
    reports = {
        pod.name: observed.reports.get(pod.uid, Report(live=known if pod.news == news else ""))
        for pod in pods
    }
    started = {pod.name for pod in pods if started_with(pod, configuration)}
    live = {name for name, report in reports.items() if report.live == version}
    others = [pod for pod in fronts if observed.reports.get(pod.uid, Report(live="")).live != version]
    # Of Secrets that have changed everybody hears, and may not be able to use them.
    concerned = [pod for pod in pods if sync or pod.name not in started]
    return Rollout(
        replicas=len(pods),
        live=len(started | live),
        silent=sum(reports[name].silent for name in live),
        lingering=sum(_lingers(pod, configuration, now) for pod in others),
        problem=_problem(reports, version),
        news=news,
        untold=tuple(pod for pod in concerned if pod.news != news),
        awaited=tuple(Awaited(pod.uid, pod.address, version, news) for pod in concerned),
    )


def started_with(pod: Pod, configuration: Child) -> bool:
    """Whether a pod is younger than the configuration, in whole seconds: of the same second it is not.

    No container starts before its configuration exists, so a first one, which never changed, is every pod's
    that was not there before it.
    """
    if configuration.changed == configuration.created:
        return pod.created >= configuration.created
    return pod.created > configuration.changed


def _lingers(pod: Pod, configuration: Child, now: datetime) -> bool:
    """Whether one that is not asked, because it ends or is not ready, may route by an older configuration."""
    if started_with(pod, configuration):
        return False
    if pod.left:
        return now - pod.left < LEAVES_WITHIN
    waiting = not pod.ready and not pod.ended
    return waiting and now - datetime.fromisoformat(configuration.changed) < STARTS_WITHIN


def _version(manifests: Sequence[Manifest], name: str) -> str:
    version: str = next(
        item["data"]["version"]
        for item in manifests
        if item["kind"] == CONFIG_MAP.kind and item["metadata"]["name"] == name
    )
    return version


def _problem(reports: dict[str, Report], version: str) -> str:
    """The first pod's, in the order of their names; one about an older configuration is about to go."""
    problems = (
        f"pod {pod}: {report.problem}"
        for pod, report in reports.items()
        if report.problem and report.mounted == version
    )
    return next(problems, "")
