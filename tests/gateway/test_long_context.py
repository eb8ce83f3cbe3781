"""What is too long for a model's context goes to one with a longer one, by the size of the request."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONGEST = 2000
"""Bytes of a request that llama's 1000 tokens of context are good for."""


def body(size: int, *, stream: bool = False) -> bytes:
    """A request of exactly `size` bytes."""
    request = {"model": "any-length", "stream": stream, "messages": [{"role": "user", "content": ""}]}
    request["messages"] = [{"role": "user", "content": "x" * (size - len(json.dumps(request)))}]
    return json.dumps(request).encode()


async def test_a_request_that_fits_goes_to_the_target(front: Front) -> None:
    assert await front.answered_by("any-length", raw=body(LONGEST)) == "llama"


async def test_one_byte_too_long_goes_to_the_long_context_fallback(front: Front, llama: StandIn) -> None:
    assert await front.answered_by("any-length", raw=body(LONGEST + 1)) == "mistral"
    assert not llama.asked
    await front.logged(route="any-length-long", target="mistral")


async def test_a_long_stream_does_too(front: Front) -> None:
    assert '"answered_by": "llama"' in (await front.ask("", raw=body(LONGEST, stream=True))).text
    assert '"answered_by": "mistral"' in (await front.ask("", raw=body(LONGEST + 1, stream=True))).text


async def test_long_context_fallbacks_are_tried_in_their_order(
    front: Front, llama: StandIn, mistral: StandIn
) -> None:
    mistral.status = 503
    assert await front.answered_by("any-length", raw=body(LONGEST + 1)) == "claude"
    assert not llama.asked


@pytest.mark.parametrize(("size", "answers"), [(LONGEST, "llama"), (LONGEST + 1, "mistral")])
async def test_a_request_that_does_not_say_its_length_is_measured(
    front: Front, size: int, answers: str
) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        yield body(size)[:100]
        yield body(size)[100:]

    async with front.session.post("/v1/chat/completions", data=in_pieces()) as answer:
        assert (await answer.json())["answered_by"] == answers


async def test_a_clients_own_length_is_not_believed(front: Front) -> None:
    """A length that doesn't hold is no request: nobody gets round the estimate by it."""
    headers = {"content-length": "10", "transfer-encoding": "chunked"}
    async with front.session.post("/v1/chat/completions", data=body(LONGEST + 1), headers=headers) as answer:
        assert answer.status == 400
