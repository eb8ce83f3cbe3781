"""The gateway's objects: who runs, as whom, with what, and the adapter only where it's needed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from aistack.api import AIStack
from aistack.kinds import Manifest
from aistack.render.gateway import render_gateway
from aistack.resolve import resolve
from loader.__main__ import main as loader
from queueing.__main__ import options_of as queueing
from tests.gateways import ANTHROPIC, BEDROCK, CLIENT, OPENAI, containers, managed, pod, rendered
from tests.stacks import catalog, hosted, stack


def adapter_config(objects: dict[str, Manifest]) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(objects["ConfigMap support-adapter"]["data"]["config.yaml"])
    return config


def test_a_gateway_without_translation_has_no_adapter() -> None:
    assert set(rendered(hosted(), managed("gpt", OPENAI))) == {
        f"{kind} support-gateway"
        for kind in (
            "NetworkPolicy",
            "ServiceAccount",
            "ConfigMap",
            "Service",
            "Deployment",
            "PodDisruptionBudget",
        )
    }


def test_a_model_that_needs_translation_brings_the_adapter() -> None:
    assert "Deployment support-adapter" in rendered(hosted(), managed("claude", ANTHROPIC))


def test_a_model_that_no_route_reaches_brings_nothing() -> None:
    routes = [{"name": "chat", "targets": [{"model": "llama"}, {"model": "claude", "weight": 0}]}]
    objects = rendered(hosted(), managed("claude", ANTHROPIC), routes=routes)
    assert "Deployment support-adapter" not in objects
    assert "claude" not in objects["ConfigMap support-gateway"]["data"]["clusters.json"]


@pytest.mark.parametrize("part", ["gateway", "adapter", "ratelimit", "redis", "queue", "cache"])
def test_every_container_is_restricted_and_has_no_token(part: str) -> None:
    routes = [{"name": "chat", "targets": [{"model": "claude"}], "cache": {"mode": "Exact"}}]
    model = managed("claude", ANTHROPIC)
    objects = rendered(model, clients=[LIMITED], limitScope="Global", routes=routes, queue={})
    spec = pod(objects, f"support-{part}")
    assert spec["automountServiceAccountToken"] is False
    assert objects[f"ServiceAccount support-{part}"]["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(spec).values():
        security = container["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert set(container["resources"]) == {"requests", "limits"}


def test_envoy_ends_after_the_loader_has_drained_it() -> None:
    """A sidecar is stopped after the containers; the loader is one, and the pod's patience covers it."""
    spec = pod(rendered())
    assert [each["name"] for each in spec["initContainers"]] == ["prepare", "envoy"]
    assert containers(spec)["envoy"]["restartPolicy"] == "Always"
    assert [each["name"] for each in spec["containers"]] == ["loader"]
    assert "--drain-seconds=3600" in containers(spec)["loader"]["args"]
    assert spec["terminationGracePeriodSeconds"] > 3600


@pytest.mark.parametrize(("container", "seconds"), [("envoy", 5), ("loader", 2)])
def test_a_container_is_told_to_end_when_it_has_had_the_time_to_listen(container: str, seconds: int) -> None:
    assert containers(pod(rendered()))[container]["lifecycle"] == {"preStop": {"sleep": {"seconds": seconds}}}


@pytest.mark.parametrize("container", ["prepare", "loader"])
def test_the_loader_understands_what_it_is_told(container: str) -> None:
    arguments = containers(pod(rendered()))[container]["args"]
    with pytest.raises(SystemExit) as ended:
        loader([*arguments, "--help"])
    assert ended.value.code == 0


def test_the_queue_understands_what_it_is_told() -> None:
    declared = {"maxDepth": 7, "maxWait": "90s", "workers": {"min": 0, "max": 3}}
    [container] = pod(rendered(queue=declared), "support-queue")["containers"]
    told = queueing(container["args"])
    assert (told.depth, told.longest_wait, told.least, told.most) == (7, 90, 1, 3)
    assert (told.redis, told.front) == ("support-redis:6379", "http://support-gateway:8082")


