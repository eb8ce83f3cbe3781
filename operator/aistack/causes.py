"""Why a pod isn't ready: the root cause that its status holds, in words for the person who reads them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from aistack.api import Reason
from aistack.kinds import Manifest

MESSAGE_LENGTH = 600
"""Characters kept of a message that a container or the API server wrote."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a part isn't ready, in words for the person who reads the status."""

    reason: Reason
    message: str


def pod_cause(name: str, pod: Manifest) -> Cause:
    status = pod.get("status", {})
    if status.get("reason") == "Evicted":
        return Cause(Reason.EVICTED, f"pod {name} was evicted: {shortened(status.get('message', ''))}")
    scheduled = conditions_of(pod, present_when="False").get("PodScheduled")
    if scheduled and scheduled.get("reason") == "Unschedulable":
        return Cause(
            Reason.UNSCHEDULABLE, f"pod {name} cannot be scheduled: {shortened(scheduled.get('message', ''))}"
        )
    unfinished = [item for item in status.get("initContainerStatuses", ()) if not _is_well(item)]
    containers = [*unfinished, *status.get("containerStatuses", ())]
    causes = [cause for container in containers if (cause := _container_cause(name, container))]
    if causes:
        return min(causes, key=lambda cause: SEVERITY.index(cause.reason))
    return Cause(Reason.PROGRESSING, f"pod {name} is starting")


SEVERITY = (
    Reason.OUT_OF_MEMORY,
    Reason.CRASH_LOOP,
    Reason.IMAGE_PULL_FAILED,
    Reason.CONTAINER_CONFIG_ERROR,
    Reason.UNSCHEDULABLE,
    Reason.PROBE_FAILED,
    Reason.EVICTED,
    Reason.PROGRESSING,
)
"""Reasons of pods, the one that explains most first."""

_WAITING = {
    "ImagePullBackOff": Reason.IMAGE_PULL_FAILED,
    "ErrImagePull": Reason.IMAGE_PULL_FAILED,
    "InvalidImageName": Reason.IMAGE_PULL_FAILED,
    "ErrImageNeverPull": Reason.IMAGE_PULL_FAILED,
    "CreateContainerConfigError": Reason.CONTAINER_CONFIG_ERROR,
    "CreateContainerError": Reason.CONTAINER_CONFIG_ERROR,
    "RunContainerError": Reason.CONTAINER_CONFIG_ERROR,
}


def _container_cause(pod: str, container: Manifest) -> Cause | None:
    """The last end of a container explains it while it is down, waiting to start again, or starting again."""
    if container.get("ready"):
        return None
    state = container.get("state", {})
    what = f"container {container['name']} of pod {pod}"
    waiting = state.get("waiting", {})
    if reason := _WAITING.get(waiting.get("reason", "")):
        return Cause(reason, f"{what}: {waiting['reason']}: {shortened(waiting.get('message', ''))}")
    if end := state.get("terminated") or container.get("lastState", {}).get("terminated"):
        return _end_cause(what, end)
    if "running" in state and container.get("started"):
        return Cause(Reason.PROBE_FAILED, f"{what} runs but does not pass its readiness probe")
    return None


KILLED = 128 + 9
"""The exit code after SIGKILL: what a container wrote before it explains nothing."""


def _end_cause(what: str, end: Manifest) -> Cause:
    if end.get("reason") == "OOMKilled":
        return Cause(
            Reason.OUT_OF_MEMORY,
            f"{what} was killed because it used more memory than its limit; raise resources.limits.memory",
        )
    code = end.get("exitCode", 0)
    if code == KILLED:
        return Cause(Reason.CRASH_LOOP, f"{what} was killed (exit code {code}), so it could not say why")
    words = shortened(_last_exception(end.get("message", "")))
    said = f": {words}" if words else ", without a word"
    advice = "".join(f"; {remedy}" for symptom, remedy in _REMEDIES.items() if symptom in words)
    return Cause(Reason.CRASH_LOOP, f"{what} ended with exit code {code}{said}{advice}")


_REMEDIES = {
    "No space left on device": "a volume is full: raise cache.size",
    "CUDA out of memory": "lower contextWindow, or take an accelerator with more memory, or more of them",
}
"""What to write instead, where the words of the system or of PyTorch don't say."""
_EXCEPTION = re.compile(r"(?:^|[\])] )([\w.]*(?:Error|Exception): .*)", re.MULTILINE)
"""Where Python says an exception, after what vLLM writes before each line."""
_ANOTHER = re.compile(
    r"^.*(Traceback \(most recent call last\)|\b\w+(Error|Exception): | failed to start\.$)", re.MULTILINE
)
"""The line where the words about another exception begin."""
_POINTERS = ("root cause above", "for root cause")
"""In exceptions of vLLM that only say that there was another one, in its engine's or a worker's process."""


def _last_exception(log: str) -> str:
    """What the last exception says that points to no other: more than the calls that led to it."""
    found = list(_EXCEPTION.finditer(log))
    if not found:
        return log
    causes = [each for each in found if not any(pointer in each[1] for pointer in _POINTERS)]
    cause = (causes or found)[-1]
    another = _ANOTHER.search(log, cause.end())
    return log[cause.start(1) : another.start() if another else None]


def _is_well(init_container: Manifest) -> bool:
    """Done, or at work for the first time: it says `started` and has no probe that it could fail.

    Exit code 0 is well only for an init container: a vLLM whose engine was killed ends with 0 too.
    """
    state = init_container.get("state", {})
    at_work = "running" in state and "terminated" not in init_container.get("lastState", {})
    return at_work or state.get("terminated", {}).get("exitCode") == 0


def conditions_of(manifest: Manifest, present_when: str | None = "True") -> dict[str, Manifest]:
    found: Iterable[Manifest] = manifest.get("status", {}).get("conditions", ())
    return {item["type"]: item for item in found if present_when in (None, item.get("status"))}


def shortened(message: str) -> str:
    """One line; the end of a long message is kept, for a traceback says the cause last."""
    line = " ".join(message.split())
    return line if len(line) <= MESSAGE_LENGTH else "…" + line[-MESSAGE_LENGTH:]
