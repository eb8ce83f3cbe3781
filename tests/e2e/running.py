"""A whole run: everything up, the scenarios, a report in Markdown, everything down."""

import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.controlplane.progress import say
from tests.e2e import world
from tests.e2e.world import World

WORLD = pytest.StashKey[World]()
"""What the fixture `world` hands to the scenarios."""
SCENARIOS = Path(__file__).parent
LONGEST_SCENARIO = 900  # seconds
LONGEST_CELL = 400  # characters
SEEN = "seen"
"""The property of a test that says what it measured."""
Seen = Callable[[str], None]
"""The fixture `seen`, which writes it."""
SIGNS = {"passed": "✓", "failed": "✗", "skipped": "-"}


@dataclass(frozen=True)
class Row:
    """One scenario."""

    title: str
    outcome: str
    seconds: float
    """With what it waited for before its first step."""
    seen: str
    """What was measured, or why it failed; one line."""


@dataclass
class Report:
    """What happened to each scenario, and how long it took; a plugin of pytest."""

    world: World
    up_after: float
    """Seconds until all was up."""
    rows: list[Row] = field(default_factory=list)
    _waited: float = 0.0

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[WORLD] = self.world

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._waited = report.duration + (0.0 if report.when == "setup" else self._waited)
        if report.outcome == "failed":
            say(f"\n{report.longreprtext}")
        if report.when == "call" or report.outcome != "passed":
            seen = "; ".join(str(value) for name, value in report.user_properties if name == SEEN)
            self.rows.append(Row(_title(report), report.outcome, self._waited, _complaint(report) or seen))

    def text(self, took: float) -> str:
        failed = sum(row.outcome == "failed" for row in self.rows)
        lines = [
            f"| {SIGNS[row.outcome]} | {row.title} | {row.seconds:.0f} s | {_cell(row.seen)} |"
            for row in self.rows
        ]
        head = (
            f"{len(self.rows)} scenarios, {failed or 'none'} failed. All was up after {self.up_after:.0f} s, "
        )
        table = "\n".join(["| | scenario | took | seen |", "|---|---|---|---|", *lines])
        return f"# On a real node\n\n{head}and over after {took:.0f} s.\n\n{table}\n"


def _title(report: pytest.TestReport) -> str:
    return report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _complaint(report: pytest.TestReport) -> str:
    """The first line of what an assertion said, or why the scenario was skipped."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2]
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message.splitlines()[0] if crash else ""


def _cell(text: str) -> str:
    """As it can stand in a table of Markdown."""
    return textwrap.shorten(text, LONGEST_CELL).replace("|", "\\|")


def run(folder: Path, report_to: Path, tests: list[str], *, keep: bool) -> int:
    """0 when every scenario passed. What is up stays after a failure of `up`, to be looked at."""
    began = time.monotonic()
    report = Report(world.up(folder), time.monotonic() - began)
    names, patience = "--override-ini=python_files=scenario_*.py", f"--timeout={LONGEST_SCENARIO}"
    shown = ["--capture=no", "--verbose", "--tb=short", "--no-summary"]
    try:
        code = pytest.main(
            [names, patience, *shown, "-p", "no:cacheprovider", *(tests or [str(SCENARIOS)])],
            plugins=[report],
        )
    finally:
        report_to.write_text(report.text(time.monotonic() - began))
        say(report_to.read_text())
        if not keep:
            world.down(folder)
    return int(code != pytest.ExitCode.OK)
