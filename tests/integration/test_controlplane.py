"""The control plane that the other tests stand on behaves as a Kubernetes does."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import CommandFailed, ControlPlane, control_plane, local_service
from tests.controlplane.cluster import READY_WITHIN, start
from tests.controlplane.errors import StartFailed
from tests.controlplane.process import noted

RUNNING = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


def until(answer: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Asks until it is so, at most for so many seconds."""
    deadline = time.monotonic() + seconds
    while not answer():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def apply(cluster: ControlPlane, namespace: str, *objects: dict[str, Any]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(listed))


def get(cluster: ControlPlane, namespace: str, kind: str, name: str, path: str) -> str:
    return cluster.kubectl("get", kind, name, "-n", namespace, f"-o=jsonpath={{{path}}}")


def pod(name: str, image: str = "vllm:1", accelerators: int = 1, **metadata: Any) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(accelerators)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}, **metadata},
        "spec": {"containers": [{"name": "model", "image": image, "resources": {"limits": limits}}]},
    }


def deployment(name: str, replicas: int) -> dict[str, Any]:
    template = pod(name)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": template["metadata"] | {"name": None}, "spec": template["spec"]},
        },
    }


def test_the_nodes_are_ready_and_hold_accelerators(cluster: ControlPlane) -> None:
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o=json"))["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["gpu-0", "gpu-1"]
    for node in nodes:
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "8"
        assert node["metadata"]["labels"]["aistack.dev/accelerator"] == "nvidia-l4"
        assert {"type": "Ready", "status": "True"}.items() <= node["status"]["conditions"][0].items()


def test_a_deployment_with_accelerators_becomes_ready(cluster: ControlPlane, namespace: str) -> None:
    apply(cluster, namespace, deployment("llama", replicas=3))
    cluster.kubectl("rollout", "status", "deployment/llama", "-n", namespace, "--timeout=60s")
    assert get(cluster, namespace, "deployment", "llama", ".status.availableReplicas") == "3"


def test_a_pod_that_asks_for_too_much_waits_with_the_schedulers_words(
    cluster: ControlPlane, namespace: str
) -> None:
    apply(cluster, namespace, pod("greedy", accelerators=9))
    reason = '.status.conditions[?(@.type=="PodScheduled")].message'
    assert until(lambda: "2 Insufficient nvidia.com/gpu" in get(cluster, namespace, "pod", "greedy", reason))


def test_an_image_under_invalid_is_never_pulled(cluster: ControlPlane, namespace: str) -> None:
    apply(cluster, namespace, pod("missing", image="registry.invalid/vllm:1"))
    reason = ".status.containerStatuses[0].state.waiting.reason"
    assert until(lambda: get(cluster, namespace, "pod", "missing", reason) == "ImagePullBackOff")
    assert get(cluster, namespace, "pod", "missing", ".status.phase") == "Pending"


