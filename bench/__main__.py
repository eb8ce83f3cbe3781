"""`python -m bench`: every measure as a table on the terminal, and as JSON and Markdown in a folder."""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from bench.admission import admission
from bench.budgets import versions
from bench.creation import creation, quieten
from bench.measure import Measure, table
from bench.metering import metering
from bench.readiness import readiness
from bench.reserving import reserving
from bench.reviews import reviews
from bench.scene import Scene
from bench.upkeep import upkeep
from tests import controllers
from tests.conftest import CRDS
from tests.controlplane import control_plane
from tests.controlplane.definitions import wait_until_served

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: Mapping[int, int]
    """Rounds of the comparison with the raw writer, by the number of stacks."""
    kept: int
    """The number of stacks that live on after their comparison, for what keeping them costs."""
    ready: int
    """How many stacks are brought to Ready; they live on too."""
    idle_seconds: float


WHOLE = Plan({1: 10, 100: 5, 1000: 1}, kept=1000, ready=100, idle_seconds=30)
QUICK = Plan({1: 2, 20: 1}, kept=0, ready=5, idle_seconds=5)


def measured(plan: Plan) -> Iterator[Measure]:
    """Reviews, budgets and metering, which need no cluster; admission; then each number of stacks against a
    control plane of its own, whose etcd waits for the disk."""
    yield from reviews(max(plan.rounds.values()))
    yield from versions(max(plan.rounds.values()))
    yield from metering(max(plan.rounds.values()))
    with _scene() as scene:
        quieten(scene.cluster)
        yield from admission(scene, max(plan.rounds.values()))
        yield from reserving(scene, max(plan.rounds.values()))
    for count, rounds in plan.rounds.items():
        with _scene() as scene:
            quieten(scene.cluster)
            measures, namespace = creation(scene, count, rounds)
            yield from measures
            if count == plan.kept:
                yield from upkeep(scene, namespace, count, plan.idle_seconds)
    with _scene(nodes=1 + plan.ready // 10) as scene:
        measures, namespace = readiness(scene, plan.ready)
        yield from measures
        yield from upkeep(scene, namespace, plan.ready, plan.idle_seconds)


@contextmanager
def _scene(nodes: int = 1) -> Iterator[Scene]:
    with control_plane(nodes=nodes, fsync=True) as cluster, TemporaryDirectory() as folder:
        cluster.kubectl("apply", "--server-side", f"--filename={CRDS}")
        wait_until_served(cluster.kubectl, "crd", "--all")
        controllers.install(cluster)
        yield Scene(cluster, Path(folder))


def machine() -> str:
    """The processor, how many of them, and the system."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    parts = (
        f"{os.cpu_count()} cores",
        models[0] if models else platform.processor(),
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
    )
    return ", ".join(parts)


def revision() -> str:
    """The commit that is measured, with a mark when files differ from it."""
    argv = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def write(folder: Path, measures: Sequence[Measure], now: datetime, load: float) -> Path:
    """One JSON and one Markdown file, named by the time; the Markdown's path.

    `load` is the machine's load average before: on a busy one the numbers say little.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "time": now.isoformat(timespec="seconds"),
        "commit": revision(),
        "machine": machine(),
        "load": f"{load:.1f} before the first measure",
    }
    name = now.strftime("%Y-%m-%dT%H-%M-%SZ")
    rows = [asdict(each) | {"verdict": each.verdict} for each in measures]
    content = orjson.dumps(about | {"measures": rows}, option=orjson.OPT_INDENT_2)
    (folder / f"{name}.json").write_bytes(content)
    report = folder / f"{name}.md"
    head = "\n".join(f"- {what}: {value}" for what, value in about.items())
    report.write_text(f"{head}\n\n{table(measures)}\n")
    return report


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    plan = QUICK if options.quick else WHOLE
    rounds = {count: options.rounds or plan.rounds.get(count, 1) for count in options.stacks or plan.rounds}
    begun, load, measures = time.monotonic(), os.getloadavg()[0], []
    for measure in measured(replace(plan, rounds=rounds)):
        measures.append(measure)
        print(f"{time.monotonic() - begun:6.0f} s  {table([measure]).splitlines()[-1]}", flush=True)
    report = write(options.output, measures, datetime.now(UTC), load)
    print(f"\n{report.read_text()}\nwritten to {report}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 and 20 stacks only: in about a minute")
    parser.add_argument("--stacks", type=_numbers, help="how many stacks, as 1,100,1000")
    parser.add_argument("--rounds", type=int, help="how often each number of stacks is created")
    parser.add_argument("--output", type=Path, default=ROOT / "bench/results", help="a folder")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
