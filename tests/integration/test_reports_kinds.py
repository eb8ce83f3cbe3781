"""A cluster with another kind for reports than OpenReports', and one with none."""

from pathlib import Path

from tests import controllers
from tests.controllers import eventually
from tests.controlplane import ControlPlane
from tests.judged import OLDER, Judged, defined, sketch
from tests.stacks import stack


def test_where_only_the_older_kind_is_it_is_written(
    installed: ControlPlane, judged: Judged, tmp_path: Path
) -> None:
    with defined(installed, OLDER, sketch()), controllers.controller(installed, tmp_path):
        judged.stacks.apply(stack())
        judged.says(OLDER, owner="fail", named="pass")


def test_without_a_kind_for_reports_the_documents_are_there(
    installed: ControlPlane, judged: Judged, tmp_path: Path
) -> None:
    with controllers.controller(installed, tmp_path):
        judged.stacks.apply(stack())
        eventually(judged.documents, "there are documents")
        eventually(lambda: "records" in judged.status(), "the status names them")
        assert "report" not in judged.status()["policy"]
