"""Kubernetes takes what the golden cases are rendered to, every field of it, at its strictest level."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import controllers
from tests.controlplane import ControlPlane
from tests.golden import cases, manifests


@pytest.fixture
def restricted(cluster: ControlPlane, namespace: str) -> str:
    """A namespace whose Pod Security level is `restricted`, and which warns of workloads that break it."""
    level = "pod-security.kubernetes.io"
    labels = (f"{level}/enforce=restricted", f"{level}/warn=restricted")
    cluster.kubectl("label", "namespace", namespace, *labels)
    return namespace


@pytest.fixture(scope="module", autouse=True)
def _gateway_api(cluster: ControlPlane) -> Iterator[None]:
    with controllers.gateway_api(cluster):
        yield


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_object_of_a_case_is_taken_without_a_warning(
    cluster: ControlPlane, restricted: str, case: Path
) -> None:
    objects = [each | {"metadata": each["metadata"] | {"namespace": restricted}} for each in manifests(case)]
    answer = cluster.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--filename=-",
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
        check=False,
    )
    lines = answer.splitlines()
    assert len([line for line in lines if "serverside-applied" in line]) == len(objects), answer
    assert [line for line in lines if "serverside-applied" not in line] == []


def test_a_workload_that_is_not_restricted_would_be_warned_of(cluster: ControlPlane, restricted: str) -> None:
    workload = next(each for each in manifests(cases()[0]) if each["kind"] == "Deployment")
    workload["metadata"]["namespace"] = restricted
    workload["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"] = {}
    answer = cluster.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--filename=-",
        input=json.dumps(workload),
        check=False,
    )
    assert "would violate PodSecurity" in answer
