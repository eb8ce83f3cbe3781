"""What is being done and for how long, on standard error: in place on a terminal, by lines elsewhere.

As a program it runs a command: `progress.py "what it does" command argument …`. Standard library only: the
Makefile uses it before anything is installed.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Shows `what` with its elapsed time while the body runs, and once more when it is over."""
    started = time.monotonic()
    over = threading.Event()
    shown = threading.Thread(target=_count, args=(what, started, over), daemon=True)
    on_terminal = sys.stderr.isatty()
    if on_terminal:
        shown.start()
    else:
        say(f"{what} …")
    outcome = "failed after "
    try:
        yield
        outcome = ""
    finally:
        over.set()
        if on_terminal:
            shown.join()
        start_of_line = "\r\x1b[K" if on_terminal else ""
        say(f"{start_of_line}{what} … {outcome}{time.monotonic() - started:.1f} s")


def _count(what: str, started: float, over: threading.Event) -> None:
    while True:
        print(f"\r\x1b[K{what} … {time.monotonic() - started:.0f} s", end="", file=sys.stderr, flush=True)
        if over.wait(1):
            return


def run(what: str, command: Sequence[str]) -> int:
    """Runs a command as a step and returns its exit code; what it wrote is shown only when it fails."""
    try:
        with step(what):
            subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.CalledProcessError as error:
        say(error.output.decode(errors="replace").rstrip())
        return int(error.returncode)
    except FileNotFoundError:
        say(f"{command[0]}: not found")
        return 127
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
