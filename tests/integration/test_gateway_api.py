"""A Gateway publishes a stack, on a real API server with the Gateway API's own definition of an HTTPRoute.

No controller of a Gateway runs here: what it would say of the route, the test says.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import controllers
from tests.controllers import Stacks
from tests.controlplane import ControlPlane
from tests.stacks import stack


def published() -> dict[str, Any]:
    expose = {"type": "Gateway", "host": "ai.example.com", "gatewayRef": {"name": "public"}}
    client = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}}
    return stack(gateway={"expose": expose, "clients": [client]})


@pytest.fixture
def gateway_api(installed: ControlPlane) -> Iterator[ControlPlane]:
    with controllers.gateway_api(installed):
        yield installed


def say(stacks: Stacks, status: str, reason: str, message: str) -> None:
    """What a Gateway's controller writes."""
    accepted = {
        "type": "Accepted",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-01T10:00:00Z",
    }
    parent = {
        "parentRef": {"name": "public"},
        "controllerName": "example.com/a",
        "conditions": [accepted],
    }
    stacks.cluster.kubectl(
        "patch",
        "httproute",
        "support-gateway",
        f"--namespace={stacks.namespace}",
        "--subresource=status",
        "--type=merge",
        f"--patch={json.dumps({'status': {'parents': [parent]}})}",
    )


def exposed(stacks: Stacks) -> tuple[str, str]:
    found = stacks.condition("support", "Exposed")
    return str(found.get("status")), str(found.get("reason"))


def test_what_the_gateway_says_of_its_route_is_in_the_status(
    gateway_api: ControlPlane, stacks: Stacks, tmp_path: Path
) -> None:
    with controllers.controller(gateway_api, tmp_path):
        stacks.apply(published())
        stacks.wait_ready("support")
        assert exposed(stacks) == ("False", "RouteNotAccepted")
        say(stacks, "False", "NotAllowedByListeners", "this namespace may not")
        controllers.eventually(
            lambda: "this namespace may not" in stacks.condition("support", "Exposed")["message"],
            "the Gateway's words are in the status",
        )
        say(stacks, "True", "Accepted", "")
        controllers.eventually(lambda: exposed(stacks) == ("True", "Ready"), "the Gateway publishes it")
        assert (
            stacks.get("aistack", "support")["status"]["endpoints"]["public"] == "https://ai.example.com/v1"
        )

        stacks.apply(stack())
        controllers.eventually(lambda: not stacks.get("httproute", "support-gateway"), "the route is gone")
        assert stacks.condition("support", "Exposed") == {}


def test_without_the_gateway_api_the_stack_runs_and_says_what_is_missing(
    installed: ControlPlane, stacks: Stacks, tmp_path: Path
) -> None:
    with controllers.controller(installed, tmp_path):
        stacks.apply(published())
        stacks.wait_ready("support")
        assert exposed(stacks) == ("False", "GatewayApiMissing")
        assert "ai.example.com" in stacks.condition("support", "Exposed")["message"]
