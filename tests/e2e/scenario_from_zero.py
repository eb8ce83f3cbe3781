"""A model at zero starts for a request, which waits for it and is answered."""

from tests.e2e.running import Seen
from tests.e2e.stacks import READY_WITHIN, Stack, eventually, example

ENDS_WITHIN = 120.0  # seconds
SEEN_WITHIN = 15.0  # seconds until the status says so


def is_at_zero(stack: Stack) -> bool:
    rows = {row["name"]: row["reason"] for row in stack.read()["status"]["components"]}
    return bool(rows["model/qwen"] == "AtZero")


def test_a_model_at_zero_wakes_for_a_request_and_answers_it(hello: Stack, seen: Seen) -> None:
    seldom = example("smallest")
    seldom["spec"]["models"][0]["selfHosted"]["scaling"] = {"min": 0, "toZeroAfter": "5s"}
    hello.apply(seldom)

    ended = eventually(lambda: not hello.pods("qwen"), hello.story, ENDS_WITHIN)
    eventually(lambda: is_at_zero(hello), hello.story, SEEN_WITHIN)
    assert hello.is_ready(), "it is there for who asks"
    answer = hello.ask("qwen", patience=READY_WITHIN)
    assert answer["status"] == 200, answer
    assert answer["text"]
    took = answer["seconds"]
    seen(f"no pod was left after {ended:.1f} s; the next request was answered after {took:.1f} s")
