"""The benchmark itself, as small as it goes: what it counts is what happened. No time is asserted."""

from datetime import UTC, datetime
from pathlib import Path

import orjson

from bench.__main__ import Plan, measured, write

COUNTS = {
    "create: children a stack": 12,
    "create: writes a stack": 13,
    "create: of these, of its status": 1,
    "create: reads a stack": 0,
    "restart: writes to stacks that were there": 0,
    "idle: writes besides the Lease": 0,
    "apply again: writes": 0,
    "update: children that it changes, a stack": 1,
    "policy: writes a stack": 3,
    "delete: writes a stack": 0,
}


def test_a_small_benchmark_counts_what_happened(tmp_path: Path) -> None:
    measures = list(measured(Plan({2: 1}, kept=2, ready=1, idle_seconds=1)))
    found = {(each.what, each.stacks): each.value for each in measures}
    assert {what: found[what, 2] for what in COUNTS} == COUNTS
    assert found["create: ours / raw", 2] > 0
    assert found["admission: 43 rules, the webhook / nobody asked: half within", 1] > 0
    assert found["admission: the webhook: its own CPU a request", 1] > 0
    assert found["budget: one by one: writes of the budget a request", 1] == 1
    assert 0 < found["budget: 64 at once: writes of the budget a request", 1] < 1
    assert found["budget: 64 at once, under a budget / under none: half within", 1] > 0
    assert found["budget: CPU of a write for one request", 4900] > 0
    assert found["ready: reads a stack", 1] == 0
    assert found["ready: children → stack, 99 % within", 1] > 0

    report = write(tmp_path, measures, datetime(2026, 11, 1, tzinfo=UTC), load=0.0)
    assert "| create: writes a stack | 2 | 13 |" in report.read_text()
    content = orjson.loads(report.with_suffix(".json").read_bytes())
    assert len(content["measures"]) == len(measures)
