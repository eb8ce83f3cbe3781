"""The demonstration on a real node of this machine: `make demo REAL=1`, which needs Linux and root.

The operator runs in the cluster, installed by its chart; the pods run, and in the end a model answers. The
models have the real ones' form and random weights, and the providers are played: the node has no internet.
"""

import json
from pathlib import Path
from typing import Any

from demo.kubectl import Kubectl
from demo.scene import (
    EXAMPLE,
    PRICES,
    ROOT,
    STACK,
    STACK_NAMESPACE,
    run,
    say_what_else,
    show,
    wait_until_ready,
)
from tests.controlplane import providers
from tests.controlplane.errors import CommandFailed, ControlPlaneError
from tests.controlplane.progress import say, step
from tests.controlplane.providers import Provided
from tests.e2e import installation, node, world
from tests.e2e.stacks import client_pod, secrets

READY_WITHIN = 480  # seconds; two vLLMs and a LiteLLM start on a small machine
QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "Hello?"}], "max_tokens": 16}


def up(folder: Path) -> None:
    """Brings everything up, shows it, and asks. Done again, it upgrades the operator to what is here."""
    if providers.provided(folder) and not (folder / node.NAME).exists():
        raise ControlPlaneError("a demonstration without a node is up; end it first: make demo-down")
    cluster = world.up(folder).cluster
    kubectl = Kubectl.of(Provided("built", str(cluster.kubeconfig)))
    with step(f"applying {PRICES} and {EXAMPLE}"):
        kubectl.apply(ROOT / PRICES, ROOT / EXAMPLE)
        place = {"namespace": STACK_NAMESPACE}
        objects = [client_pod(), *secrets()]
        kubectl.apply_objects(*({**each, "metadata": {**each["metadata"], **place}} for each in objects))
    with step(f"bringing {STACK} to Ready"):
        wait_until_ready(kubectl, READY_WITHIN, lambda: installation.unready(cluster))
    show(kubectl)
    for stream in (False, True):
        _ask(kubectl, {**QUESTION, "stream": stream})
    say("\nThe answers make no sense: the models' weights are random. That they come is what is shown.")
    logs = f"kubectl logs -f -n {installation.NAMESPACE} deployment/aistack-controller"
    say_what_else(kubectl, logs)


def _ask(kubectl: Kubectl, body: dict[str, Any]) -> None:
    """CommandFailed when no answer comes."""
    url = f"http://{STACK}-gateway/v1/chat/completions"
    curl = ["curl", "--silent", "--show-error", "--fail-with-body", url, "--json", json.dumps(body)]
    if run(kubectl, str(kubectl.program), "exec", f"--namespace={STACK_NAMESPACE}", "client", "--", *curl):
        raise CommandFailed("the gateway gave no answer")
