"""A stack's condition as often as it is written: between two looks one that is soon over would be missed."""

import json
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

BEGINS_WITHIN = 30.0  # seconds


class Written:
    """The condition as it stood when the watch began, and then each time the stack changed."""

    def __init__(self) -> None:
        self.conditions: list[dict[str, Any]] = []
        self.begun = threading.Event()

    def why_false(self, part: str) -> str:
        """What was said when it was first False since then for this part; empty if it never was."""
        said = (each["message"] for each in self.conditions[1:] if each["status"] == "False")
        return next((message for message in said if part in message), "")

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.conditions.append(json.loads(line))
            self.begun.set()
        self.begun.set()  # or it never will


@contextmanager
def watch(argv: list[str]) -> Iterator[Written]:
    """Runs kubectl, whose command line this is, while the body runs; it prints a condition a line."""
    written = Written()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        reading = threading.Thread(target=written.read, args=(watching.stdout,))
        reading.start()
        try:
            written.begun.wait(BEGINS_WITHIN)
            assert written.conditions, "the watch did not begin"
            yield written
        finally:
            watching.kill()
            reading.join()
