"""What was written of a stack while somebody watched, as the lane on a real node sees it."""

import json
import sys

import pytest

from tests.e2e.stacks import eventually
from tests.e2e.watch import Written, watch


def condition(status: str, message: str) -> str:
    return json.dumps({"type": "Ready", "status": status, "message": message})


def shown(*conditions: str) -> list[str]:
    """The command line of a kubectl that prints these, and then watches on."""
    return [sys.executable, "-c", f"import time; print(*{conditions}, sep='\\n', flush=True); time.sleep(60)"]


def test_a_failure_that_is_over_at_once_is_not_missed() -> None:
    lines = condition("True", "all serves"), condition("False", "llama: 0 of 1"), condition("True", "")
    with watch(shown(*lines)) as written:
        eventually(lambda: len(written.conditions) == 3, lambda: "all was read", within=60)
        assert written.why_false("llama") == "llama: 0 of 1"
        assert not written.why_false("adapter")


def test_what_stood_before_is_no_news() -> None:
    written = Written()
    written.read([condition("False", "llama: 0 of 1"), condition("True", "llama: 1 of 1")])
    assert not written.why_false("llama")


def test_a_watch_that_never_began_says_so() -> None:
    with pytest.raises(AssertionError, match="did not begin"), watch([sys.executable, "-c", ""]):
        pass
