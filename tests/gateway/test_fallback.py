"""What fails is tried again, in the declared order, and never after an answer has begun."""

import time

import pytest

from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_killed_target_costs_no_request(front: Front, llama: StandIn) -> None:
    await llama.stop()
    try:
        answers = [await front.answered_by("llama-first") for _ in range(20)]
        assert set(answers) == {"mistral"}
    finally:
        await llama.start()


async def test_a_target_that_comes_back_is_used_again(front: Front, llama: StandIn) -> None:
    await llama.stop()
    try:
        assert await front.answered_by("llama-first") == "mistral"
    finally:
        await llama.start()

    async def back() -> bool:
        return await front.answered_by("llama-first") == "llama"

    await front.eventually(back, "llama answers again")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_every_model_is_tried_before_a_request_fails(
    front: Front, llama: StandIn, mistral: StandIn, claude: StandIn, status: int
) -> None:
    llama.status = mistral.status = status
    assert await front.answered_by("chat") == "claude"
    assert (len(llama.asked), len(mistral.asked), len(claude.asked)) == (1, 1, 1)


async def test_attempts_that_are_left_over_go_to_the_first_model(
    front: Front, llama: StandIn, mistral: StandIn
) -> None:
    """Two retries and one fallback: twice the first, which may have another replica, then the fallback."""
    llama.status = 503
    assert await front.answered_by("llama-first") == "mistral"
    assert (len(llama.asked), len(mistral.asked)) == (2, 1)


async def test_ordered_targets_are_tried_as_they_are_declared(front: Front, llama: StandIn) -> None:
    assert {await front.answered_by("in-order") for _ in range(10)} == {"llama"}
    llama.status = 500
    assert {await front.answered_by("in-order") for _ in range(3)} == {"mistral"}


@pytest.mark.parametrize("status", [400, 422])
async def test_a_clients_own_mistake_is_not_tried_again(
    front: Front, llama: StandIn, mistral: StandIn, status: int
) -> None:
    llama.status = status
    reply = await front.ask("llama-first")
    assert reply.status == status
    assert reply.json == {"error": {"message": "from llama"}}
    assert (len(llama.asked), len(mistral.asked)) == (1, 0)


async def test_a_request_that_nobody_answers_is_unavailable(front: Front, llama: StandIn) -> None:
    llama.seconds_to_answer = 30
    begin = time.monotonic()
    reply = await front.ask("alone")
    assert time.monotonic() - begin < llama.seconds_to_answer / 2
    assert reply.status == 503
    assert reply.json["error"]["code"] == "upstream_unavailable"
    assert "'alone'" in reply.json["error"]["message"]


async def test_a_whole_answer_that_is_late_is_asked_of_the_next_model(front: Front, llama: StandIn) -> None:
    llama.seconds_to_answer = 5
    assert await front.answered_by("in-order") == "mistral"


async def test_a_whole_answer_may_take_longer_than_a_first_token(
    front: Front, llama: StandIn, mistral: StandIn, claude: StandIn
) -> None:
    llama.seconds_to_answer = mistral.seconds_to_answer = 0.6
    assert await front.answered_by("chat") in {"llama", "mistral"}
    assert not claude.asked


async def test_a_late_first_token_is_asked_of_the_next_model(
    front: Front, llama: StandIn, mistral: StandIn
) -> None:
    """vLLM sends a stream's headers at once: it is the first token that the client waits for."""
    llama.seconds_to_first_token = mistral.seconds_to_first_token = 5
    reply = await front.ask("chat", stream=True)
    assert reply.text.count('"answered_by": "claude"') == 3
    assert "llama" not in reply.text


async def test_a_stream_that_has_begun_is_not_cut_by_a_timeout(front: Front, llama: StandIn) -> None:
    llama.seconds_between_tokens = 0.6
    reply = await front.ask("alone", stream=True)
    assert reply.text.endswith("data: [DONE]\n\n")


async def test_tokens_are_never_sent_twice(front: Front, llama: StandIn, mistral: StandIn) -> None:
    """A stream that breaks ends there: the client sees that it is incomplete."""
    llama.breaks_after_first_token = True
    with pytest.raises(Exception, match=r"(?i)payload|closed"):
        await front.ask("in-order", stream=True)
    assert not mistral.asked
