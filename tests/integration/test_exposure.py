"""The endpoint's way out of the cluster, on a real API server: made, said, changed, taken back."""

from typing import Any

import pytest

from tests.controllers import Stacks, eventually
from tests.stacks import stack

pytestmark = pytest.mark.usefixtures("controller")


def exposed(**expose: Any) -> dict[str, Any]:
    client = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}}
    return stack(gateway={"expose": expose, "clients": [client]})


def endpoints(stacks: Stacks) -> dict[str, str]:
    found: dict[str, str] = stacks.get("aistack", "support")["status"]["endpoints"]
    return found


def test_an_ingress_comes_changes_and_goes_with_the_spec(stacks: Stacks) -> None:
    stacks.apply(exposed(type="Ingress", host="ai.example.com", tlsSecretName="tls"))
    stacks.wait_ready("support")
    assert endpoints(stacks)["public"] == "https://ai.example.com/v1"
    made = stacks.get("ingress", "support-gateway")
    assert made["spec"]["rules"][0]["host"] == "ai.example.com"
    assert made["spec"]["tls"] == [{"hosts": ["ai.example.com"], "secretName": "tls"}]

    stacks.apply(exposed(type="Ingress", host="chat.example.com"))
    eventually(
        lambda: endpoints(stacks)["public"] == "http://chat.example.com/v1", "the status says the new host"
    )
    changed = stacks.get("ingress", "support-gateway")
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert "tls" not in changed["spec"]

    stacks.apply(exposed(type="ClusterIP"))
    eventually(lambda: "public" not in endpoints(stacks), "the status says no public endpoint")
    eventually(lambda: ("Ingress", "support-gateway") not in stacks.children(), "the Ingress is gone")
    assert "gateway" in endpoints(stacks)
