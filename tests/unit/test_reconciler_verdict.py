"""What a run says of policies where the newest spec can't be served: they are asked of it all the same."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aistack.govern import Policies
from aistack.kinds import Kind, Manifest
from aistack.observed import Observed
from aistack.platform import Platform
from aistack.reconciler import Outcome, reconcile
from tests.budget_server import Server
from tests.rulebook import policy
from tests.stacks import catalog, stack

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
UNSERVED: dict[str, Any] = {"gateway": {"expose": {"type": "ClusterIP", "host": "support.example"}}}
UNKNOWN: dict[str, Any] = {"gateway": {"routes": [{"name": "chat", "targets": [{"model": "nobody"}]}]}}
WRITTEN = {"applied": "as-it-is", "owned": "by-it"}
RUNS: Manifest = {
    "policy": {"passed": 1, "failed": 0, "warned": 0, "waived": 0, "broken": [], "report": "support"},
    "records": {
        "digest": "abc",
        "since": "2026-11-01T00:00:00Z",
        "objects": [{"kind": "Report", "name": "support", **WRITTEN}],
    },
    "inventory": [{"kind": "Service", "name": "support-llama", **WRITTEN}],
    "conditions": [
        {
            "type": "PolicyCompliant",
            "status": "True",
            "reason": "PoliciesKept",
            "lastTransitionTime": "2026-11-01T00:00:00Z",
        }
    ],
}


class Cluster(Server):
    """An API server that takes the status of one stack, and nothing else."""

    status: Mapping[str, Any]

    async def replace_status(
        self,
        kind: Kind,  # noqa: ARG002  Kube's
        namespace: str,  # noqa: ARG002
        name: str,  # noqa: ARG002
        *,
        status: Mapping[str, Any],
        **fields: Any,  # noqa: ARG002
    ) -> Manifest:
        self.status = status
        return {}

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:  # noqa: ARG002  events only
        return manifest


async def run(**spec: Any) -> tuple[Mapping[str, Any], Outcome]:
    """The status of a stack that ran, and what is counted of it, once it asks for `spec` and has no owner."""
    cluster, made = Cluster(), stack(**spec)
    meta = {"resourceVersion": "2", "generation": 2, "creationTimestamp": NOW.isoformat()}
    asked = {**made, "metadata": {**made["metadata"], **meta}, "status": RUNS}
    platform = Platform(catalog(), policies=Policies([policy()], now=NOW))
    outcome = await reconcile(asked, Observed(), platform, cluster, NOW, accounts=cluster.accounts())
    return cluster.status, outcome


async def test_a_spec_that_can_not_be_served_is_judged_and_counted_all_the_same() -> None:
    status, outcome = await run(**UNSERVED)
    said = {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}
    assert said["Ready"] == ("False", "NotSupported")
    assert said["PolicyCompliant"] == ("False", "PolicyViolated")
    assert status["policy"] == {**RUNS["policy"], "passed": 0, "failed": 1}, "what runs breaks nothing"
    assert outcome.results == {("mine", "failed"): 1}


async def test_a_spec_that_can_not_be_judged_leaves_what_was_said_and_counted() -> None:
    status, outcome = await run(**UNKNOWN)
    said = {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}
    assert said["PolicyCompliant"] == ("True", "PoliciesKept")
    assert status["policy"] == RUNS["policy"]
    assert outcome.results is None
