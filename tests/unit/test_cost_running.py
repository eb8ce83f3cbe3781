"""A model's pod is charged by what it holds: class, number, or its cores and memory."""

from decimal import Decimal
from typing import Any

import pytest

from aistack.api import AcceleratorClass
from aistack.cost.charges import Charge, a_replica
from aistack.cost.running import Classes, a_pod
from aistack.hardware import Hardware, hardware_of
from aistack.kinds import Manifest
from aistack.render import render
from tests.costs import SOURCE, priced, prices
from tests.stacks import accelerator_class, hosted


def offered(name: str, hourly: str = "", resource: str | None = "nvidia.com/gpu", **nodes: str) -> Manifest:
    made = accelerator_class(name, resource)
    made["spec"]["nodeSelector"] = nodes
    if hourly:
        made["spec"]["price"] = {"onDemandHourly": hourly, "source": SOURCE, "asOf": "2026-11-01"}
    return made


def classes(*made: Manifest) -> Classes:
    return {each["metadata"]["name"]: AcceleratorClass.parse(each) for each in made}


OFFERED = classes(
    offered("any", "1.00"),
    offered("l4", "0.80", gpu="l4"),
    offered("h100", "8.00", gpu="h100"),
    offered("h100-reserved", "4.00", gpu="h100"),
    offered("h100-eu", "9.00", gpu="h100", region="eu"),
    offered("amd", "3.00", "amd.com/gpu"),
    offered("unpriced", "", "acme.com/npu"),
    offered("machine", "2.00", None),
    offered("cpu", "", None),
)


def pod(number: int = 0, resource: str = "nvidia.com/gpu", cores: str = "2", **nodes: str) -> Hardware:
    held = {"cpu": cores, "memory": "8Gi", **({resource: str(number)} if number else {})}
    containers = [{"resources": {"requests": held}}, {"resources": {}}]
    found = hardware_of({"spec": {"containers": containers, "nodeSelector": nodes}})
    assert found
    return found


def says(charges: tuple[Charge, ...]) -> dict[str, Decimal]:
    """Hours of each item in an hour."""
    return {charge.item: charge.quantity.max / 730 for charge in charges}


@pytest.mark.parametrize(
    ("holds", "declared", "item", "hours"),
    [
        pytest.param(pod(1, gpu="h100"), "l4", "h100 on demand", 1, id="its nodes tell, not the spec"),
        pytest.param(pod(1, gpu="l4"), "any", "l4 on demand", 1, id="the class that says most of its nodes"),
        pytest.param(pod(1, gpu="l4", zone="a"), "", "l4 on demand", 1, id="a cluster may add labels"),
        pytest.param(pod(1, gpu="h100"), "h100-reserved", "h100-reserved on demand", 1, id="the spec's"),
        pytest.param(pod(1, gpu="h100"), "", "h100 on demand", 1, id="the dearest where none is declared"),
        pytest.param(pod(2, gpu="h100", region="eu"), "h100", "h100-eu on demand", 2, id="two labels of two"),
        pytest.param(pod(8, "amd.com/gpu", gpu="l4"), "l4", "amd on demand", 8, id="another resource"),
        pytest.param(pod(1), "l4", "any on demand", 1, id="on any node"),
    ],
)
def test_accelerators_are_those_of_the_class_that_rendered_them(
    holds: Hardware, declared: str, item: str, hours: int
) -> None:
    assert says(a_pod("model/llama", holds, declared, OFFERED, prices())) == {item: hours}


def test_a_class_whose_nodes_are_labelled_otherwise_since_is_still_the_declared_one() -> None:
    moved = classes(offered("l4", "0.80", gpu="new"), offered("h100", "8.00", gpu="h100", pool="new"))
    holds = pod(1, gpu="old")
    assert says(a_pod("model/llama", holds, "l4", moved, prices())) == {"l4 on demand": 1}
    assert says(a_pod("model/llama", holds, "", moved, prices())) == {"h100 on demand": 1}


@pytest.mark.parametrize("declared", ["", "cpu", "l4"])
def test_without_an_accelerator_it_is_charged_for_its_cores_and_memory(declared: str) -> None:
    found = a_pod("model/llama", pod(cores="1500m"), declared, OFFERED, prices())
    assert says(found) == {"CPU": Decimal("1.5"), "memory": 8}


def test_what_leaves_no_trace_in_a_pod_is_not_guessed() -> None:
    assert a_pod("model/llama", pod(), "machine", OFFERED, prices()) == ()
    assert a_pod("model/llama", pod(1, "nobody.com/knows"), "l4", OFFERED, prices()) == ()


@pytest.mark.parametrize("unsaid", [{}, {"spec": {}}, {"spec": {"containers": [{}]}}])
def test_a_pod_that_holds_nothing_says_nothing(unsaid: Manifest) -> None:
    assert hardware_of(unsaid) is None


def test_a_quantity_that_nobody_writes_here_is_not_read() -> None:
    odd = {"containers": [{"resources": {"requests": {"cpu": "1e3"}}}]}
    assert hardware_of({"spec": odd}) is None


def test_replicas_that_are_alike_are_kept_once() -> None:
    assert pod(1, gpu="l4") is pod(1, gpu="l4")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"accelerator": {"class": "nvidia-l4", "count": 4}, "parallelism": {"tensor": 4}},
        {"accelerator": {"class": "cpu"}},
        {
            "accelerator": {"class": "cpu"},
            "resources": {"requests": {"cpu": "6"}},
        },
    ],
    ids=["one", "four", "none", "none, and resources"],
)
def test_what_is_rendered_is_charged_what_the_estimate_says_of_a_replica(fields: dict[str, Any]) -> None:
    stack = priced(models=[hosted(**fields)])
    (deployment,) = (
        each
        for each in render(stack)
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "support-llama"
    )
    holds = hardware_of(deployment["spec"]["template"])
    assert holds
    model = stack.self_hosted[0]
    name = model.hosted.accelerator.class_
    known = classes(offered("nvidia-l4", "0.80"))
    estimated = tuple(each for each in a_replica(stack, prices()) if each.component == "model/llama")
    assert a_pod("model/llama", holds, name, known, prices()) == estimated
