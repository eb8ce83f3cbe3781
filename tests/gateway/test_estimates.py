"""What of an answer is counted that never said what it took: its client left, or it broke off."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn
from tests.gateway.test_telemetry import counted

pytestmark = pytest.mark.asyncio(loop_scope="session")

ESTIMATED = ("answers", "prompt_tokens", "completion_tokens")
WORDS = ["It", "depends", "on", "what", "you", "want", "to", "see", "of", "the", "old", "city", "harbour"]
BODY = {"model": "provider", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
READ = -(-len(json.dumps(BODY)) // 2)
"""Tokens of that request, as they are estimated."""


def vllm(word: str, field: str = "content") -> str:
    choice = {"index": 0, "delta": {field: f" {word}"}, "logprobs": None, "finish_reason": None}
    head = {"id": f"chatcmpl-{'0' * 32}", "object": "chat.completion.chunk", "created": 1_790_000_000}
    return json.dumps({**head, "model": "chat", "choices": [choice]}, separators=(",", ":"))


def openai(word: str) -> str:
    padding = {"service_tier": "default", "system_fingerprint": "fp_0123456789", "obfuscation": "x" * 11}
    return json.dumps({**json.loads(vllm(word)), **padding}, separators=(",", ":"))


def in_long_pieces(word: str) -> str:
    """As Gemini writes: some thirty tokens an event."""
    return vllm(f"{word} " + "and so on, it said " * 6)


async def estimates(front: Front, **labels: str) -> list[int]:
    return [await counted(front, f"aistack_estimated_{name}_total", **labels) for name in ESTIMATED]


async def newly(front: Front, before: Sequence[int], **labels: str) -> list[int]:
    """What was estimated since, once it is: all of an answer at once, but read one after the other."""

    async def more() -> bool:
        return await estimates(front, **labels) != before

    await front.eventually(more, "something is estimated")
    return [new - old for new, old in zip(await estimates(front, **labels), before, strict=True)]


@pytest.mark.parametrize(
    ("form", "tokens"), [(vllm, 13), (openai, 13), (in_long_pieces, 13 * 30)], ids=["vllm", "openai", "long"]
)
async def test_a_stream_that_its_client_leaves_is_counted_by_what_passed(
    front: Front, claude: StandIn, form: Any, tokens: int
) -> None:
    claude.events = tuple(map(form, WORDS))
    before = await estimates(front, route="provider", target="claude")
    usage = await counted(front, "aistack_completion_tokens_total", route="provider")
    await front.leave("provider", after=sum(len(f"data: {event}\n\n") for event in claude.events))
    answers, read, written = await newly(front, before, route="provider", target="claude")
    assert (answers, read) == (1, READ)
    assert written == pytest.approx(tokens, rel=0.25)
    assert await counted(front, "aistack_completion_tokens_total", route="provider") == usage


async def test_a_longer_stream_is_counted_as_more(front: Front, claude: StandIn) -> None:
    """Its first events say what a token takes, and all its bytes how many there were."""
    claude.events = tuple(map(vllm, WORDS * 20))
    before = await estimates(front, route="provider")
    await front.leave("provider", after=sum(len(f"data: {event}\n\n") for event in claude.events))
    assert (await newly(front, before, route="provider"))[2] == pytest.approx(20 * 13, rel=0.25)


@pytest.mark.parametrize("route", ["alone", "provider"])
async def test_a_stream_that_breaks_is_counted_once(
    front: Front, llama: StandIn, claude: StandIn, route: str
) -> None:
    before = await estimates(front, route=route)
    llama.breaks_after_first_token = claude.breaks_after_first_token = True
    with pytest.raises(aiohttp.ClientPayloadError):
        await front.ask(route, stream=True)
    answers, _, written = await newly(front, before, route=route)
    assert (answers, written) == (1, 1)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_what_a_provider_was_asked_is_counted_also_where_nobody_waited_for_the_answer(
    front: Front, claude: StandIn, stream: bool
) -> None:
    claude.seconds_to_answer = claude.seconds_to_first_token = 60
    before = await estimates(front, route="provider")
    asked = asyncio.create_task(front.ask("provider", stream=stream))
    await front.eventually(lambda: claude.asked, "the provider is asked")
    asked.cancel()
    answers, read, written = await newly(front, before, route="provider")
    assert (answers, written) == (1, 0)
    assert abs(read - READ) <= 8


async def test_a_model_that_had_not_begun_has_taken_nothing(front: Front, llama: StandIn) -> None:
    llama.seconds_to_answer = 60
    before = await estimates(front)
    asked = asyncio.create_task(front.ask("alone"))
    await front.eventually(lambda: llama.asked, "the model is asked")
    asked.cancel()
    await front.logged(route="alone", status=0)
    assert await estimates(front) == before


async def test_what_says_its_usage_fails_or_is_nobodys_is_not_estimated(
    front: Front, llama: StandIn, mistral: StandIn
) -> None:
    before = await estimates(front)
    for stream in (True, False):
        await front.ask("alone", stream=stream)
        await front.ask("provider", stream=stream)
    llama.status = mistral.status = 500
    for stream in (True, False):
        assert (await front.ask("alone", stream=stream)).status == 500
        assert (await front.ask("resting", stream=stream)).headers["x-aistack-degraded"] == "true"
    await front.logged(route="resting", status=200)
    assert await estimates(front) == before


async def test_a_picture_is_counted_as_one_and_not_by_its_bytes(front: Front, claude: StandIn) -> None:
    claude.events = (vllm("A"),)
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 1_000_000}"}}
    before = await estimates(front, route="provider")
    await front.leave("provider", after=1, messages=[{"role": "user", "content": [picture]}])
    assert 1000 < (await newly(front, before, route="provider"))[1] < 1200


async def test_the_time_to_the_first_token_ends_with_the_first_event(front: Front, llama: StandIn) -> None:
    """And not with the headers, which vLLM sends before."""

    async def milliseconds() -> float:
        _, text = await front.status("/metrics")
        name = "aistack_time_to_first_token_milliseconds_sum"
        lines = [line for line in text.splitlines() if line.startswith(name) and 'route="alone"' in line]
        return sum(float(line.split()[-1]) for line in lines)

    before = await milliseconds()
    llama.seconds_to_first_token = 0.3
    await front.ask("alone", stream=True)

    async def counted_so() -> bool:
        return await milliseconds() - before >= 300

    await front.eventually(counted_so, "it is counted")
    assert (await front.logged(route="alone-stream"))["firstByteMilliseconds"] >= 300