def test_a_pod_of_the_queue_that_ends_has_the_time_to_finish() -> None:
    spec = pod(rendered(queue={}), "support-queue")
    assert "--drain-seconds=3600" in spec["containers"][0]["args"]
    assert spec["terminationGracePeriodSeconds"] > 3600


def test_keys_are_mounted_into_the_loader_alone() -> None:
    spec = pod(rendered(hosted(), managed("gpt", OPENAI), clients=[CLIENT]))
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    client, provider = (source["secret"] for source in volumes["keys"]["projected"]["sources"])
    assert client == {"name": "web-key", "items": [{"key": "token", "path": "clients/web"}]}
    assert (provider["name"], provider["items"][0]["key"]) == ("openai", "token")
    assert provider["items"][0]["path"].startswith("providers/gpt/provider-gpt-")
    assert volumes["live"]["emptyDir"]["medium"] == "Memory"
    mounting = {
        name
        for name, container in containers(spec).items()
        if "keys" in [mount["name"] for mount in container["volumeMounts"]]
    }
    assert mounting == {"prepare", "loader"}


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "https://other.example/v1"},
        {"credentials": {"secretKeyRef": {"name": "openai", "key": "other"}}},
        {"credentials": {"secretKeyRef": {"name": "other", "key": "token"}}},
    ],
    ids=["host", "key", "secret"],
)
@pytest.mark.parametrize("provider", ["openaiCompatible", "anthropic"])
def test_a_key_and_its_host_are_known_by_a_name_that_changes_with_either(
    provider: str, changed: dict[str, Any]
) -> None:
    """The configuration and the pod that has the key arrive one after the other: the old one must not find
    what belongs to the new one."""
    before = {**OPENAI, "provider": provider, "endpoint": "https://first.example/v1"}
    found = [rendered(managed("m", fields)) for fields in (before, before | changed)]
    one, two = ({*mounted_keys(objects), *named_variables(objects)} for objects in found)
    assert one
    assert not one & two
    for objects, keys in zip(found, (one, two), strict=True):
        files = [
            text
            for name in ("ConfigMap support-gateway", "ConfigMap support-adapter")
            if name in objects
            for text in objects[name]["data"].values()
        ]
        assert all(any(key in text for text in files) for key in keys)


def mounted_keys(objects: dict[str, Manifest]) -> Iterator[str]:
    """Names of the files that the front's providers' keys are in."""
    for volume in pod(objects)["volumes"]:
        for source in volume.get("projected", {}).get("sources", ()):
            yield from (item["path"].rpartition("/")[2] for item in source["secret"]["items"])


def named_variables(objects: dict[str, Manifest]) -> Iterator[str]:
    """Names of the variables that the adapter's keys are in."""
    if "Deployment support-adapter" in objects:
        [container] = pod(objects, "support-adapter")["containers"]
        yield from (variable["name"] for variable in container["env"] if "valueFrom" in variable)


def test_without_keys_nothing_is_mounted_for_them() -> None:
    assert "keys" not in [volume["name"] for volume in pod(rendered())["volumes"]]


