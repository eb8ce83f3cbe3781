"""A model goes to zero when nobody asks for it and starts for a request, on a real API server.

The pods exist in the API only; a stand-in for the loader of the gateway's pod says who asks.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import controllers
from tests.answering import answering
from tests.controllers import Stacks, eventually
from tests.stacks import hosted, stack

ADDRESS = "127.0.90.2"
WAITING = "cluster.waiting-llama.upstream_rq_active"
GATEWAY = {"replicas": {"min": 1, "max": 1}}


@dataclass
class Loader:
    """Says how many requests wait."""

    waiting: int = 0


@pytest.fixture
def loader() -> Iterator[Loader]:
    said = Loader()
    with answering(ADDRESS, 9902, "/demand", lambda: json.dumps({WAITING: said.waiting})):
        yield said


def seldom(to_zero_after: str | None = None, **spec: Any) -> dict[str, Any]:
    scaling = {"min": 0, **({"toZeroAfter": to_zero_after} if to_zero_after else {})}
    return stack(models=[hosted(scaling=scaling)], gateway=GATEWAY, **spec)


def replicas(stacks: Stacks) -> int:
    return int(stacks.get("deployment", "support-llama")["spec"]["replicas"])


def row(stacks: Stacks) -> tuple[bool, str]:
    rows = stacks.get("aistack", "support")["status"]["components"]
    found = next(each for each in rows if each["name"] == "model/llama")
    return found["ready"], found["reason"]


def listen(stacks: Stacks) -> None:
    """The gateway's pod is where the stand-in is."""
    selector = "--selector=app.kubernetes.io/name=gateway"
    name = stacks.cluster.kubectl("get", "pods", f"--namespace={stacks.namespace}", selector, "--output=name")
    status = json.dumps({"status": {"podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}})
    place = (f"--namespace={stacks.namespace}", "--subresource=status", "--type=merge")
    stacks.cluster.kubectl("patch", name.strip(), *place, f"--patch={status}")


def test_a_model_is_at_zero_unless_somebody_asks_for_it_and_a_restart_changes_nothing(
    stacks: Stacks, loader: Loader, tmp_path: Path
) -> None:
    with controllers.controller(stacks.cluster, tmp_path, "first"):
        stacks.apply(seldom())
        stacks.wait_ready("support")
        assert replicas(stacks) == 0
        assert row(stacks) == (True, "AtZero")
        listen(stacks)
        loader.waiting = 1
        eventually(lambda: row(stacks) == (True, "Ready"), "a request has started it")
        assert replicas(stacks) == 1
        loader.waiting = 0
    with controllers.controller(stacks.cluster, tmp_path, "second") as process:
        mark = stacks.cluster.audit.mark()
        stacks.apply(seldom("2s"))
        eventually(lambda: row(stacks) == (True, "AtZero"), "nobody asks for it any more", process)
        assert replicas(stacks) == 0
        assert stacks.condition("support")["status"] == "True"
        written = [
            item.resource
            for item in stacks.cluster.audit.requests(mark, user=controllers.USER, namespace=stacks.namespace)
            if item.is_write and not item.subresource
        ]
        assert written.count("deployments") == 1, "after the restart it ran on"
        loader.waiting = 1
        eventually(lambda: replicas(stacks) == 1, "the next request starts it again", process)

        stacks.apply(seldom(suspend=True))
        stacks.wait_reason("support", "Suspended")
        assert replicas(stacks) == 0, "who waits wakes nothing that is suspended"
        loader.waiting = 0
        stacks.apply(seldom())
        stacks.wait_ready("support")
        assert row(stacks) == (True, "AtZero")
