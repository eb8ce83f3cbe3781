"""While nobody of the operator answers, the API server itself refuses what a policy denies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import controllers
from tests.controllers import NAMESPACE, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process
from tests.stacks import API_VERSION, stack

BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "aistack-admission-policies"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "aistack-admission-policies",
    },
    "subjects": [{"kind": "ServiceAccount", "name": "aistack-controller", "namespace": NAMESPACE}],
}
OWNER = {
    "id": "owner",
    "expression": "has(object.spec.governance) && has(object.spec.governance.owner)",
    "message": "Nobody answers for it.",
    "remediation": "Write spec.governance.owner.",
}
TIERED = {
    "id": "tier",
    "expression": "object.spec.?governance.?riskTier.orValue('') in params.tiers",
    "message": "Its risk is unknown.",
}
IN_CONTINENT = {"id": "regions", "expression": "!('unknown' in facts.regions)", "message": "It is somewhere."}
FINE: dict[str, Any] = {"governance": {"owner": "care@acme.example", "riskTier": "minimal"}}


@pytest.fixture(scope="module", autouse=True)
def controller(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    installed.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(BINDING))
    folder = Path(tmp_path_factory.mktemp("controller"))
    settings = {"AISTACK_ADMISSION_POLICIES": "on", "AISTACK_RESYNC_SECONDS": "10"}
    with controllers.controller(installed, folder, **settings) as process:
        yield process


class Governed:
    """A policy on the stacks of one namespace, and what the API server says to those stacks."""

    def __init__(self, stacks: Stacks) -> None:
        self.cluster, self.namespace = stacks.cluster, stacks.namespace
        self.name = f"held-{self.namespace}"
        self.compiled = f"aistack-{self.name}"

    def policy(self, **spec: Any) -> dict[str, Any]:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        return {
            "apiVersion": API_VERSION,
            "kind": "AIPolicy",
            "metadata": {"name": self.name},
            "spec": {
                "action": "Deny",
                "match": {"namespaceSelector": selector},
                "params": {"tiers": ["minimal", "limited"]},
                "rules": [OWNER, TIERED, IN_CONTINENT],
                **spec,
            },
        }

    def apply(self, obj: dict[str, Any]) -> None:
        self.cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(obj))

    def told(self, **spec: Any) -> str:
        """The answer to creating a stack, without creating it."""
        obj = stack(**spec)
        obj["metadata"] = {"name": "support", "namespace": self.namespace}
        return self.cluster.kubectl(
            "create", "--dry-run=server", "--filename=-", input=json.dumps(obj), check=False
        )

    def denies(self) -> bool:
        return f"{self.name}/owner" in self.told()

    def exists(self) -> bool:
        kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
        return self.compiled in self.cluster.kubectl("get", kinds, "--output=name")


@pytest.fixture
def governed(stacks: Stacks) -> Iterator[Governed]:
    found = Governed(stacks)
    found.apply(found.policy())
    eventually(found.denies, "the API server denies")
    yield found
    found.cluster.kubectl("delete", "aipolicy", found.name, "--ignore-not-found")


def test_all_that_the_object_breaks_is_told_in_one_answer(governed: Governed) -> None:
    told = governed.told()
    assert f"{governed.name}/owner (medium): Nobody answers for it; Write spec.governance.owner." in told
    assert f"{governed.name}/tier (medium): Its risk is unknown" in told
    assert f"{governed.name}/regions" not in told, "what needs facts is the webhook's"
    assert "created (server dry run)" in governed.told(**FINE)


def test_an_exception_lets_a_stack_in_until_it_is_gone(governed: Governed) -> None:
    waiver = {
        "apiVersion": API_VERSION,
        "kind": "AIPolicyException",
        "metadata": {"name": "for-now", "namespace": governed.namespace},
        "spec": {
            "policies": [{"name": governed.name, "rules": ["owner", "tier"]}],
            "stacks": ["support"],
            "reason": "the team is being formed",
            "ticket": "GOV-1",
            "approvedBy": "governance@acme.example",
            "expiresAt": "2099-01-01T00:00:00Z",
        },
    }
    governed.apply(waiver)
    eventually(lambda: "created" in governed.told(), "the exception lets it in")
    governed.cluster.kubectl("delete", "aipolicyexception", "for-now", f"--namespace={governed.namespace}")
    eventually(governed.denies, "without the exception it is denied")


def test_a_policy_that_no_longer_denies_or_is_gone_leaves_nothing_behind(governed: Governed) -> None:
    governed.apply(governed.policy(action="Audit"))
    eventually(lambda: not governed.exists(), "what only reports is removed")
    governed.apply(governed.policy())
    eventually(governed.exists, "it is back")
    governed.cluster.kubectl("delete", "aipolicy", governed.name)
    eventually(lambda: not governed.exists(), "it goes with its policy")


def test_somebody_who_edits_or_deletes_it_finds_it_put_back(governed: Governed) -> None:
    cluster, name = governed.cluster, governed.compiled
    harmless = json.dumps({"spec": {"validations": [{"expression": "true"}]}})
    cluster.kubectl("patch", "validatingadmissionpolicy", name, "--type=merge", f"--patch={harmless}")
    cluster.kubectl("delete", "validatingadmissionpolicybinding", name)
    eventually(governed.denies, "it denies again")


def test_a_stack_that_runs_can_be_switched_off_whatever_it_breaks(governed: Governed) -> None:
    governed.apply(governed.policy(action="Audit"))
    eventually(lambda: not governed.denies(), "it is let in")
    obj = stack()
    obj["metadata"] = {"name": "support", "namespace": governed.namespace}
    governed.cluster.kubectl("create", "--filename=-", input=json.dumps(obj))
    governed.apply(governed.policy())
    eventually(governed.denies, "the API server denies")

    def patched(spec: dict[str, Any]) -> str:
        return governed.cluster.kubectl(
            "patch",
            "aistack",
            "support",
            f"--namespace={governed.namespace}",
            "--type=merge",
            f"--patch={json.dumps({'spec': spec})}",
            check=False,
        )

    assert f"{governed.name}/owner" in patched({"environment": "staging"})
    assert "patched" in patched({"suspend": True})
    assert f"{governed.name}/owner" in patched({"suspend": False})