def test_a_status_that_a_test_writes_stays(cluster: ControlPlane, namespace: str) -> None:
    apply(cluster, namespace, pod("crashing"))
    assert until(lambda: get(cluster, namespace, "pod", "crashing", ".status.phase") == "Running")
    waiting = {"name": "model", "image": "vllm:1", "imageID": "", "ready": False, "restartCount": 4}
    waiting["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    not_ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    cluster.set_pod_status(namespace, "crashing", {"conditions": [not_ready], "containerStatuses": [waiting]})
    cluster.kubectl("annotate", "pod", "crashing", "-n", namespace, "touched=yes")
    time.sleep(1)  # what kwok would do to it, it would have done by now
    reason = ".status.containerStatuses[0].state.waiting.reason"
    assert get(cluster, namespace, "pod", "crashing", reason) == "CrashLoopBackOff"


def test_a_held_pod_stays_pending(cluster: ControlPlane, namespace: str) -> None:
    apply(cluster, namespace, pod("held", annotations={"aistack.dev/hold": "yes"}), pod("free"))
    assert until(lambda: get(cluster, namespace, "pod", "free", ".status.phase") == "Running")
    assert until(lambda: get(cluster, namespace, "pod", "held", ".spec.nodeName") != "")
    assert get(cluster, namespace, "pod", "held", ".status.phase") == "Pending"


def test_a_claim_is_bound(cluster: ControlPlane, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cache"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    apply(cluster, namespace, claim)
    assert until(lambda: get(cluster, namespace, "pvc", "cache", ".status.phase") == "Bound")


def test_an_autoscaler_finds_what_it_scales(cluster: ControlPlane, namespace: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama"}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "llama"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3},
    }
    apply(cluster, namespace, deployment("llama", replicas=1), autoscaler)
    able = '.status.conditions[?(@.type=="AbleToScale")].reason'
    assert until(
        lambda: get(cluster, namespace, "hpa", "llama", able) in {"SucceededGetScale", "ReadyForNewScale"}
    )


class Refuses(BaseHTTPRequestHandler):
    """A webhook that allows nothing."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = {"code": 403, "message": "not on a Sunday"}
        answer = {"uid": review["request"]["uid"], "allowed": False, "status": status}
        body = json.dumps({**review, "request": None, "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name for it
        """Says nothing."""


@pytest.fixture
def refusing_port(cluster: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[int]:
    """The port of a webhook that refuses everything, with the certificate of the Service `webhook`."""
    paths = cluster.authority.service("webhook", namespace).write(tmp_path, "webhook")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*paths)
    server = HTTPServer(("127.0.0.1", 0), Refuses)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_on_this_machine_is_called_through_its_service(
    cluster: ControlPlane, namespace: str, refusing_port: int
) -> None:
    service = {"name": "webhook", "namespace": namespace, "path": "/validate", "port": refusing_port}
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "refuses.aistack.dev",
                "clientConfig": {"service": service, "caBundle": cluster.authority.bundle},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["configmaps"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    apply(cluster, namespace, local_service("webhook", namespace), configuration)
    try:
        answers: list[str] = []

        def refused() -> bool:
            name = f"try-{len(answers)}"
            answers.append(cluster.kubectl("create", "configmap", name, "-n", namespace, check=False))
            return "denied the request" in answers[-1]

        assert until(refused), answers
        assert 'admission webhook "refuses.aistack.dev" denied the request: not on a Sunday' in answers[-1]
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", namespace)


def test_the_audit_log_counts_the_requests_of_one_user(cluster: ControlPlane, namespace: str) -> None:
    user = "system:serviceaccount:aistack-system:aistack-controller"
    config = cluster.kubeconfig_for(user, ("system:masters",))
    mark = cluster.audit.mark()
    for name in ("a", "b"):
        cluster.kubectl(f"--kubeconfig={config}", "create", "configmap", name, "-n", namespace)
    cluster.kubectl("delete", "configmap", "a", "-n", namespace)
    writes = [request for request in cluster.audit.requests(since=mark, user=user) if request.is_write]
    assert [(each.verb, each.resource, each.name, each.code) for each in writes] == [
        ("create", "configmaps", "a", 201),
        ("create", "configmaps", "b", 201),
    ]
    (deletion,) = cluster.audit.requests(
        since=mark, verb="delete", resource="configmaps", namespace=namespace
    )
    assert deletion.user == "administrator"


def test_another_user_may_do_only_what_its_groups_may(cluster: ControlPlane, namespace: str) -> None:
    config = cluster.kubeconfig_for("nobody", ("guests",))
    with pytest.raises(CommandFailed, match='User "nobody" cannot list resource "pods"'):
        cluster.kubectl(f"--kubeconfig={config}", "get", "pods", "-n", namespace)


def test_a_process_that_ends_by_itself_is_named_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: ControlPlane
) -> None:
    broken = tmp_path / "assets/kube-apiserver"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'no disk today' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(broken.parent))
    began = time.monotonic()
    with pytest.raises(StartFailed, match=r"kube-apiserver has ended; .*kube-apiserver.log:\nno disk today"):
        start(tmp_path / "broken")
    assert time.monotonic() - began < READY_WITHIN / 2, "what has ended is not waited for"
    assert not (tmp_path / "broken/processes.json").exists()
    cluster.check()


def command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.controlplane", *arguments]
    return subprocess.run(argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)


def test_what_up_started_is_seen_and_ended_by_other_commands(tmp_path: Path) -> None:
    here = ["--dir", str(tmp_path / "demo")]
    up = command_line("up", "--nodes", "1", *here)
    assert up.returncode == 0, up.stderr
    processes = noted(tmp_path / "demo/processes.json")
    try:
        status, env = command_line("status", *here), command_line("env", *here)
        assert (status.returncode, env.returncode) == (0, 0)
        assert [each.name for each in processes] == list(RUNNING)
        assert all(
            f"{each.name:24} pid {each.pid}, port {each.port}, up" in status.stdout for each in processes
        )
        assert env.stdout.startswith(f"export KUBECONFIG={tmp_path}/demo/kubeconfig\nexport PATH=")
        os.kill(processes[-1].pid, signal.SIGKILL)
        assert until(lambda: not processes[-1].running())
        status = command_line("status", *here)
        assert (status.returncode, "kwok                     ended, see" in status.stdout) == (1, True)
        again = command_line("up", "--nodes", "1", *here)
        assert (again.returncode, "has ended; starting anew" in again.stderr) == (0, True)
        assert [each.name for each in processes if each.running()] == []
        processes = noted(tmp_path / "demo/processes.json")
    finally:
        assert command_line("down", *here).returncode == 0
    assert [each.name for each in processes if each.running()] == []
    assert not (tmp_path / "demo").exists()


def test_a_temporary_control_plane_leaves_no_process_and_no_file() -> None:
    with control_plane(nodes=0) as temporary:
        assert temporary.client.get("/readyz") == "ok"
    assert [each.name for each in temporary.processes if each.running()] == []
    assert not temporary.folder.exists()
