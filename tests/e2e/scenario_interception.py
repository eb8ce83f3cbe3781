"""Routes whose requests the adapter sees before any model does: kept answers, and checked words."""

import pytest

from tests.e2e.load import Answer
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example

TO_QWEN = [{"model": "qwen"}]
ROUTES = [
    {"name": "plain", "targets": TO_QWEN},
    {"name": "kept", "targets": TO_QWEN, "cache": {"mode": "Exact"}},
    {"name": "checked", "targets": TO_QWEN, "deniedWords": ["hello"]},
]


@pytest.fixture
def intercepted(hello: Stack) -> Stack:
    stack = example("smallest")
    stack["spec"]["gateway"] = {"routes": ROUTES}
    hello.apply(stack)
    hello.wait_until_ready()
    return hello


def test_a_kept_answer_is_given_again_and_a_denied_word_refused(intercepted: Stack, seen: Seen) -> None:
    answers: list[Answer] = []

    def is_given_again() -> bool:
        answers.append(intercepted.ask("kept"))
        return answers[-1].get("kept") is True

    eventually(is_given_again, intercepted.story, within=60)
    again, stream = answers[-1], intercepted.ask("kept", stream=True)
    assert again["status"] == 200
    assert (stream["status"], stream["complete"]) == (200, True)
    refused = intercepted.ask("checked")
    assert refused["status"] == 400, refused
    assert "content_filter" in refused["text"]
    assert not intercepted.ask("plain")["kept"]
    seen(f"given again after {again['seconds']} s; {refused['text']}")
