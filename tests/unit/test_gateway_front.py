"""The rules that the front's files are rendered by, most of them learnt from a failure."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from aistack.render.gateway.front import front_files
from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.provider import Address, provider_of
from aistack.resolved import ManagedModel
from tests.stacks import hosted, resolved


def managed(name: str = "claude", **fields: Any) -> dict[str, Any]:
    provider = {"provider": "openaiCompatible", "endpoint": "https://api.example/v1", "model": "large"}
    return {"name": name, "managed": {**provider, **fields}}


def files(*models: dict[str, Any], **gateway: Any) -> dict[str, Any]:
    """The rendered files, parsed."""
    stack = resolved(models=list(models) or [hosted()], gateway=gateway)
    return {name: json.loads(text) for name, text in front_files(neutral(stack.gateway)).items()}


def by_name(file: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {resource["name"]: resource for resource in file["resources"]}


def entries(rendered: dict[str, Any]) -> dict[str, dict[str, Any]]:
    [configuration] = rendered["routes.json"]["resources"]
    [host] = configuration["virtual_hosts"]
    return {entry["name"]: entry for entry in host["routes"]}


def members(cluster: dict[str, Any]) -> list[str]:
    listed = cluster.get("cluster_type", {}).get("typed_config", {}).get("clusters", [])
    return [member["name"] for member in listed]


def everything(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a file, however deep."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from everything(value)
    elif isinstance(node, list):
        for value in node:
            yield from everything(value)


def test_every_cluster_that_a_route_or_list_names_is_there() -> None:
    rendered = files(hosted(), managed(), managed("gpt", provider="azure", apiVersion="1"))
    clusters = by_name(rendered["clusters.json"])
    named = {name for cluster in clusters.values() for name in members(cluster)}
    for entry in entries(rendered).values():
        weighted = entry.get("route", {}).get("weighted_clusters", {"clusters": []})
        named |= {choice["name"] for choice in weighted["clusters"]}
    for host in rendered["egress.json"]["resources"][0]["virtual_hosts"]:
        named |= {entry["route"]["cluster"] for entry in host["routes"]}
    assert named == set(clusters)


def test_a_changed_list_of_attempts_is_a_new_cluster() -> None:
    """So that a route turns from one list to the other, and no list changes under a route."""
    targets = [{"name": "chat", "targets": [{"model": "a"}]}]
    other = [{"name": "chat", "targets": [{"model": "b"}]}]
    models = (hosted("a"), hosted("b"))
    before, after = (by_name(files(*models, routes=routes)["clusters.json"]) for routes in (targets, other))
    assert not {name for name in before if name.startswith("attempts")} & set(after)


def test_a_list_of_attempts_names_a_providers_way_out_and_never_the_provider() -> None:
    """A list runs none of its members' filters: the provider would get the client's headers and no key."""
    clusters = by_name(files(hosted(), managed())["clusters.json"])
    listed = {name for cluster in clusters.values() for name in members(cluster)}
    assert listed == {"model-llama", "managed-claude"}
    [endpoint] = clusters["managed-claude"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    internal = endpoint["endpoint"]["address"]["envoy_internal_address"]
    assert internal["server_listener_name"] == "egress"


def test_only_streams_of_a_route_with_a_first_token_timeout_hold_their_headers() -> None:
    route = {"name": "chat", "targets": [{"model": "llama"}], "timeout": "30s", "firstTokenTimeout": "4s"}
    rendered = files(routes=[route])
    clusters, found = by_name(rendered["clusters.json"]), entries(rendered)

    def held(entry: str) -> bool:
        [choice] = found[entry]["route"]["weighted_clusters"]["clusters"]
        return '"name": "hold"' in json.dumps(clusters[choice["name"]])

    assert (held("chat-stream"), held("chat")) == (True, False)
    assert found["chat-stream"]["route"]["retry_policy"]["per_try_timeout"] == "4s"
    assert found["chat"]["route"]["retry_policy"]["per_try_timeout"] == "30s"


def test_a_whole_answer_has_time_for_every_attempt_and_a_stream_is_not_cut() -> None:
    route = {"name": "chat", "targets": [{"model": "llama"}], "timeout": "30s", "retries": 2}
    found = entries(files(routes=[route]))
    assert found["chat"]["route"]["timeout"] == "90s"
    assert found["chat-stream"]["route"]["timeout"] == "0s"


def test_no_filter_that_routes_configure_is_disabled() -> None:
    """Their configuration would then have no effect."""
    bootstrap = files(hosted(), managed())["bootstrap.json"]
    assert not [each for each in everything(bootstrap) if "disabled" in each]


def test_removing_what_a_client_sent_does_not_remove_what_a_route_adds() -> None:
    rendered = files(hosted(), managed())
    for file in ("routes.json", "egress.json"):
        assert rendered[file]["resources"][0]["most_specific_header_mutations_wins"] is True


def test_fallbacks_are_not_stopped_by_a_circuit_breaker() -> None:
    for cluster in files(hosted(), managed())["clusters.json"]["resources"]:
        assert cluster["circuit_breakers"]["thresholds"][0]["max_retries"] >= 10_000, cluster["name"]


def test_a_pool_without_a_healthy_replica_is_empty_and_a_bad_request_ejects_nobody() -> None:
    pool = by_name(files()["clusters.json"])["model-llama"]
    assert pool["common_lb_config"]["healthy_panic_threshold"]["value"] == 0
    assert pool["outlier_detection"]["successful_active_health_check_uneject_host"] is False
    assert pool["outlier_detection"]["enforcing_consecutive_5xx"] == 0
    assert pool["outlier_detection"]["enforcing_consecutive_gateway_failure"] == 100


def test_the_listeners_stay_as_they_are_whatever_models_and_routes_there_are() -> None:
    small = files()["bootstrap.json"]
    large = files(hosted("a"), managed(), routes=[{"name": "chat", "targets": [{"model": "a"}]}])
    assert small == large["bootstrap.json"]


def test_with_clients_nobody_enters_before_the_keys_are_there() -> None:
    client = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}}
    listener = files(clients=[client])["bootstrap.json"]["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert [each["name"] for each in manager["http_filters"]] == [
        "api_key_auth",
        "buffer",
        "json_to_metadata",
        "sse_to_metadata",
        "usage",
        "affinity",
        "rbac",
        "client_requests",
        "route_requests",
        "body",
        "errors",
        "router",
    ]
    assert "default_config" not in manager["http_filters"][0]["config_discovery"]


def test_a_providers_model_name_is_written_as_json_and_never_a_format() -> None:
    name = 'large "%REQ(authorization)%"'
    [host] = files(managed(model=name))["egress.json"]["resources"][0]["virtual_hosts"]
    body = host["routes"][0]["typed_per_filter_config"]["body"]
    assert body["filter_context"]["set"] == {"model": json.dumps(name)}


def test_no_secret_and_no_secrets_name_is_in_the_files() -> None:
    client = {"name": "web", "secretKeyRef": {"name": "secret-of-web", "key": "k"}}
    model = managed(credentials={"secretKeyRef": {"name": "secret-of-claude", "key": "k"}})
    assert "secret-of" not in json.dumps(files(model, clients=[client]))


@pytest.mark.parametrize(
    ("fields", "tls", "address", "authority", "path"),
    [
        ({"provider": "openai", "endpoint": None}, True, ("api.openai.com", 443), "api.openai.com", "/v1"),
        ({"endpoint": "https://host/api/v1/"}, True, ("host", 443), "host", "/api/v1"),
        ({"endpoint": "https://host:8443/v1"}, True, ("host", 8443), "host:8443", "/v1"),
        (
            {"endpoint": "http://vllm.team.svc:8000"},
            False,
            ("vllm.team.svc", 8000),
            "vllm.team.svc:8000",
            "/v1",
        ),
        ({"endpoint": "http://10.0.0.5/v1"}, False, ("10.0.0.5", 80), "10.0.0.5", "/v1"),
        ({"endpoint": "https://[2001:db8::1]/v1"}, True, ("2001:db8::1", 443), "[2001:db8::1]", "/v1"),
    ],
)
def test_an_endpoint_is_what_an_openai_client_takes_for_its_base_url(
    fields: dict[str, Any], tls: bool, address: tuple[str, int], authority: str, path: str
) -> None:
    model = managed(**fields)
    model["managed"] = {name: value for name, value in model["managed"].items() if value is not None}
    [found] = resolved(models=[model]).models
    assert isinstance(found, ManagedModel)
    provider = provider_of(found)
    assert (provider.tls, provider.address) == (tls, Address(*address))
    assert (provider.authority, provider.path) == (authority, path)


def test_a_large_configuration_fits_into_its_config_map_and_a_small_one_is_to_be_read() -> None:
    names = [f"route-{number}" for number in range(20)]
    clients = [
        {"name": f"team-{number}", "secretKeyRef": {"name": "keys", "key": f"{number}"}, "routes": names[1:]}
        for number in range(100)
    ]
    routes = [{"name": name, "targets": [{"model": "llama"}]} for name in names]
    large, small = (
        front_files(neutral(resolved(gateway=gateway).gateway))
        for gateway in ({"routes": routes, "clients": clients}, {})
    )
    assert sum(map(len, large.values())) < 1024 * 1024
    assert all(text.startswith("{\n  ") for text in small.values())


def test_what_is_checked_has_a_name_that_no_model_has() -> None:
    """An older adapter may translate for a model with the route's name, and checks nothing."""
    guarded = {"name": "claude", "targets": [{"model": "claude"}], "guardrails": ["PIIMask"]}
    rendered = files(managed(provider="azure", apiVersion="1"), routes=[guarded])
    hosts = {host["name"]: host for host in rendered["egress.json"]["resources"][0]["virtual_hosts"]}
    [written] = [
        json.loads(node["filter_context"]["set"]["model"])
        for node in everything(hosts["claude.intercepted"])
        if "filter_context" in node
    ]
    assert written.startswith("claude.")
    assert set(hosts["claude"]["request_headers_to_remove"]) == {"x-aistack-order", "x-aistack-for"}
