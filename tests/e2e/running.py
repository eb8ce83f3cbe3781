"""A whole run: everything up, the scenarios, a report in Markdown, everything down."""

import time
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
SIGNS = {"passed": "✓", "failed": "✗", "skipped": "-"}


@dataclass
class Report:
    """What happened to each scenario, and how long it took; a plugin of pytest."""

    world: World
    rows: list[tuple[str, str, float]] = field(default_factory=list)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[WORLD] = self.world

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            title = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            self.rows.append((title, report.outcome, report.duration))

    def text(self, took: float) -> str:
        head = f"# On a real node\n\n{len(self.rows)} scenarios in {took:.0f} s, "
        lines = [f"| {SIGNS[outcome]} | {title} | {seconds:.0f} s |" for title, outcome, seconds in self.rows]
        table = "\n".join(["| | scenario | took |", "|---|---|---|", *lines])
        failed = sum(outcome != "passed" for _, outcome, _ in self.rows)
        return f"{head}{failed or 'none'} failed.\n\n{table}\n"


def run(folder: Path, report_to: Path, tests: list[str], *, keep: bool) -> int:
    """0 when every scenario passed. What is up stays after a failure of `up`, to be looked at."""
    began = time.monotonic()
    report = Report(world.up(folder))
    names, patience = "--override-ini=python_files=scenario_*.py", f"--timeout={LONGEST_SCENARIO}"
    options = [names, patience, "--capture=no", "--verbose", "--tb=short", "-p", "no:cacheprovider"]
    try:
        code = pytest.main([*options, *(tests or [str(SCENARIOS)])], plugins=[report])
    finally:
        report_to.write_text(report.text(time.monotonic() - began))
        say(report_to.read_text())
        if not keep:
            world.down(folder)
    return int(code != pytest.ExitCode.OK)
