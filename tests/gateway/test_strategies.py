"""Who is asked where not the weights decide, and how long an answer may be."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")

STREAMS: tuple[dict[str, Any], ...] = (
    {},
    {"stream": True},
    {"stream": True, "stream_options": {"include_usage": True}},
)


async def test_the_replica_with_the_fewest_requests_is_asked(front: Front, llama: StandIn) -> None:
    """While the slow one has a request, every other one goes to the fast one."""
    llama.seconds_to_answer = 5
    first: list[asyncio.Task[str]] = []
    while not llama.asked:
        first.append(asyncio.create_task(front.answered_by("least-busy")))
        await asyncio.sleep(0.05)
    answers = Counter([await front.answered_by("least-busy") for _ in range(20)])
    assert answers == {"mistral": 20}
    await asyncio.gather(*first)


async def test_a_target_that_fails_leaves_its_requests_to_the_others(
    front: Front, llama: StandIn, mistral: StandIn
) -> None:
    llama.status = 503
    assert {await front.answered_by("least-busy") for _ in range(5)} == {"mistral"}
    mistral.status = 503
    assert await front.answered_by("least-busy") == "claude"


async def test_the_log_says_which_of_them_answered(front: Front) -> None:
    body = json.dumps({"model": "least-busy", "messages": [], "user": "known by its length" * 7})
    reply = await front.ask(None, raw=body)
    line = await front.logged(model="least-busy", bytesIn=len(body))
    assert line["target"] == reply.json["answered_by"]


@pytest.mark.parametrize(
    ("path", "asked", "passed"),
    [
        pytest.param(
            "chat/completions", {}, {"max_completion_tokens": 100}, id="who asks for nothing gets the most"
        ),
        pytest.param("completions", {}, {"max_tokens": 100}, id="plain completions know no other field"),
        pytest.param("chat/completions", {"max_tokens": 50}, {"max_tokens": 50}, id="less is their affair"),
        pytest.param("chat/completions", {"max_tokens": 101}, {"max_tokens": 100}, id="more is shortened"),
        pytest.param("completions", {"max_tokens": 5000}, {"max_tokens": 100}, id="everywhere"),
        pytest.param(
            "chat/completions",
            {"max_completion_tokens": 5000, "max_tokens": 20},
            {"max_completion_tokens": 100, "max_tokens": 20},
            id="each field for itself",
        ),
        pytest.param(
            "chat/completions", {"max_tokens": "5000"}, {"max_tokens": 100}, id="a number in quotes is one"
        ),
        pytest.param(
            "chat/completions",
            {"max_tokens": None},
            {"max_tokens": None, "max_completion_tokens": 100},
            id="null asks for nothing",
        ),
    ],
)
async def test_no_answer_is_longer_than_its_route_allows(
    front: Front, llama: StandIn, path: str, asked: dict[str, Any], passed: dict[str, Any]
) -> None:
    for stream in STREAMS:
        llama.asked.clear()
        reply = await front.ask("brief", f"/v1/{path}", **asked, **stream)
        assert reply.status == 200, reply.text
        sent = llama.asked[0].body
        assert {name: value for name, value in sent.items() if name.startswith("max_")} == passed
        assert (sent["model"], sent["messages"]) == ("brief", [{"role": "user", "content": "Hi"}])
        assert sent.get("stream_options", {}).get("include_usage", False) is bool(stream)