LIMITED = {**CLIENT, "requestsPerMinute": 5}
ROUTE = {"name": "chat", "targets": [{"model": "llama"}]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"routes": [ROUTE]}, {"routes": [{**ROUTE, "retries": 5}]}),
        ({"routes": [ROUTE]}, {"routes": [{**ROUTE, "timeout": "20m"}]}),
        ({"routes": [ROUTE]}, {"routes": [ROUTE, {**ROUTE, "name": "talk"}]}),
        ({"clients": [CLIENT]}, {"clients": [{**CLIENT, "requestsPerMinute": 5}]}),
    ],
    ids=["retries", "timeout", "route", "limit"],
)
def test_a_running_front_is_handed_a_change_and_not_rolled(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    one, two = rendered(**before), rendered(**after)
    assert one["Deployment support-gateway"] == two["Deployment support-gateway"]
    versions = {each["ConfigMap support-gateway"]["data"]["version"] for each in (one, two)}
    assert len(versions) == 2


def test_a_listener_that_changes_rolls_the_front() -> None:
    """The first key brings filters that Envoy takes at its start only."""
    found = [rendered(clients=clients)["Deployment support-gateway"] for clients in ([], [CLIENT])]
    starts = {each["spec"]["template"]["metadata"]["annotations"]["aistack.dev/config"] for each in found}
    assert len(starts) == 2


def adapter(timeout: str = "2m", **annotations: str) -> Manifest:
    """The Deployment of a stack with these annotations."""
    route = {"name": "chat", "targets": [{"model": "claude"}], "timeout": timeout}
    written = stack(models=[managed("claude", ANTHROPIC)], gateway={"routes": [route]})
    written["metadata"]["annotations"] = annotations
    found = resolve(AIStack.parse(written), catalog())
    assert found.stack
    deployments = (each for each in render_gateway(found.stack) if each["kind"] == "Deployment")
    return next(each for each in deployments if each["metadata"]["name"] == "support-adapter")


def test_the_adapter_is_rolled_by_its_configuration_and_by_changed_keys() -> None:
    assert adapter() == adapter()
    assert adapter()["spec"]["template"] != adapter(timeout="3m")["spec"]["template"]
    assert adapter()["spec"]["template"] != adapter(**{"aistack.dev/sync": "now"})["spec"]["template"]


def test_the_adapter_waits_for_all_attempts_of_what_it_asks_itself() -> None:
    """Of what it only translates it sees one attempt at a time."""
    route = {**ROUTE, "timeout": "10m", "retries": 2, "cache": {"mode": "Exact"}}
    assert 1800 < pod(rendered(routes=[route]), "support-adapter")["terminationGracePeriodSeconds"] < 2000
    translated = adapter(timeout="10m")["spec"]["template"]["spec"]
    assert 600 < translated["terminationGracePeriodSeconds"] < 700


def test_limits_of_each_replica_need_no_further_part() -> None:
    assert "Deployment support-ratelimit" not in rendered(clients=[LIMITED])
    assert "Deployment support-redis" not in rendered(clients=[CLIENT], limitScope="Global")


def test_a_changed_limit_rolls_the_service_that_counts_and_not_its_redis() -> None:
    one, two = (
        rendered(clients=[{**CLIENT, "tokensPerMinute": limit}], limitScope="Global") for limit in (100, 200)
    )
    changed = {name for name in one if one[name] != two[name]}
    assert changed == {"ConfigMap support-ratelimit", "Deployment support-ratelimit"}


def test_an_autoscaler_owns_the_replicas_where_the_cluster_has_metrics() -> None:
    bounds = {"min": 2, "max": 10}
    objects = rendered(replicas=bounds, can_scale=True)
    autoscaler = objects["HorizontalPodAutoscaler support-gateway"]["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 10)
    assert autoscaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    assert "replicas" not in objects["Deployment support-gateway"]["spec"]

    fixed = rendered(replicas=bounds, can_scale=False)
    assert "HorizontalPodAutoscaler support-gateway" not in fixed
    assert fixed["Deployment support-gateway"]["spec"]["replicas"] == 2


def test_a_suspended_gateway_has_no_pods_and_keeps_its_configuration() -> None:
    running, suspended = (
        rendered(hosted(), managed("claude", ANTHROPIC), suspend=suspend) for suspend in (False, True)
    )
    assert set(running) == set(suspended)
    assert suspended["Deployment support-gateway"]["spec"]["replicas"] == 0
    assert suspended["Deployment support-adapter"]["spec"]["replicas"] == 0
    assert running["ConfigMap support-gateway"] == suspended["ConfigMap support-gateway"]


def test_without_a_class_and_a_certificate_the_ingress_names_none() -> None:
    published = rendered(expose={"type": "Ingress", "host": "ai.example.com"})
    assert set(published["Ingress support-gateway"]["spec"]) == {"rules"}


def test_the_adapter_translates_and_decides_nothing() -> None:
    route = {"name": "chat", "targets": [{"model": "claude"}], "timeout": "30s"}
    config = adapter_config(rendered(managed("claude", ANTHROPIC), routes=[route]))
    assert config["litellm_settings"]["num_retries"] == config["router_settings"]["num_retries"] == 0
    assert config["router_settings"]["disable_cooldowns"] is True
    [entry] = config["model_list"]
    assert entry["model_name"] == entry["model_info"]["id"] == "claude"
    assert entry["litellm_params"]["timeout"] == entry["litellm_params"]["stream_timeout"] == 30


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (ANTHROPIC, {"model": "anthropic/claude-sonnet", "api_key": "os.environ/{key}"}),
        (
            {
                **ANTHROPIC,
                "provider": "azure",
                "endpoint": "https://x.openai.azure.com",
                "apiVersion": "2026-01",
            },
            {
                "model": "azure/claude-sonnet",
                "api_base": "https://x.openai.azure.com",
                "api_version": "2026-01",
                "api_key": "os.environ/{key}",
            },
        ),
        (BEDROCK, {"model": "bedrock/anthropic.claude-sonnet", "aws_region_name": "eu-central-1"}),
        (
            {**BEDROCK, "provider": "sagemaker"},
            {"model": "sagemaker_chat/anthropic.claude-sonnet", "aws_region_name": "eu-central-1"},
        ),
        (
            {**ANTHROPIC, "provider": "vertex", "project": "acme", "region": "europe-west4"},
            {
                "model": "vertex_ai/claude-sonnet",
                "vertex_project": "acme",
                "vertex_location": "europe-west4",
                "vertex_credentials": "os.environ/{key}",
            },
        ),
    ],
    ids=["anthropic", "azure", "bedrock", "sagemaker", "vertex"],
)
def test_each_provider_is_written_in_litellms_words(fields: dict[str, Any], expected: dict[str, str]) -> None:
    objects = rendered(managed("m-1", fields))
    key = next(named_variables(objects), "")
    [entry] = adapter_config(objects)["model_list"]
    common = {"timeout": 600, "stream_timeout": 600, "max_retries": 0}
    written = {name: value.format(key=key) for name, value in expected.items()}
    assert entry["litellm_params"] == written | common


