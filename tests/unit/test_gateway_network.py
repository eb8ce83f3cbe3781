"""Who may call the gateway's pods, and whom they reach."""

import json
from dataclasses import replace
from typing import Any

import pytest

from aistack.catalog import Traces
from aistack.kinds import Manifest
from aistack.render.gateway.network import front_policies
from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.workload import Part
from aistack.render.network import NAMESPACE_LABEL
from tests.gateways import ANTHROPIC, BEDROCK, CLIENT, OPENAI, containers, egress, managed, pod, rendered
from tests.stacks import hosted, resolved


def test_without_client_keys_only_the_stacks_namespace_may_call() -> None:
    rule, *_ = rendered()["NetworkPolicy support-gateway"]["spec"]["ingress"]
    assert rule == {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8080}]}


def test_with_client_keys_every_namespace_may_call() -> None:
    [rule] = rendered(clients=[CLIENT])["NetworkPolicy support-gateway.keys"]["spec"]["ingress"]
    assert rule == {"from": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": 8080}]}


@pytest.mark.parametrize("expose", [{"type": "ClusterIP"}, {"type": "Ingress", "host": "ai.example.com"}])
def test_what_keys_open_is_open_at_pods_that_ask_for_them_only(expose: dict[str, str]) -> None:
    """While the pods are rolled, the older ones ask nobody."""
    before, after = rendered(), rendered(clients=[CLIENT], expose=expose)
    closed, opened = (after[f"NetworkPolicy support-gateway{end}"]["spec"] for end in ("", ".keys"))
    assert closed == before["NetworkPolicy support-gateway"]["spec"]
    asks, asked_before = (
        opened["podSelector"]["matchLabels"].items() <= template(objects)["labels"].items()
        for objects in (after, before)
    )
    assert (asks, asked_before) == (True, False)
    selectors = [each["Deployment support-gateway"]["spec"]["selector"] for each in (before, after)]
    assert selectors[0] == selectors[1], "it can't be changed"


def template(objects: dict[str, Manifest]) -> Manifest:
    found: Manifest = objects["Deployment support-gateway"]["spec"]["template"]["metadata"]
    return found


def test_the_operator_and_namespaces_that_scrape_reach_the_loader_and_nobody_else() -> None:
    _, rule, _ = rendered()["NetworkPolicy support-gateway"]["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9902}]
    operator, scrapers = rule["from"]
    assert operator["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "aistack-system"}
    assert operator["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "controller"
    assert scrapers == {"namespaceSelector": {"matchLabels": {"aistack.dev/metrics": "true"}}}


def test_a_published_endpoint_lets_in_whoever_publishes_it() -> None:
    """An ingress controller may run on the node's network, or outside the cluster: no selector picks it."""
    expose = {"type": "Ingress", "host": "ai.example.com", "className": "nginx", "tlsSecretName": "tls"}
    published = rendered(expose=expose)
    rule, *_ = published["NetworkPolicy support-gateway"]["spec"]["ingress"]
    assert rule == {"ports": [{"protocol": "TCP", "port": 8080}]}
    spec = published["Ingress support-gateway"]["spec"]
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"hosts": ["ai.example.com"], "secretName": "tls"}]
    [path] = spec["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "support-gateway", "port": {"name": "http"}}


def test_only_the_front_may_call_the_adapter() -> None:
    [rule] = rendered(managed("claude", ANTHROPIC))["NetworkPolicy support-adapter"]["spec"]["ingress"]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"]["aistack.dev/component"] == "gateway"
    assert rule["ports"] == [{"protocol": "TCP", "port": 4000}]


def test_counters_are_reached_by_the_service_that_counts_and_that_by_the_front() -> None:
    objects = rendered(clients=[{**CLIENT, "requestsPerMinute": 5}], limitScope="Global")
    for part, caller, port in (("redis", "ratelimit", 6379), ("ratelimit", "gateway", 8081)):
        [rule] = objects[f"NetworkPolicy support-{part}"]["spec"]["ingress"]
        [peer] = rule["from"]
        assert peer["podSelector"]["matchLabels"]["aistack.dev/component"] == caller
        assert rule["ports"] == [{"protocol": "TCP", "port": port}]
    assert egress(objects, "support-redis") == []
    assert ports(egress(objects, "support-ratelimit")) == {53, 6379}
    assert 8081 in ports(egress(objects))


def test_kept_answers_are_reached_by_the_adapter_and_it_asks_the_front_behind_the_clients() -> None:
    routes = [{"name": "chat", "targets": [{"model": "llama"}], "cache": {"mode": "Exact"}}]
    objects = rendered(routes=routes)
    [kept] = objects["NetworkPolicy support-cache"]["spec"]["ingress"]
    *_, asked = objects["NetworkPolicy support-gateway"]["spec"]["ingress"]
    for rule, callers, port in ((kept, ["adapter"], 6379), (asked, ["adapter", "queue"], 8082)):
        assert components(rule["from"]) == callers
        assert rule["ports"] == [{"protocol": "TCP", "port": port}]
    assert egress(objects, "support-cache") == []
    assert {6379, 8082} <= ports(egress(objects, "support-adapter"))


def test_the_queue_is_reached_by_the_front_and_reaches_it_again_behind_the_clients() -> None:
    objects = rendered(queue={}, clients=[{**CLIENT, "requestsPerMinute": 5}], limitScope="Global")
    asked, scraped = objects["NetworkPolicy support-queue"]["spec"]["ingress"]
    assert (components(asked["from"]), ports([asked])) == (["gateway"], {8080})
    assert ports([scraped]) == {9902}
    assert ports(egress(objects, "support-queue")) == {53, 6379, 8082}
    [shared] = objects["NetworkPolicy support-redis"]["spec"]["ingress"]
    assert components(shared["from"]) == ["ratelimit", "queue"]
    assert 8080 in ports(egress(objects))


def components(peers: list[Manifest]) -> list[str]:
    return [peer["podSelector"]["matchLabels"]["aistack.dev/component"] for peer in peers]


def test_the_adapter_is_led_to_fronts_that_listen_for_it_only() -> None:
    """A port by its name is one of the pods that have it: older ones don't."""
    routes = [{"name": "chat", "targets": [{"model": "llama"}], "cache": {"mode": "Exact"}}]
    before, after = rendered(), rendered(routes=routes)
    assert {"name": "inner", "port": 8082, "targetPort": "inner", "protocol": "TCP"} in after[
        "Service support-gateway"
    ]["spec"]["ports"]
    named = [
        [port["name"] for each in containers(pod(objects)).values() for port in each.get("ports", ())]
        for objects in (before, after)
    ]
    assert ["inner" in names for names in named] == [False, True]


CACHED = [{"name": "chat", "targets": [{"model": "llama"}], "cache": {"mode": "Exact"}}]


def test_after_the_last_interception_older_pods_reach_each_other_still() -> None:
    """Until they have left, they go on with older routes."""
    stacks = [rendered(hosted(), managed("claude", ANTHROPIC), routes=routes) for routes in (CACHED, [])]
    intercepted, after = ([*each["NetworkPolicy support-gateway"]["spec"]["ingress"]] for each in stacks)
    assert intercepted == after
    assert len({str(each["Service support-gateway"]["spec"]) for each in stacks}) == 1
    assert {6379, 8082} <= ports(egress(stacks[1], "support-adapter"))


@pytest.mark.parametrize(("models", "expected"), [([hosted()], False), ([managed("llama", ANTHROPIC)], True)])
def test_the_adapter_reaches_the_internet_for_providers_only(
    models: list[dict[str, Any]], expected: bool
) -> None:
    assert (443 in ports(egress(rendered(*models, routes=CACHED), "support-adapter"))) is expected


def ports(rules: list[Manifest]) -> set[int]:
    return {port["port"] for rule in rules for port in rule.get("ports", ())}


@pytest.mark.parametrize(
    ("models", "expected", "why"),
    [
        ([hosted()], set(), "a stack that is all its own reaches no internet"),
        ([managed("gpt", OPENAI)], {443}, "a provider is reached by HTTPS"),
        ([managed("claude", ANTHROPIC)], set(), "the adapter reaches the provider, not the front"),
    ],
)
def test_the_front_reaches_its_own_stack_and_the_providers_of_its_routes(
    models: list[dict[str, Any]], expected: set[int], why: str
) -> None:
    dns, *own, providers = [*egress(rendered(*models)), {}][:6]
    assert ports([dns]) == {53}
    for rule, part in zip(own, ("model", "adapter", "ratelimit", "queue"), strict=True):
        [peer] = rule["to"]
        labels = {"aistack.dev/stack": "support", "aistack.dev/component": part}
        assert peer == {"podSelector": {"matchLabels": labels}}
    assert ports([providers]) == expected, why


@pytest.mark.parametrize(
    ("endpoint", "to", "expected", "why"),
    [
        (
            "http://vllm.team-b.svc:8000/v1",
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team-b"}}},
            None,
            "a Service's pods may have another port than the Service",
        ),
        (
            "http://vllm:8000/v1",
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "care"}}},
            None,
            "a bare name is a Service of the stack's namespace",
        ),
        ("http://10.1.2.3:8000/v1", {"ipBlock": {"cidr": "10.1.2.3/32"}}, 8000, "an address is itself"),
        ("https://[fd00::1]/v1", {"ipBlock": {"cidr": "fd00::1/128"}}, 443, "so is one of IPv6"),
    ],
)
def test_an_endpoint_inside_opens_no_more_than_it_needs(
    endpoint: str, to: Manifest, expected: int | None, why: str
) -> None:
    model = managed("own", {"provider": "openaiCompatible", "model": "m", "endpoint": endpoint})
    rule = egress(rendered(model))[-1]
    assert rule["to"] == [to], why
    assert ports([rule]) == ({expected} if expected else set()), why


