"""What holds for every object of every golden case, whatever part it belongs to."""

from pathlib import Path

import pytest

from aistack.kinds import CHILD_KINDS, Manifest, kind_of
from aistack.labels import STACK_LABEL
from tests.golden import UID, cases, manifests, resolved

CHILDREN = [(case.name, each) for case in cases() for each in manifests(case)]
each_child = pytest.mark.parametrize(
    "child",
    [each for _, each in CHILDREN],
    ids=[f"{case}-{each['kind']}-{each['metadata']['name']}" for case, each in CHILDREN],
)
WORKLOADS = [(case, each) for case, each in CHILDREN if each["kind"] == "Deployment"]
each_workload = pytest.mark.parametrize(
    "workload",
    [each for _, each in WORKLOADS],
    ids=[f"{case}-{each['metadata']['name']}" for case, each in WORKLOADS],
)


def containers(workload: Manifest) -> list[Manifest]:
    pod = workload["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


@each_child
def test_it_is_one_of_the_kinds_that_the_operator_may_write(child: Manifest) -> None:
    assert kind_of(child) in CHILD_KINDS


@each_child
def test_it_is_owned_by_its_stack_and_found_by_its_label(child: Manifest) -> None:
    (owner,) = child["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("AIStack", UID, True)
    assert child["metadata"]["labels"][STACK_LABEL] == owner["name"]


@each_child
def test_its_name_and_labels_fit_kubernetes(child: Manifest) -> None:
    assert len(child["metadata"]["name"]) <= 253
    assert all(len(value) <= 63 for value in child["metadata"]["labels"].values())


@each_workload
def test_its_pods_carry_what_selects_them(workload: Manifest) -> None:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()


@each_workload
def test_it_runs_without_privileges_and_without_a_token(workload: Manifest) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(workload):
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


@each_workload
def test_no_shell_is_started(workload: Manifest) -> None:
    for container in containers(workload):
        argv = [*container.get("command", []), *container.get("args", [])]
        assert not {"sh", "bash", "/bin/sh", "/bin/bash"} & set(argv)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert "exec" not in container.get(probe, {})


@each_workload
def test_every_container_says_what_it_needs(workload: Manifest) -> None:
    for container in containers(workload):
        assert container["resources"].get("requests") or container["resources"].get("limits")


def test_a_suspended_stack_keeps_everything_but_its_pods() -> None:
    case = next(case for case in cases() if case.name == "suspended")
    rendered = manifests(case)
    deployments = [each for each in rendered if each["kind"] == "Deployment"]
    assert deployments
    assert all(each["spec"]["replicas"] == 0 for each in deployments)
    assert {"PersistentVolumeClaim", "Service", "ConfigMap"} <= {each["kind"] for each in rendered}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_nothing_in_a_golden_case_is_refused(case: Path) -> None:
    assert resolved(case).problems == ()
