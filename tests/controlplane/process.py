"""Processes of our own: started with a log each, watched, and ended by their id.

A process is known by its id and its whole command line. An id alone isn't enough once another process
has to end it later: ids are used again. The command line holds the folder and the ports of one control
plane, so that no other process has the same.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

PATIENCE = 10.0  # seconds between asking a process to end and ending it


@dataclass(frozen=True)
class Process:
    """A process that runs, or ran; `child` is there only in the process that started it."""

    name: str
    pid: int
    port: int
    command: str
    log: Path
    child: subprocess.Popen[bytes] | None = field(default=None, compare=False, repr=False)

    def running(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return _command_line(self.pid) == self.command

    def age(self) -> str:
        """How long it has run, as `ps` writes it ([[days-]hours:]minutes:seconds)."""
        return _ps(self.pid, "etime=")

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def launch(
    name: str, argv: Sequence[str], log: Path, port: int, environment: Mapping[str, str] | None = None
) -> Process:
    """Starts a process in a session of its own, so that Ctrl-C here doesn't end it before its turn.

    `environment` is added to that of this process.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    return Process(name, child.pid, port, " ".join(argv), log, child)


def end(process: Process) -> None:
    """Asks it to end, waits, and insists after PATIENCE; does nothing to another process of the same id."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(process, number)


def kill(process: Process) -> None:
    """Ends it without a word: a webhook would go on for those who may still ask, where nobody does."""
    _signal(process, signal.SIGKILL)


def _signal(process: Process, number: signal.Signals) -> None:
    if not process.running():
        return
    os.kill(process.pid, number)
    deadline = time.monotonic() + PATIENCE
    while process.running() and time.monotonic() < deadline:
        time.sleep(0.02)


def as_shown(process: Process) -> Process:
    """The same process under the command line that `ps` shows: on macOS python starts another program."""
    return replace(process, command=_command_line(process.pid))


def note(path: Path, processes: Sequence[Process]) -> None:
    """Writes down what runs, so that another process can end it."""
    rows = [
        {"name": each.name, "pid": each.pid, "port": each.port, "command": each.command, "log": str(each.log)}
        for each in processes
    ]
    path.write_text(json.dumps(rows, indent=2))


def noted(path: Path) -> list[Process]:
    """What `note` wrote down, in the order of the start; empty when there is nothing."""
    rows = json.loads(path.read_text()) if path.exists() else []
    return [Process(**{**row, "log": Path(row["log"])}) for row in rows]


def _command_line(pid: int) -> str:
    return _ps(pid, "command=")


def _ps(pid: int, column: str) -> str:
    """One column of `ps` for one process; empty when there is none. The same on Linux and macOS."""
    shown = subprocess.run(
        ["ps", "-ww", "-o", column, "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()
