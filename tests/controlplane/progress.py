"""What is being done and for how long, on standard error: in place on a terminal, by lines elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator
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
