"""Limits over all replicas, on a real API server: their parts come, are told of, and go with the limits."""

from typing import Any

import pytest

from tests.controllers import Stacks, eventually
from tests.stacks import stack

pytestmark = pytest.mark.usefixtures("controller")

PARTS = {"support-ratelimit", "support-redis"}


def limited(**limits: int) -> dict[str, Any]:
    client = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}, **limits}
    return stack(gateway={"limitScope": "Global", "clients": [client]})


def deployments(stacks: Stacks) -> set[str]:
    return {name for kind, name in stacks.children() if kind == "Deployment"}


def test_the_parts_that_count_come_and_go_with_the_limits(stacks: Stacks) -> None:
    stacks.apply(limited(tokensPerMinute=1000))
    stacks.wait_ready("support")
    rows = {row["name"]: row["ready"] for row in stacks.get("aistack", "support")["status"]["components"]}
    assert rows == {"model/llama": True, "gateway": True, "ratelimit": True, "redis": True}
    assert deployments(stacks) > PARTS

    stacks.apply(limited())
    eventually(lambda: not deployments(stacks) & PARTS, "nothing counts any more")


def test_a_suspended_stack_counts_nothing(stacks: Stacks) -> None:
    running = limited(requestsPerMinute=5)
    stacks.apply({**running, "spec": {**running["spec"], "suspend": True}})
    stacks.wait_reason("support", "Suspended")
    for part in PARTS:
        assert stacks.get("deployment", part)["spec"]["replicas"] == 0
