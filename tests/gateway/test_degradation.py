"""When nobody can answer, the route's own words come as a valid completion."""

import json
import time
from typing import Any

import pytest

from tests.gateway.conftest import RESTING
from tests.gateway.front import Front, Reply
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")


def events(reply: Reply) -> list[Any]:
    """What a stream says; AssertionError when it doesn't end as OpenAI's streams do."""
    *lines, last = reply.text.removesuffix("\n\n").split("\n\n")
    assert last == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def is_degraded(reply: Reply) -> bool:
    return reply.status == 200 and reply.headers.get("x-aistack-degraded") == "true"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_when_every_model_fails_the_words_are_a_whole_answer(
    front: Front, llama: StandIn, mistral: StandIn, status: int
) -> None:
    llama.status = mistral.status = status
    reply = await front.ask("resting")
    assert is_degraded(reply)
    assert (reply.json["object"], reply.json["model"]) == ("chat.completion", "resting")
    [choice] = reply.json["choices"]
    assert choice["message"] == {"role": "assistant", "content": RESTING, "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert reply.json["id"].startswith("chatcmpl-")
    assert "%" not in reply.json["id"]
    assert (len(llama.asked), len(mistral.asked)) == (1, 1)


async def test_who_asked_for_a_stream_gets_the_words_as_one(
    front: Front, llama: StandIn, mistral: StandIn
) -> None:
    llama.status = mistral.status = 500
    reply = await front.ask("resting", stream=True)
    assert is_degraded(reply)
    assert reply.headers["content-type"] == "text/event-stream"
    deltas = [event["choices"][0]["delta"] for event in events(reply)]
    assert deltas == [{"role": "assistant", "content": RESTING}, {}]
    assert events(reply)[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_plain_completion_has_its_own_form(
    front: Front, llama: StandIn, mistral: StandIn, stream: bool
) -> None:
    llama.status = mistral.status = 500
    reply = await front.ask("resting", path="/v1/completions", stream=stream)
    [answer] = events(reply) if stream else [reply.json]
    assert is_degraded(reply)
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"] == RESTING


async def test_models_that_are_gone_degrade_at_once(front: Front, llama: StandIn, mistral: StandIn) -> None:
    await llama.stop()
    await mistral.stop()
    try:
        begin = time.monotonic()
        assert is_degraded(await front.ask("resting"))
        assert time.monotonic() - begin < 1
    finally:
        await llama.start()
        await mistral.start()


@pytest.mark.parametrize("stream", [True, False])
async def test_models_that_never_answer_degrade_in_time(
    front: Front, llama: StandIn, mistral: StandIn, stream: bool
) -> None:
    for model in (llama, mistral):
        model.seconds_to_answer = model.seconds_to_first_token = 5
    assert is_degraded(await front.ask("resting", stream=stream))


async def test_the_log_says_that_nobody_answered(front: Front, llama: StandIn, mistral: StandIn) -> None:
    llama.status = mistral.status = 500
    await front.ask("resting")
    logged = await front.logged(route="resting", target="whenDown")
    assert (logged["status"], logged["attempts"]) == (200, 3)


async def test_an_answer_of_a_model_is_not_degraded(front: Front) -> None:
    reply = await front.ask("resting")
    assert reply.json["answered_by"] == "llama"
    assert "x-aistack-degraded" not in reply.headers


async def test_a_clients_own_mistake_stays_one(front: Front, llama: StandIn) -> None:
    llama.status = 400
    assert (await front.ask("resting")).status == 400
