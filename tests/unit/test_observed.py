"""What is remembered of an object: the root cause in a pod, the counts of a Deployment, who owns a field."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aistack.api import Reason
from aistack.observed import observe, observe_pod

LABELS = {"aistack.dev/component": "model", "app.kubernetes.io/name": "llama"}


def pod(**status: Any) -> dict[str, Any]:
    metadata = {
        "name": "support-llama-7c9-x2k",
        "uid": "1",
        "resourceVersion": "7",
        "labels": LABELS,
        "creationTimestamp": "2026-11-01T10:00:00Z",
    }
    return {"kind": "Pod", "metadata": metadata, "status": status}


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "vllm", "image": "vllm", "ready": False, "state": state, **more}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return container({"waiting": {"reason": reason, "message": message}})


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
}
OUT_OF_MEMORY = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
TRACEBACK = {
    "terminated": {"reason": "Error", "exitCode": 1, "message": "line 1\nValueError: no such model\n"}
}
KILLED = {"terminated": {"reason": "Error", "exitCode": 137, "message": "POST /v1/chat/completions 200 OK"}}
ENGINE_KILLED = {"terminated": {"reason": "Completed", "exitCode": 0}}


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        pytest.param(
            {"conditions": [UNSCHEDULABLE]},
            Reason.UNSCHEDULABLE,
            "2 Insufficient nvidia.com/gpu",
            id="no-node",
        ),
        pytest.param(
            {"containerStatuses": [waiting("ImagePullBackOff", "Back-off pulling image vllm:none")]},
            Reason.IMAGE_PULL_FAILED,
            "pulling image vllm:none",
            id="no-image",
        ),
        pytest.param(
            {"containerStatuses": [waiting("CreateContainerConfigError", 'secret "hf" not found')]},
            Reason.CONTAINER_CONFIG_ERROR,
            'secret "hf" not found',
            id="no-secret",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    container({"waiting": {"reason": "CrashLoopBackOff"}}, lastState=TRACEBACK)
                ]
            },
            Reason.CRASH_LOOP,
            "exit code 1: ValueError: no such model",
            id="crashed",
        ),
        pytest.param(
            {"containerStatuses": [container({"running": {}}, lastState=TRACEBACK, started=False)]},
            Reason.CRASH_LOOP,
            "ValueError: no such model",
            id="starting-again-after-a-crash-still-says-why-it-crashed",
        ),
        pytest.param(
            {"containerStatuses": [container({"waiting": {}}, lastState=OUT_OF_MEMORY)]},
            Reason.OUT_OF_MEMORY,
            "raise resources.limits.memory",
            id="out-of-memory",
        ),
        pytest.param(
            {"containerStatuses": [container(ENGINE_KILLED)]},
            Reason.CRASH_LOOP,
            "exit code 0, without a word",
            id="an-engine-that-was-killed-ends-with-0-and-is-not-healthy",
        ),
        pytest.param(
            {"containerStatuses": [container(KILLED)]},
            Reason.CRASH_LOOP,
            "was killed (exit code 137), so it could not say why",
            id="the-log-of-a-container-that-was-killed-is-not-its-cause",
        ),
        pytest.param(
            {"containerStatuses": [container({"running": {}}, started=True)]},
            Reason.PROBE_FAILED,
            "does not pass its readiness probe",
            id="not-answering",
        ),
        pytest.param(
            {"containerStatuses": [container({"running": {}}, started=False)]},
            Reason.PROGRESSING,
            "is starting",
            id="loading-its-model-is-not-a-failure",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "low on resource: memory"},
            Reason.EVICTED,
            "low on resource",
            id="evicted",
        ),
        pytest.param(
            {
                "initContainerStatuses": [container(ENGINE_KILLED)],
                "containerStatuses": [waiting("ErrImagePull", "not found")],
            },
            Reason.IMAGE_PULL_FAILED,
            "not found",
            id="an-init-container-that-ended-with-0-is-done",
        ),
        pytest.param(
            {"initContainerStatuses": [container({"running": {}}, started=True, ready=False)]},
            Reason.PROGRESSING,
            "is starting",
            id="an-init-container-at-work-fails-no-probe",
        ),
    ],
)
def test_the_cause_of_a_pod_that_is_not_ready(status: dict[str, Any], reason: Reason, words: str) -> None:
    cause = observe_pod(pod(**status)).cause
    assert cause is not None
    assert cause.reason is reason
    assert words in cause.message
    assert "support-llama-7c9-x2k" in cause.message


def test_a_ready_pod_has_no_cause_even_if_it_crashed_once() -> None:
    crashed = container({"running": {}}, lastState=TRACEBACK, started=True) | {"ready": True}
    seen = observe_pod(pod(conditions=[{"type": "Ready", "status": "True"}], containerStatuses=[crashed]))
    assert seen.ready
    assert seen.cause is None


def test_a_long_termination_message_keeps_its_end_where_a_traceback_says_the_cause() -> None:
    long = {"terminated": {"exitCode": 1, "message": "frame\n" * 500 + "RuntimeError: the last line"}}
    cause = observe_pod(pod(containerStatuses=[container(long)])).cause
    assert cause is not None
    assert cause.message.endswith("RuntimeError: the last line")
    assert len(cause.message) < 800


def test_a_pod_was_deleted_before_its_grace_and_leaves_until_it_has_ended() -> None:
    ending = pod(conditions=[{"type": "Ready", "status": "True"}])
    assert not observe_pod(ending).leaving
    ending["metadata"] |= {"deletionTimestamp": "2026-11-01T13:00:15Z", "deletionGracePeriodSeconds": 3615}
    seen = observe_pod(ending)
    assert (seen.leaving, seen.left) == (True, datetime(2026, 11, 1, 12, tzinfo=UTC))


def deployment(fields: dict[str, Any], **status: Any) -> dict[str, Any]:
    metadata = {
        "name": "support-llama",
        "uid": "2",
        "resourceVersion": "9",
        "generation": 3,
        "labels": LABELS,
        "ownerReferences": [
            {"kind": "AIStack", "controller": True, "uid": "uid-of-the-stack", "name": "support"}
        ],
        "managedFields": [
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {}}},
            {"manager": "aistack", "operation": "Apply", "fieldsV1": fields},
        ],
    }
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}, "status": status}


def test_a_field_that_somebody_took_over_changes_the_digest_of_what_we_own() -> None:
    ours: dict[str, Any] = {"f:spec": {"f:replicas": {}, "f:template": {}}}
    taken: dict[str, Any] = {"f:spec": {"f:template": {}}}
    before, after = observe(deployment(ours)), observe(deployment(taken))
    assert before.owned != after.owned
    assert (before.owns_replicas, after.owns_replicas) == (True, False)
    assert before.owner_uid == "uid-of-the-stack"


def test_a_deployment_is_not_current_before_its_controller_saw_the_newest_spec() -> None:
    old = observe(deployment({}, observedGeneration=2, replicas=2, updatedReplicas=2, availableReplicas=2))
    assert old.workload is not None
    assert not old.workload.current


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('pods "x" is forbidden: exceeded quota: gpus, requested: 1', Reason.QUOTA_EXCEEDED),
        ('admission webhook "validate.kyverno.svc" denied the request: no', Reason.ADMISSION_DENIED),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', Reason.ADMISSION_DENIED),
        ('pods "x" is forbidden: error looking up service account', Reason.PODS_NOT_CREATED),
    ],
)
def test_why_pods_can_not_be_created_is_told_apart(message: str, reason: Reason) -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    seen = observe(deployment({}, conditions=[condition]))
    assert seen.workload is not None
    assert seen.workload.failure is not None
    assert seen.workload.failure.reason is reason
    assert message in seen.workload.failure.message


def test_a_volume_claim_is_a_problem_until_it_is_bound() -> None:
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "c", "uid": "3", "resourceVersion": "1"}}
    pending, bound = (
        observe({**claim, "status": {"phase": "Pending"}}),
        observe({**claim, "status": {"phase": "Bound"}}),
    )
    assert pending.problem is not None
    assert pending.problem.reason is Reason.VOLUME_PENDING
    assert bound.problem is None


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "(APIServer pid=1)   File hub.py, line 570\n"
            "(APIServer pid=1) OSError: acme/x is no model.\nTry another.",
            "OSError: acme/x is no model. Try another.",
        ),
        (
            "(EngineCore pid=99) ERROR 11-23 11:00:00 [core.py:1] ValueError: too long\n"
            "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
            "ValueError: too long",
        ),
        (
            "(APIServer pid=1)   File core_client.py, line 682\n"
            "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
            "RuntimeError: Engine core initialization failed. See root cause above.",
        ),
        (
            "WorkerProc failed to start.\nTraceback (most recent call last):\n  File worker.py, line 7\n"
            "torch.OutOfMemoryError: CUDA out of memory.\nTried to allocate 2 GiB.\n"
            "EngineCore failed to start.\nTraceback (most recent call last):\n"
            + "  File core.py\n" * 60
            + "Exception: WorkerProc initialization failed. See stack trace for root cause.",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.; lower contextWindow",
        ),
        ("torch.OutOfMemoryError: CUDA out of memory.", "torch.OutOfMemoryError: CUDA out of memory."),
        (
            "OSError: [Errno 28] No space left on device",
            "OSError: [Errno 28] No space left on device; a volume is full: raise cache.size",
        ),
        ("exec: no such file", "exec: no such file"),
    ],
)
def test_the_last_words_of_a_container_begin_with_its_last_exception(log: str, said: str) -> None:
    ended = {"terminated": {"reason": "Error", "exitCode": 1, "message": log}}
    cause = observe_pod(pod(containerStatuses=[container(ended)])).cause
    assert cause is not None
    assert f"ended with exit code 1: {said}" in cause.message
