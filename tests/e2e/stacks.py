"""A stack as its user has it: apply it, ask it, look at its status, break its parts."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aistack.kinds import CHILD_KINDS, OPTIONAL_KINDS
from tests.controlplane import ControlPlane
from tests.controlplane.progress import step
from tests.e2e import files
from tests.e2e.internet import PROVIDER_KEY, TOKEN
from tests.e2e.load import Answer, Load, load, once
from tests.e2e.watch import Written, watch

CLIENT = Path(__file__).parent / "client.py"
READY_WITHIN = 420.0  # seconds; vLLM takes 30 to 60 on two cores of its own, three times as long on busy ones
GONE_WITHIN = 300.0  # seconds
PATIENCE = 90.0  # seconds that a client waits for an answer
GATEWAY_PORT = 8080
LONGEST_LINE = 400  # characters of what is shown when something fails
KINDS = ",".join(sorted({kind.plural for kind in CHILD_KINDS if kind not in OPTIONAL_KINDS} | {"pods"}))


@dataclass(frozen=True)
class Pod:
    """`restarts` is how often its containers were started again; one that leaves may still serve."""

    uid: str
    address: str
    restarts: int
    leaves: bool

    @classmethod
    def of(cls, pod: dict[str, Any]) -> "Pod":
        meta, status = pod["metadata"], pod["status"]
        restarts = sum(each["restartCount"] for each in status.get("containerStatuses", []))
        return cls(meta["uid"], status.get("podIP", ""), restarts, "deletionTimestamp" in meta)


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
        """Makes it exactly this, whatever else was patched into it before."""
        there = self.kubectl("get", "aistack", manifest["metadata"]["name"], "--ignore-not-found")
        self.kubectl("replace" if there else "create", "--filename=-", stdin=json.dumps(manifest))

    def patch(self, spec: dict[str, Any]) -> None:
        self.kubectl("patch", "aistack", self.name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def client_key(self, name: str, key: str) -> dict[str, Any]:
        """Makes a client's key, or changes it; what a gateway's spec says of it."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": {"key": key},
        }
        self.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(secret))
        return {"name": name, "secretKeyRef": {"name": name, "key": "key"}}

    def read(self) -> dict[str, Any]:
        """The object as it is now."""
        stack: dict[str, Any] = json.loads(self.kubectl("get", "aistack", self.name, "--output=json"))
        return stack

    def conditions(self) -> dict[str, dict[str, Any]]:
        """By their type."""
        return {each["type"]: each for each in self.read().get("status", {}).get("conditions", [])}

    def ready(self) -> dict[str, Any]:
        """The condition Ready; empty while there is none."""
        return self.conditions().get("Ready", {})

    def is_ready(self) -> bool:
        """And not only with an earlier spec."""
        stack = self.read()
        conditions = {each["type"]: each for each in stack.get("status", {}).get("conditions", [])}
        ready = conditions.get("Ready", {})
        generation = stack["metadata"]["generation"]
        return (ready.get("status"), ready.get("observedGeneration")) == ("True", generation)

    def objects(self, kinds: str = KINDS) -> list[str]:
        """What there is of it."""
        selector = f"--selector=aistack.dev/stack={self.name}"
        return self.kubectl("get", kinds, selector, "--output=name").split()

    def pods(self, part: str) -> dict[str, Pod]:
        """A part's pods by their names, those that leave too: `gateway`, `adapter`, or a model's name."""
        selector = f"--selector=aistack.dev/stack={self.name},app.kubernetes.io/name={part}"
        found = json.loads(self.kubectl("get", "pods", selector, "--output=json"))["items"]
        return {pod["metadata"]["name"]: Pod.of(pod) for pod in found}

    def replicas(self, part: str) -> dict[str, Pod]:
        """A part's pods that stay."""
        return {name: pod for name, pod in self.pods(part).items() if not pod.leaves}

    def watched(self) -> AbstractContextManager[Written]:
        """Its condition Ready, each time it is written while the body runs: also what is soon over."""
        ready = "--output=jsonpath={.status.conditions[?(@.type=='Ready')]}{'\\n'}"
        return watch([*self._kubectl("get", "aistack", self.name, "--watch"), ready])

    def wait_until_ready(self, within: float = READY_WITHIN) -> None:
        with step(f"{self.name} becomes Ready"):
            eventually(self.is_ready, lambda: f"{self.name} is Ready; it is {self.story()}", within)

    def ask(self, model: str, **wish: Any) -> Answer:
        """One request through the gateway; `wish` may hold text, stream, key, patience, path (embeddings) and
        the address of the replica that is asked, `of`.
        """
        return once(self._client(model, **wish))

    def load(self, model: str, **wish: Any) -> AbstractContextManager[Load]:
        """Two clients ask again and again while the body runs."""
        return load(self._client(model, "--stdin", **{"clients": 2, **wish}))

    def story(self) -> str:
        """Conditions, pods and their last words: for the message of a failed wait."""
        events = ("get", "events", "--sort-by=.lastTimestamp", "--field-selector=type=Warning")
        logs = (
            "logs",
            f"--selector=aistack.dev/stack={self.name}",
            "--all-containers",
            "--prefix",
            "--tail=5",
        )
        words = [
            self.kubectl("get", "aistack,pods", "--output=wide", check=False),
            *(f"{kind}={each['status']} {each['message']}" for kind, each in self.conditions().items()),
            self.kubectl(*events, check=False)[-2000:],
            self.kubectl(*logs, "--max-log-requests=20", check=False),
        ]
        return "\n".join(line[:LONGEST_LINE] for text in words for line in text.splitlines())

    def _client(
        self, model: str, *options: str, path: str = "chat/completions", of: str | None = None, **wish: Any
    ) -> list[str]:
        host = f"{of}:{GATEWAY_PORT}" if of is not None else f"{self.name}-gateway"
        url = f"http://{host}/v1/{path}"
        whole = {"url": url, "model": model, "stream": False, "key": "", "text": "Hello?"}
        whole |= {"clients": 1, "patience": PATIENCE, **wish}
        python = ["python3", "-c", CLIENT.read_text(), json.dumps(whole)]
        return [*self._kubectl("exec", *options, "client", "--"), *python]

    def _kubectl(self, *arguments: str) -> list[str]:
        """The command line of what runs beside the scenario."""
        program = [str(self.cluster.programs["kubectl"]), f"--kubeconfig={self.cluster.kubeconfig}"]
        return [*program, f"--namespace={self.namespace}", *arguments]


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
    """A namespace with a client's pod in it, and the Secrets that the examples name.

    It ends by itself afterwards: its pods finish what they serve, a minute and more.
    """
    earlier = ("get", "namespace", name, "--ignore-not-found")
    with step(f"the namespace {name} is there"):
        eventually(lambda: not cluster.kubectl(*earlier), lambda: f"the earlier {name} is gone", GONE_WITHIN)
        cluster.client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        listed = {"apiVersion": "v1", "kind": "List", "items": [client_pod(), *secrets()]}
        where = f"--namespace={name}"
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        cluster.wait(f"{name} has its ServiceAccount", lambda: bool(cluster.client.get(account)))
        cluster.kubectl("apply", where, "--filename=-", input=json.dumps(listed))
        cluster.kubectl("wait", where, "--for=condition=Ready", "pod/client", "--timeout=60s")
    try:
        yield
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


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
