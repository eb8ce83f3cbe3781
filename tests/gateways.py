"""The objects of a rendered gateway, and providers that its tests share."""

from typing import Any

from aistack.api import AIStack
from aistack.kinds import Manifest
from aistack.render.gateway import render_gateway
from aistack.resolve import resolve
from tests.stacks import catalog, hosted, stack

CLIENT = {"name": "web", "secretKeyRef": {"name": "web-key", "key": "token"}}
BEDROCK = {
    "provider": "bedrock",
    "model": "anthropic.claude-sonnet",
    "region": "eu-central-1",
    "credentials": {"workloadIdentity": {"serviceAccountName": "bedrock-caller"}},
}
ANTHROPIC = {
    "provider": "anthropic",
    "model": "claude-sonnet",
    "credentials": {"secretKeyRef": {"name": "anthropic", "key": "token"}},
}
OPENAI = {
    "provider": "openai",
    "model": "gpt",
    "credentials": {"secretKeyRef": {"name": "openai", "key": "token"}},
}


def managed(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "managed": fields}


def rendered(
    *models: dict[str, Any],
    suspend: bool = False,
    can_scale: bool = False,
    gateway_api: bool = False,
    **gateway: Any,
) -> dict[str, Manifest]:
    """The objects by kind and name: `Deployment support-gateway`."""
    written = stack(models=list(models) or [hosted()], gateway=gateway, suspend=suspend)
    found = resolve(AIStack.parse(written), catalog(resource_metrics=can_scale, gateway_api=gateway_api))
    assert found.stack, [str(problem) for problem in found.problems]
    objects = list(render_gateway(found.stack))
    named = {f"{each['kind']} {each['metadata']['name']}": each for each in objects}
    assert len(named) == len(objects)
    return named


def pod(objects: dict[str, Manifest], name: str = "support-gateway") -> Manifest:
    spec: Manifest = objects[f"Deployment {name}"]["spec"]["template"]["spec"]
    return spec


def containers(spec: Manifest) -> dict[str, Manifest]:
    return {each["name"]: each for each in (*spec.get("initContainers", ()), *spec["containers"])}


def egress(objects: dict[str, Manifest], name: str = "support-gateway") -> list[Manifest]:
    rules: list[Manifest] = objects[f"NetworkPolicy {name}"]["spec"]["egress"]
    return rules
