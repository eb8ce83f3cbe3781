"""While nobody of the operator answers, the API server itself refuses what a policy denies."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import controllers
from tests.controllers import NAMESPACE, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process, end
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
KIND = {
    name.lower(): {"apiVersion": "admissionregistration.k8s.io/v1", "kind": name}
    for name in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
}
NO_STACK = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
ADDITIONS: dict[str, Any] = {
    "validatingadmissionpolicy": {"matchConditions": [{"name": "never", "expression": "false"}]},
    "validatingadmissionpolicybinding": {"matchResources": {"excludeResourceRules": [NO_STACK]}},
}
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

    def exists(self, suffix: str = "") -> bool:
        """Whether it has any of its objects; with a suffix, another policy of that name."""
        found = self.cluster.kubectl("get", ",".join(KIND), "--output=name").split()
        return any(each.endswith(f"/{self.compiled}{suffix}") for each in found)

    def looked_at(self) -> None:
        """Has the controller look sooner than at the next resync."""
        self.cluster.kubectl("annotate", "aipolicy", self.name, f"now={time.time_ns()}", "--overwrite")

    def get(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.cluster.kubectl("get", kind, self.compiled, "--output=json"))
        return found


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


@pytest.mark.parametrize("kind", ADDITIONS)
def test_what_somebody_adds_to_it_is_taken_out_again(governed: Governed, kind: str) -> None:
    before = governed.get(kind)["spec"]
    added = {**KIND[kind], "metadata": {"name": governed.compiled}, "spec": ADDITIONS[kind]}
    governed.cluster.kubectl(
        "apply", "--server-side", "--field-manager=somebody", "--filename=-", input=json.dumps(added)
    )
    governed.looked_at()
    eventually(lambda: governed.get(kind)["spec"] == before, "it is as it was")
    eventually(governed.denies, "it denies again")


def test_without_its_label_it_is_still_kept(governed: Governed) -> None:
    kind = "validatingadmissionpolicy"
    harmless = {
        "metadata": {"labels": {"app.kubernetes.io/component": None}},
        "spec": {"validations": [{"expression": "true"}]},
    }
    before = governed.get(kind)
    governed.cluster.kubectl(
        "patch", kind, governed.compiled, "--type=merge", f"--patch={json.dumps(harmless)}"
    )
    governed.looked_at()
    eventually(lambda: governed.get(kind)["spec"] == before["spec"], "it is as it was")
    assert governed.get(kind)["metadata"]["labels"] == before["metadata"]["labels"]


def test_what_nobody_edits_is_not_written_again(governed: Governed) -> None:
    def versions() -> list[str]:
        return [governed.get(kind)["metadata"]["resourceVersion"] for kind in KIND]

    before, second = versions(), governed.policy()
    second["metadata"]["name"] = f"{governed.name}-too"
    governed.apply(second)
    eventually(lambda: governed.exists("-too"), "the next one is there")
    governed.cluster.kubectl("delete", "aipolicy", second["metadata"]["name"])
    eventually(lambda: not governed.exists("-too"), "the next one is gone")
    assert versions() == before


def test_a_stack_that_runs_can_be_switched_off_whatever_it_breaks_and_changed_to_break_no_further_rule(
    governed: Governed,
) -> None:
    governed.apply(governed.policy(action="Audit"))
    eventually(lambda: not governed.denies(), "it is let in")
    obj = stack(governance={"riskTier": "minimal"})
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

    assert "patched" in patched({"environment": "staging"})
    worse = patched({"governance": {"riskTier": None}})
    assert f"{governed.name}/tier" in worse
    assert f"{governed.name}/owner" not in worse
    assert "patched" in patched({"suspend": True})
    assert f"{governed.name}/owner" in patched({"suspend": False})


def test_switched_off_it_is_told_what_is_left_and_how_to_remove_it(
    governed: Governed, controller: Process, tmp_path: Path
) -> None:
    end(controller)
    with controllers.controller(governed.cluster, tmp_path) as without:
        eventually(lambda: governed.compiled in without.tail(), "it tells of what is left", without)
        told = without.tail()
    assert "admissionPolicies is off" in told
    (command,) = re.findall(r"`kubectl (delete [^`]+)`", told)
    governed.cluster.kubectl(*command.split())
    assert not governed.exists()
