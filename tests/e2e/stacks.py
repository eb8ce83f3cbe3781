"""A stack as its user has it: apply it, ask it, look at its status, break its parts."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane import CommandFailed, ControlPlane
from tests.controlplane.progress import step
from tests.e2e import files
from tests.e2e.internet import PROVIDER_KEY, TOKEN

CLIENT = Path(__file__).parent / "client.py"
READY_WITHIN = 240.0  # seconds; vLLM takes 50 to 70 of them on two cores
GONE_WITHIN = 300.0  # seconds
Answer = dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """One AIStack and a client in its namespace."""

    cluster: ControlPlane
    namespace: str
    name: str

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        where = f"--namespace={self.namespace}"
        return self.cluster.kubectl(where, *arguments, input=stdin, check=check)

    def apply(self, manifest: dict[str, Any]) -> None:
        self.kubectl(
            "apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(manifest)
        )

    def patch(self, spec: dict[str, Any]) -> None:
        self.kubectl("patch", "aistack", self.name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def conditions(self) -> dict[str, dict[str, str]]:
        """By their type."""
        stack = json.loads(self.kubectl("get", "aistack", self.name, "--output=json"))
        return {each["type"]: each for each in stack.get("status", {}).get("conditions", [])}

    def ready(self) -> dict[str, str]:
        """The condition Ready; empty while there is none."""
        return self.conditions().get("Ready", {})

    def is_ready(self) -> bool:
        return self.ready().get("status") == "True"

    def wait_until_ready(self, within: float = READY_WITHIN) -> None:
        with step(f"{self.name} becomes Ready"):
            eventually(self.is_ready, lambda: f"{self.name} is Ready; it is {self.story()}", within)

    def ask(self, model: str, **wish: Any) -> Answer:
        """One request through the gateway; `wish` may hold stream, key, and path (embeddings)."""
        with CLIENT.open() as program:
            argv = self._client(model, seconds=0, concurrency=1, **wish)
            done = subprocess.run(argv, stdin=program, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"the client: {done.stderr.strip()}")
        return _answers(done.stdout)[0]

    @contextmanager
    def load(self, model: str, seconds: float, **wish: Any) -> Iterator[list[Answer]]:
        """Two clients ask without a pause while the body runs; the answers are there when it is left."""
        answers: list[Answer] = []
        argv = self._client(model, **{"seconds": seconds, "concurrency": 2, **wish})
        with CLIENT.open() as program:
            asking = subprocess.Popen(argv, stdin=program, stdout=subprocess.PIPE, text=True)
        try:
            yield answers
            written, _ = asking.communicate(timeout=seconds + 120)
            answers += _answers(written)
        finally:
            asking.kill()
            asking.wait()

    def story(self) -> str:
        """Conditions, pods and their last words: for the message of a failed wait."""
        shown = [
            self.kubectl("get", "aistack,pods", "--output=wide", check=False),
            *(
                f"{each['type']}={each['status']} {each.get('message', '')}"
                for each in self.conditions().values()
            ),
            self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)[-3000:],
        ]
        pods = [pod for pod in self.kubectl("get", "pods", "--output=name").split() if "client" not in pod]
        logs = ("--all-containers", "--prefix", "--tail=15")
        shown += [self.kubectl("logs", pod, *logs, check=False) for pod in pods]
        return "\n".join(shown)

    def _client(self, model: str, *, path: str = "chat/completions", **wish: Any) -> list[str]:
        url = f"http://{self.name}-gateway/v1/{path}"
        whole = {"url": url, "model": model, "stream": False, "key": "", **wish}
        kubectl = [str(self.cluster.programs["kubectl"]), f"--kubeconfig={self.cluster.kubeconfig}"]
        where = [f"--namespace={self.namespace}", "--stdin", "client", "--"]
        return [*kubectl, "exec", *where, "python3", "-", json.dumps(whole)]


def _answers(written: str) -> list[Answer]:
    """What the client wrote, all of it: a connection that broke must not hide an answer that failed."""
    *answers, end = [json.loads(line) for line in written.splitlines()] or [{}]
    assert end == {"answers": len(answers)}, f"the client's output broke off after {len(answers)} answers"
    return answers


def eventually(holds: Callable[[], bool], what: Callable[[], str], within: float) -> float:
    """How long it took, in seconds. AssertionError, with what is then so, when it takes too long."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within, f"not after {within:.0f} s: {what()}"
        time.sleep(0.5)
    return time.monotonic() - began


def example(name: str) -> dict[str, Any]:
    """The AIStack of examples/<name>.yaml, without its namespace."""
    path = Path(__file__).parents[2] / "examples" / f"{name}.yaml"
    stack: dict[str, Any] = next(
        each for each in yaml.safe_load_all(path.read_text()) if each["kind"] == "AIStack"
    )
    stack["metadata"].pop("namespace", None)
    return stack


@contextmanager
def namespace(cluster: ControlPlane, name: str) -> Iterator[None]:
    """A namespace with a client's pod in it, and the Secrets that the examples name."""
    cluster.client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    listed = {"apiVersion": "v1", "kind": "List", "items": [client_pod(), *secrets()]}
    where = f"--namespace={name}"
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    cluster.wait(f"{name} has its ServiceAccount", lambda: bool(cluster.client.get(account)))
    cluster.kubectl("apply", where, "--filename=-", input=json.dumps(listed))
    try:
        cluster.kubectl("wait", where, "--for=condition=Ready", "pod/client", "--timeout=60s")
        yield
    finally:
        with step(f"the namespace {name} ends"):  # pods finish what they serve, a minute and more
            cluster.kubectl("delete", "namespace", name, "--wait=false")
            eventually(
                lambda: not cluster.kubectl("get", "namespace", name, "--ignore-not-found"), str, GONE_WITHIN
            )


def client_pod() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "client",
                    "image": files.CLIENT,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "infinity"],
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                }
            ],
        },
    }


def secrets() -> list[dict[str, Any]]:
    """The keys of the hub and of the providers."""
    keys = {"hf": {"token": TOKEN}, "anthropic": {"key": PROVIDER_KEY}, "openai": {"key": PROVIDER_KEY}}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        for name, data in keys.items()
    ]