def test_spans_go_to_their_collector_alone() -> None:
    traces = Traces("http://otel.monitoring.svc:4318/v1/traces", percent=10)
    found = resolved()
    gateway = neutral(replace(found.gateway, traces=traces))
    policy = next(front_policies(Part(found.ref, "gateway", found.gateway.replicas), gateway))
    silent = next(front_policies(Part(found.ref, "gateway", found.gateway.replicas), neutral(found.gateway)))
    more = [rule for rule in policy["spec"]["egress"] if rule not in silent["spec"]["egress"]]
    assert more == [{"to": [{"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: "monitoring"}}}]}]


def test_the_internet_is_not_the_private_networks() -> None:
    rule = egress(rendered(managed("gpt", OPENAI)))[-1]
    assert "169.254.0.0/16" in rule["to"][0]["ipBlock"]["except"]


def test_a_workload_identity_is_the_adapters_and_reaches_its_token() -> None:
    objects = rendered(managed("claude", BEDROCK))
    spec = pod(objects, "support-adapter")
    assert spec["serviceAccountName"] == "bedrock-caller"
    assert "169.254.170.23/32" in json.dumps(egress(objects, "support-adapter"))
    plain = rendered(managed("claude", ANTHROPIC))
    assert pod(plain, "support-adapter")["serviceAccountName"] == "support-adapter"
    assert "169.254.170.23/32" not in json.dumps(egress(plain, "support-adapter"))
