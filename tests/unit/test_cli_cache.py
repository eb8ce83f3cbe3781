"""`aistack cache purge`: what it says of a stack that may not hear of it."""

from typing import Any

import pytest

from aistack.api import AIStack
from aistack.cli.cache import hindrances
from tests.stacks import stack


def condition(type_: str, status: str) -> dict[str, Any]:
    told = {"reason": "SpecInvalid", "message": "there is no model 'lama'"}
    return {"type": type_, "status": status, "lastTransitionTime": "2026-11-23T11:55:00Z", **told}


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([condition("Ready", "True")], []),
        ([condition("Ready", "False"), condition("Reconciling", "True")], []),
        ([condition("Ready", "False"), condition("Stalled", "True")], ["there is no model 'lama'"]),
        ([], ["the controller hasn't seen this stack"]),
    ],
    ids=["ready", "reconciling", "stalled", "unseen"],
)
def test_a_purge_that_may_not_happen_says_why(conditions: list[dict[str, Any]], words: list[str]) -> None:
    said = list(hindrances(AIStack.parse({**stack(), "status": {"conditions": conditions}})))
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))
