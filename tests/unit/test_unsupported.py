"""A field that this version can't honour is refused, never ignored in silence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from aistack.api import AIStack
from aistack.resolve import resolve
from aistack.unsupported import unsupported_fields
from tests.stacks import catalog, hosted, stack

FULL = Path(__file__).parents[2] / "examples" / "full.yaml"
RULED = Path(__file__).parents[2] / "policies" / "tests" / "base.yaml"


def refused(manifest: Mapping[str, Any]) -> set[str]:
    return {path for path, _ in unsupported_fields(AIStack.parse(dict(manifest)).spec)}


def test_the_smallest_stack_asks_for_nothing_that_is_refused() -> None:
    assert refused(stack()) == set()


def test_of_a_stack_that_asks_for_everything_what_is_not_served_is_named() -> None:
    full = next(each for each in yaml.safe_load_all(FULL.read_text()) if each["kind"] == "AIStack")
    assert refused(full) == {
        "spec.vectorStores",
        "spec.pipelines",
        "spec.agents",
        "spec.tracking.mlflow",
        "spec.models[llama].selfHosted.scaling.schedule",
        "spec.models[llama].selfHosted.spot.share",
        "spec.models[llama].selfHosted.adapters",
    }


def test_the_stack_that_keeps_every_shipped_rule_is_served() -> None:
    ruled = next(yaml.safe_load_all(RULED.read_text()))
    assert resolve(AIStack.parse(ruled), catalog()).problems == ()


@pytest.mark.parametrize(
    ("path", "manifest"),
    [
        ("spec.gateway.queue.engine", stack(gateway={"queue": {"engine": "nats"}})),
        ("spec.gateway.queue.maxDepth", stack(gateway={"queue": {"maxDepth": 0}})),
        ("spec.gateway.queue.maxWait", stack(gateway={"queue": {"maxWait": "0s"}})),
        ("spec.gateway.engine", stack(gateway={"engine": "EnvoyAIGateway"})),
        ("spec.models[llama].selfHosted.source", stack(models=[hosted(source="oci://registry/llama")])),
        ("spec.models[llama].selfHosted.parallelism.nodes", stack(models=[hosted(parallelism={"nodes": 2})])),
    ],
)
def test_so_is_what_one_stack_can_ask_for_in_one_way_only(path: str, manifest: dict[str, Any]) -> None:
    assert refused(manifest) == {path}
