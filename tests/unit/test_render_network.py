"""A stack's pods talk to whom the stack declares, and to nobody else."""

from typing import Any

from aistack.kinds import Manifest
from aistack.labels import STACK_LABEL
from aistack.render.network import PRIVATE_IPV4, dns_egress, internet_egress, network_policies
from tests.stacks import hosted, resolved


def policies(**spec: Any) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each["spec"] for each in network_policies(resolved(**spec))}


def test_by_default_nothing_comes_in_and_nothing_goes_out() -> None:
    assert policies()["support"] == {
        "podSelector": {"matchLabels": {STACK_LABEL: "support"}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_a_model_is_reached_by_its_own_stack_the_operator_and_who_may_read_metrics() -> None:
    (ingress,) = policies()["support-llama"]["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": 8000}]
    *callers, operator, scrapers = ingress["from"]
    assert operator["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "controller"
    assert operator["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "aistack-system"}}
    assert all(peer["podSelector"]["matchLabels"][STACK_LABEL] == "support" for peer in callers)
    assert scrapers == {"namespaceSelector": {"matchLabels": {"aistack.dev/metrics": "true"}}}
    assert all("namespaceSelector" not in peer for peer in callers)


def test_a_model_from_the_hub_may_download_itself_and_no_more() -> None:
    assert policies()["support-llama"]["egress"] == [dns_egress(), internet_egress()]


def test_a_model_on_a_claim_may_call_nobody() -> None:
    assert policies(models=[hosted(source="pvc://weights")])["support-llama"]["egress"] == []


def test_the_internet_is_not_the_cluster_nor_the_clouds_metadata() -> None:
    ipv4, ipv6 = (peer["ipBlock"] for peer in internet_egress()["to"])
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(ipv4["except"]) == set(PRIVATE_IPV4)
    assert "fc00::/7" in ipv6["except"]
    assert internet_egress()["ports"] == [{"protocol": "TCP", "port": 443}]
