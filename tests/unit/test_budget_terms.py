"""What is wrong with a budget itself is refused when it comes, and said of one that came otherwise."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aistack.admission.request import AdmissionReview
from aistack.admission.review import Verdict, review
from aistack.budget import Ledger
from aistack.platform import Platform
from aistack.status import of_budget
from tests import reviews
from tests.budgets import budget, manifest
from tests.stacks import catalog

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def judged(**spec: Any) -> Verdict:
    return review(
        AdmissionReview.model_validate(reviews.review(manifest(**spec))).request, Platform(catalog())
    )


def test_a_budget_with_a_time_zone_and_thresholds_is_taken() -> None:
    thresholds = [{"percent": 80, "action": "Warn"}, {"percent": 120, "action": "Stop"}]
    assert judged(timeZone="Europe/Berlin", thresholds=thresholds).allowed


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "Europe"])
def test_a_time_zone_that_nobody_knows_is_refused_and_said(zone: str) -> None:
    (line,) = judged(timeZone=zone).problems
    assert line.startswith(f"spec.timeZone: there is no time zone {zone}; write one such as")
    stored = budget(timeZone=zone)
    said = [(item.type, item.reason) for item in of_budget(stored, Ledger.of(stored), NOW).conditions]
    assert ("Metered", "InvalidSpec") in said
