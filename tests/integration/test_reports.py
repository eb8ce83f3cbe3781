"""What policies find, as objects of the cluster: written at a change, put back, gone with their reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import controllers
from tests.controllers import eventually
from tests.controlplane import ControlPlane
from tests.judged import OPEN, REPORTS, Judged, defined
from tests.stacks import stack

OWNED: dict[str, Any] = {"governance": {"owner": "care@acme.example"}}


@pytest.fixture(scope="module")
def reporting(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A controller in a cluster that has OpenReports."""
    folder = Path(tmp_path_factory.mktemp("controller"))
    with defined(installed, OPEN, REPORTS), controllers.controller(installed, folder):
        yield


@pytest.mark.usefixtures("reporting")
def test_a_stack_that_runs_has_a_report_and_documents_that_say_what_was_found(judged: Judged) -> None:
    judged.stacks.apply(stack())
    judged.says(owner="fail", named="pass")
    eventually(judged.documents, "there are documents")
    report = judged.report()
    (owner,) = report["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("AIStack", "support")
    assert report["scope"]["uid"] == owner["uid"]
    assert report["summary"] == {"pass": 1, "fail": 1, "warn": 0, "error": 0, "skip": 0}
    (broken,) = [row for row in report["results"] if row["rule"] == "owner"]
    assert (broken["policy"], broken["severity"]) == (judged.name, "high")
    assert broken["message"] == "Nobody answers for it; not set"
    assert broken["properties"]["instead"] == "Write governance.owner."
    assert "Nobody answers for it" in judged.documents()["compliance.md"]
    assert json.loads(judged.documents()["compliance.oscal.json"])["assessment-results"]["results"]
    assert json.loads(judged.documents()["cost.json"])["object"].endswith("/support")
    eventually(lambda: judged.status().get("records", {}).get("configMap"), "the status names them")
    assert judged.status()["records"]["configMap"] == "support-records"
    assert judged.status()["policy"]["report"] == "support"


@pytest.mark.usefixtures("reporting")
def test_each_is_written_once_however_often_the_stack_is_looked_at(judged: Judged) -> None:
    audit = judged.stacks.cluster.audit
    mark = audit.mark()
    for environment in ("development", "staging", "production"):
        judged.stacks.apply(stack(environment=environment))
        eventually(lambda: judged.stacks.condition("support"), "the change is taken in")
    written = [
        request.resource
        for request in audit.requests(mark, user=controllers.USER)
        if request.is_write
        and request.namespace == judged.stacks.namespace
        and (request.resource, request.name) in {("reports", "support"), ("configmaps", "support-records")}
    ]
    assert sorted(written) == ["configmaps", "reports"]


@pytest.mark.usefixtures("reporting")
def test_it_follows_what_changes_and_what_does_not_change_is_not_written(judged: Judged) -> None:
    judged.stacks.apply(stack())
    judged.says(owner="fail", named="pass")
    eventually(judged.documents, "there are documents")
    before = judged.report()
    judged.held_to(params={"looked": ["again"]})
    judged.stacks.apply(stack(environment="staging"))
    eventually(lambda: judged.stacks.condition("support"), "the change is taken in")
    assert judged.report()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    judged.held_to(action="Warn")
    judged.says(owner="warn", named="pass")
    judged.stacks.apply(stack(**OWNED))
    judged.says(owner="pass", named="pass")
    eventually(
        lambda: "owner" not in judged.documents()["compliance.md"].split("| passed")[0], "so do documents"
    )


@pytest.mark.usefixtures("reporting")
def test_a_stack_that_is_refused_has_a_report_and_no_other_object(judged: Judged) -> None:
    judged.held_to(action="Deny")
    judged.stacks.apply(stack())
    judged.stacks.wait_reason("support", "PolicyViolated")
    judged.says(owner="fail", named="pass")
    assert judged.stacks.children() == {}
    judged.stacks.cluster.kubectl("label", "aistack/support", f"--namespace={judged.stacks.namespace}", "a=b")
    judged.held_to(action="Deny", onViolation="Report")
    judged.stacks.wait_reason("support", "PolicyViolated")
    assert judged.stacks.children() == {}, "a report is not something that runs"


@pytest.mark.usefixtures("reporting")
def test_what_somebody_edits_is_put_back_and_what_nobody_wants_is_gone(judged: Judged) -> None:
    cluster, place = judged.stacks.cluster, f"--namespace={judged.stacks.namespace}"
    judged.stacks.apply(stack())
    judged.says(owner="fail", named="pass")
    eventually(judged.documents, "there are documents")
    cluster.kubectl("patch", OPEN, "support", place, "--type=merge", '--patch={"results":[]}')
    cluster.kubectl("delete", "configmap", "support-records", place)
    judged.says(owner="fail", named="pass")
    eventually(judged.documents, "the documents are back")
    judged.released()
    eventually(lambda: not judged.report() and not judged.documents(), "without a policy there are none")
    eventually(lambda: "records" not in judged.status(), "nor is there a word of them")
