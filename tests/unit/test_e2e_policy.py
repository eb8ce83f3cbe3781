"""NetworkPolicies as nftables rules: what passes and what doesn't, in the words that nft is given."""

from typing import Any

from tests.e2e.policy import ruleset, selects

NAMESPACES = [
    {"metadata": {"name": "care", "labels": {"kubernetes.io/metadata.name": "care"}}},
    {"metadata": {"name": "other", "labels": {"kubernetes.io/metadata.name": "other"}}},
]


def pod(name: str, address: str, namespace: str = "care", **labels: str) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 8000}]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"ports": ports}]},
        "status": {"podIP": address, "phase": "Running"},
    }


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "policy", "namespace": "care"}, "spec": {"podSelector": {}, **spec}}


MODEL, FRONT = pod("model", "10.0.0.1", app="model"), pod("front", "10.0.0.2", app="front")
STRANGER = pod("stranger", "10.0.0.3", namespace="other", app="front")
PODS = [MODEL, FRONT, STRANGER]


def chain(text: str, name: str) -> list[str]:
    """The rules of one chain."""
    lines = text.partition(f"chain {name} {{")[2].partition("}\n  chain")[0].splitlines()
    return [line.strip() for line in lines if line.strip(" }")]


def test_without_policies_nothing_is_filtered() -> None:
    assert "chain" not in ruleset(PODS, NAMESPACES, [])


def test_default_deny_drops_both_ways_and_touches_no_other_namespace() -> None:
    text = ruleset(PODS, NAMESPACES, [policy(policyTypes=["Ingress", "Egress"])])
    assert chain(text, "ingress_10_0_0_1") == ["counter drop"]
    assert chain(text, "egress_10_0_0_2") == ["counter drop"]
    assert "10_0_0_3" not in text


def test_a_peer_without_a_namespace_selector_is_in_the_policys_own_namespace() -> None:
    front = {"podSelector": {"matchLabels": {"app": "front"}}}
    rule = {"from": [front], "ports": [{"port": 8000}]}
    text = ruleset(PODS, NAMESPACES, [policy(ingress=[rule])])
    assert chain(text, "ingress_10_0_0_1") == ["ip saddr 10.0.0.2 tcp dport 8000 accept", "counter drop"]


def test_a_port_by_name_is_the_listening_pods() -> None:
    model = {"podSelector": {"matchLabels": {"app": "model"}}}
    rule = {"to": [model], "ports": [{"port": "http"}]}
    text = ruleset(PODS, NAMESPACES, [policy(policyTypes=["Egress"], egress=[rule])])
    assert "ip daddr 10.0.0.1 tcp dport 8000 return" in chain(text, "egress_10_0_0_2")


def test_the_internet_is_every_address_but_the_exceptions() -> None:
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}
    rule = {"to": [block, {"ipBlock": {"cidr": "::/0"}}], "ports": [{"port": 443}]}
    text = ruleset([MODEL], NAMESPACES, [policy(policyTypes=["Egress"], egress=[rule])])
    expected = "ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8 } tcp dport 443 return"
    assert chain(text, "egress_10_0_0_1") == [expected, "counter drop"]


def test_answers_to_what_was_allowed_come_back() -> None:
    text = ruleset(PODS, NAMESPACES, [policy(policyTypes=["Ingress"])])
    assert "ct state established,related accept" in chain(text, "forward")


def test_a_pod_that_has_ended_is_nobody() -> None:
    ended = {**MODEL, "status": {"podIP": "10.0.0.1", "phase": "Succeeded"}}
    assert "chain" not in ruleset([ended], NAMESPACES, [policy()])


def test_expressions_select_as_the_api_server_does() -> None:
    def chosen(operator: str, *values: str) -> bool:
        expression = {"key": "app", "operator": operator, "values": list(values)}
        return selects({"matchExpressions": [expression]}, {"app": "model"})

    assert chosen("In", "model", "front")
    assert not chosen("In", "front")
    assert chosen("NotIn", "front")
    assert chosen("Exists")
    assert not chosen("DoesNotExist")