def test_a_providers_key_reaches_the_adapter_by_reference() -> None:
    objects = rendered(managed("claude", ANTHROPIC))
    [container] = pod(objects, "support-adapter")["containers"]
    [key] = [variable for variable in container["env"] if "valueFrom" in variable]
    assert key["name"].startswith("PROVIDER_KEY_CLAUDE_")
    assert key["valueFrom"] == {"secretKeyRef": {"name": "anthropic", "key": "token"}}


def test_the_adapter_is_never_probed_by_a_call_that_costs_money() -> None:
    [container] = pod(rendered(managed("claude", ANTHROPIC)), "support-adapter")["containers"]
    paths = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths == {"/health/readiness", "/health/liveliness"}


def test_every_port_that_is_probed_or_served_is_declared() -> None:
    objects = rendered(hosted(), managed("claude", ANTHROPIC))
    for part in ("gateway", "adapter"):
        found = containers(pod(objects, f"support-{part}"))
        declared = {port["name"] for each in found.values() for port in each.get("ports", ())}
        assert set(_probed(found)) <= declared
        service = objects[f"Service support-{part}"]["spec"]["ports"][0]
        assert service["targetPort"] in declared


def _probed(found: dict[str, Manifest]) -> Iterator[str]:
    for container in found.values():
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if kind in container:
                yield container[kind]["httpGet"]["port"]
