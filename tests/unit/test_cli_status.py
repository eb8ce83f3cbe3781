"""`aistack status`: what a reader sees, from objects as the API server shows them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from aistack.api import AIStack
from aistack.catalog import Catalog
from aistack.cli.files import accelerator_classes, read
from aistack.cli.status import View, age, report
from aistack.cli.tree import PURPOSES, Branch, branches
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.render import render
from aistack.resolve import resolve

EXAMPLES = Path("examples")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STATUS = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "Unschedulable",
            "message": "model/llama: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu",
            "lastTransitionTime": "2026-11-23T11:55:00Z",
            "observedGeneration": 1,
        }
    ],
    "endpoints": {"gateway": "http://support-gateway.care.svc/v1"},
    "components": [
        {
            "name": "model/llama",
            "ready": False,
            "reason": "Unschedulable",
            "message": "0/2 nodes are available",
            "since": "2026-11-23T11:59:15Z",
        },
        {"name": "gateway", "ready": True, "reason": "Ready", "since": "2026-11-23T09:00:00Z"},
    ],
}


def support(**changes: Any) -> tuple[AIStack, tuple[Manifest, ...]]:
    """examples/support.yaml, and the objects that it becomes."""
    documents = list(yaml.safe_load_all((EXAMPLES / "support.yaml").read_text()))
    stack = AIStack.parse({**documents[-1], **changes})
    classes = accelerator_classes(read([str(EXAMPLES / "accelerators.yaml")]))
    resolved = resolve(stack, Catalog(default_images(), classes)).stack
    assert resolved is not None
    return stack, render(resolved)


def shown(stack: AIStack, tree: list[Branch]) -> str:
    console = Console(width=200, markup=False, highlight=False)
    with console.capture() as captured:
        for line in report(View(stack, tree), NOW):
            console.print(line)
    return captured.get()


def branch(tree: list[Branch], field: str) -> Branch:
    return next(each for each in tree if each.field == field)


def test_a_part_that_is_not_ready_gives_its_reason_and_since_when() -> None:
    stack, objects = support(status=STATUS)
    lines = shown(stack, branches(stack.spec, objects)).splitlines()

    ready = next(line for line in lines if line.split()[:1] == ["Ready"])
    assert ready.split()[:4] == ["Ready", "False", "Unschedulable", "5m"]
    assert "2 Insufficient nvidia.com/gpu" in ready
    llama = next(line for line in lines if line.split()[:1] == ["model/llama"])
    assert llama.split()[1:5] == ["not", "ready", "Unschedulable", "45s"]
    assert any("http://support-gateway.care.svc/v1" in line for line in lines)


def test_a_stack_that_no_controller_has_seen_says_so() -> None:
    stack, _ = support()
    said = shown(stack, branches(stack.spec, ()))
    assert "the controller hasn't seen this stack" in said


def test_a_newer_spec_than_the_one_reported_on_is_pointed_out() -> None:
    metadata = {"name": "support", "namespace": "care", "generation": 2}
    stack, _ = support(status=STATUS, metadata=metadata)
    assert "hasn't seen the newest spec yet" in shown(stack, [])


def test_every_object_has_a_field_that_asked_for_it_and_a_purpose() -> None:
    stack, objects = support()
    tree = branches(stack.spec, objects)

    assert sum(len(each.made) for each in tree) == len(objects)
    assert [made for each in tree for made in each.made if not made.purpose] == []
    assert [each.field for each in tree if not each.asks] == []


def test_every_sort_of_object_in_the_golden_cases_has_a_purpose() -> None:
    manifests = [yaml.safe_load(path.read_text()) for path in Path("tests/golden").glob("*/expected/*.yaml")]
    sorts = {(each["metadata"]["labels"]["aistack.dev/component"], each["kind"]) for each in manifests}
    assert sorts >= {("model", "HorizontalPodAutoscaler"), ("gateway", "HorizontalPodAutoscaler")}
    assert sorts - PURPOSES.keys() == set()


def test_objects_stand_under_the_field_they_come_from() -> None:
    stack, objects = support()
    tree = branches(stack.spec, objects)

    llama = branch(tree, "spec.models[llama].selfHosted")
    assert {(made.kind, made.name) for made in llama.made} >= {
        ("Deployment", "support-llama"),
        ("PersistentVolumeClaim", "support-llama-cache"),
    }
    gateway = branch(tree, "spec.gateway")
    assert "chat, embed" in gateway.asks
    assert "support-gateway" in {made.name for made in gateway.made}


def test_a_managed_model_runs_nowhere_and_explains_the_adapter() -> None:
    stack, objects = support()
    tree = branches(stack.spec, objects)

    assert branch(tree, "spec.models[claude].managed").made == ()
    adapter = branch(tree, "spec.models[claude].managed.provider")
    assert "anthropic" in adapter.asks
    assert "support-adapter" in {made.name for made in adapter.made}


def test_a_deployment_says_how_many_of_its_replicas_are_ready() -> None:
    stack, objects = support()
    live = [
        {**each, "status": {"readyReplicas": 1}} if each["kind"] == "Deployment" else each for each in objects
    ]
    llama = branch(branches(stack.spec, live), "spec.models[llama].selfHosted")
    assert next(made.state for made in llama.made if made.kind == "Deployment") == "1/1 ready"


def test_an_object_of_a_model_that_left_the_spec_is_about_to_go() -> None:
    stack, objects = support()
    without = stack.spec.model_copy(update={"models": stack.spec.models[1:]})
    assert "no longer in the spec" in branch(branches(without, objects), "spec.models[llama]").asks


@pytest.mark.parametrize(
    ("since", "shown_as"),
    [
        ("2026-11-23T11:59:59Z", "1s"),
        ("2026-11-23T11:58:30Z", "90s"),
        ("2026-11-23T11:00:00Z", "60m"),
        ("2026-11-22T12:00:00Z", "24h"),
        ("2026-11-01T12:00:00Z", "22d"),
        ("2026-11-23T12:00:30Z", "0s"),
    ],
)
def test_times_are_shown_as_ages(since: str, shown_as: str) -> None:
    assert age(since, NOW) == shown_as
