"""An AIBudget of a newer version, on a real API server: who can't read it lets nothing new run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import budgets
from tests.controllers import Stacks, eventually
from tests.controlplane import ControlPlane
from tests.stacks import tiny

pytestmark = pytest.mark.usefixtures("controller")

CRDS = Path(__file__).parents[2] / "crds"
ENFORCEMENTS = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/enforcement/enum/-"


@pytest.fixture
def newer(installed: ControlPlane) -> Iterator[ControlPlane]:
    """With a CRD that knows one way more to enforce a budget."""
    crd = "aibudgets.aistack.dev"
    change = [{"op": "add", "path": ENFORCEMENTS, "value": "Postpone"}]
    installed.kubectl("patch", "crd", crd, "--type=json", f"--patch={json.dumps(change)}")
    yield installed
    installed.kubectl("delete", "aibudget", "postponing", "--ignore-not-found")
    file = CRDS / "aibudgets.yaml"
    installed.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={file}")


def test_nothing_new_runs_under_it_and_what_runs_goes_on(stacks: Stacks, newer: ControlPlane) -> None:
    stacks.apply(tiny("running"))
    stacks.wait_ready("running")
    place = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stacks.namespace}}}
    budget = budgets.manifest("postponing", enforcement="Postpone", selector=place)
    eventually(
        lambda: (
            "serverside-applied"
            in newer.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(budget), check=False)
        ),
        "the API server takes it",
    )
    eventually(
        lambda: (
            "Unreadable"
            in newer.kubectl(
                "get", "events", "--namespace=default", "--field-selector=involvedObject.name=postponing"
            )
        ),
        "an event on the budget says so",
    )
    stacks.apply(tiny("coming"))
    message = stacks.wait_reason("coming", "Unreadable")
    assert "AIBudget postponing can't be read by this version of the operator" in message
    assert 'spec.enforcement: is "Postpone": write' in message
    assert not [name for _, name in stacks.children() if name.startswith("coming")]
    stacks.wait_ready("running")
    newer.kubectl("delete", "aibudget", "postponing")
    stacks.wait_ready("coming")
