"""Processes are ended by their id, and never another process that got the id later."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.controlplane import process
from tests.controlplane.process import Process, end, launch, note, noted

SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
IGNORES_TERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """What the test starts; all of it is ended."""
    processes: list[Process] = []
    yield processes
    for each in processes:
        end(each)


def start(processes: list[Process], argv: list[str], folder: Path) -> Process:
    """Starts a process, and waits until it has said that it is up."""
    one = launch("sleeper", argv, folder / "sleeper.log", port=0)
    processes.append(one)
    while one.tail() != "up":
        assert one.running(), one.tail()
    return one


def as_seen_by_another_process(one: Process, folder: Path) -> Process:
    note(folder / "processes.json", [one])
    (seen,) = noted(folder / "processes.json")
    assert seen.child is None
    return seen


def test_another_process_sees_that_it_runs_and_ends_it(tmp_path: Path, started: list[Process]) -> None:
    one = start(started, SLEEPS, tmp_path)
    seen = as_seen_by_another_process(one, tmp_path)
    assert seen == one
    assert seen.running()
    end(seen)
    assert not seen.running()
    assert not one.running()


def test_a_process_that_got_the_id_later_is_left_alone(tmp_path: Path, started: list[Process]) -> None:
    later = start(started, SLEEPS, tmp_path)
    before = replace(as_seen_by_another_process(later, tmp_path), command="etcd --data-dir=/gone")
    assert not before.running()
    end(before)
    assert later.running()


def test_a_process_that_does_not_listen_is_ended_all_the_same(
    tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE", 0.2)
    one = start(started, IGNORES_TERM, tmp_path)
    end(one)
    assert not one.running()
    assert one.child is not None
    assert one.child.returncode == -9


def test_the_tail_is_the_last_lines_of_the_log(tmp_path: Path, started: list[Process]) -> None:
    one = start(started, SLEEPS, tmp_path)
    one.log.write_text("".join(f"line {number}\n" for number in range(30)))
    assert one.tail(2) == "line 28\nline 29"


def test_where_nothing_was_started_nothing_is_noted(tmp_path: Path) -> None:
    assert noted(tmp_path / "processes.json") == []
