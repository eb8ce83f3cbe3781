"""Clients that ask again and again, and what they were answered."""

import json
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.controlplane import CommandFailed

Answer = dict[str, Any]
ENDS_WITHIN = 120.0  # seconds that the last answers may take


@dataclass
class Load:
    """Answers as they come; once the load is over, all of them."""

    answers: list[Answer] = field(default_factory=list)
    reported: int | None = None
    """How many the clients say there were; they say so at the end."""

    @property
    def failed(self) -> list[Answer]:
        return [each for each in self.answers if each["status"] != 200 or not each["complete"]]

    def goes_on(self, count: int = 20, within: float = 180.0) -> None:
        """Waits until so many more are answered. AssertionError when that takes too long."""
        began, before = time.monotonic(), len(self.answers)
        while len(self.answers) < before + count:
            came = len(self.answers) - before
            assert time.monotonic() - began < within, f"{came} answers in {within:.0f} s"
            time.sleep(0.1)

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            said = json.loads(line)
            if "answers" in said:
                self.reported = said["answers"]
            else:
                self.answers.append(said)


@contextmanager
def load(argv: list[str]) -> Iterator[Load]:
    """Runs client.py, whose command line this is, while the body runs."""
    made = Load()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdin
        assert asking.stdout
        reading = threading.Thread(target=made.read, args=(asking.stdout,))
        reading.start()
        try:
            yield made
            asking.stdin.close()
            reading.join(ENDS_WITHIN)
        finally:
            asking.kill()
            reading.join()
    lost = "a connection that broke must not hide an answer that failed"
    assert made.reported == len(made.answers), f"{made.reported} ≠ {len(made.answers)}: {lost}"


def once(argv: list[str]) -> Answer:
    """The answer to the one request of client.py, whose command line this is."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"the client: {done.stderr.strip()}")
    made = Load()
    made.read(done.stdout.splitlines())
    return made.answers[0]
