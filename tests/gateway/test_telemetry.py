"""What is counted of a request: who asked, who answered, how many tokens; never what was said."""

import re

import aiohttp
import pytest

from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEBIBYTE = 1024 * 1024


async def counted(front: Front, name: str, **labels: str) -> int:
    """The sum of a metric's values with these labels, as the loader tells them."""
    _, text = await front.status("/metrics")
    found = re.findall(rf"^{name}\{{(.*)\}} (\d+)$", text, re.MULTILINE)
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    return sum(int(value) for written, value in found if wanted <= set(written.split(",")))


@pytest.mark.parametrize("stream", [True, False])
async def test_the_tokens_of_streams_and_whole_answers_are_counted(front: Front, stream: bool) -> None:
    labels = {"route": "alone", "target": "llama"}
    names = ("aistack_prompt_tokens_total", "aistack_completion_tokens_total")
    before = [await counted(front, name, **labels) for name in names]
    await front.ask("alone", stream=stream)
    logged = await front.logged(model="alone", stream=stream, status=200)
    assert (logged["inputTokens"], logged["outputTokens"]) == (11, 3)
    assert [await counted(front, name, **labels) for name in names] == [before[0] + 11, before[1] + 3]


async def test_a_providers_tokens_are_counted(front: Front) -> None:
    before = await counted(front, "aistack_prompt_tokens_total", route="provider", target="claude")
    await front.ask("provider", stream=True)
    await front.ask("provider")
    after = await counted(front, "aistack_prompt_tokens_total", route="provider", target="claude")
    assert after == before + 22


@pytest.mark.parametrize("stream", [True, False])
async def test_what_a_provider_had_in_its_cache_is_counted_where_it_says_so(
    front: Front, claude: StandIn, stream: bool
) -> None:
    before = await counted(front, "aistack_cached_tokens_total", route="provider", target="claude")
    for cached in (7, None, 0):
        claude.cached_tokens = cached
        await front.ask("provider", stream=stream)
    after = await counted(front, "aistack_cached_tokens_total", route="provider", target="claude")
    assert after == before + 7


async def test_what_is_sent_and_answered_is_counted_in_bytes(front: Front) -> None:
    names = ("aistack_request_bytes_total", "aistack_answer_bytes_total")
    labels = {"route": "provider", "target": "claude"}
    before = [await counted(front, name, **labels) for name in names]
    reply = await front.ask(None, raw=(body := b'{"model": "provider", "messages": []}'))
    await front.logged(bytesIn=len(body), bytesOut=len(reply.text))
    after = [await counted(front, name, **labels) for name in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [len(body), len(reply.text)]


async def test_a_stream_is_asked_for_its_usage(front: Front, llama: StandIn) -> None:
    await front.ask("alone", stream=True, seed=17, temperature=0.1)
    await front.ask("alone", seed=17)
    streamed, whole = (asked.body for asked in llama.asked)
    assert streamed["stream_options"] == {"include_usage": True}
    assert (streamed["seed"], streamed["temperature"]) == (17, 0.1)
    assert "stream_options" not in whole


async def test_a_client_that_asks_itself_is_left_alone(front: Front, llama: StandIn) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    await front.ask("alone", stream=True, stream_options=options)
    await front.ask("alone", stream=True, stream_options={"include_usage": False})
    own, forced = (asked.body["stream_options"] for asked in llama.asked)
    assert own == options
    assert forced == {"include_usage": True}


async def test_every_answer_is_counted_by_its_status(front: Front, llama: StandIn) -> None:
    before = await counted(front, "aistack_requests_total", route="alone", status="503")
    llama.status = 503
    await front.ask("alone")
    assert await counted(front, "aistack_requests_total", route="alone", status="503") == before + 1


@pytest.mark.parametrize("route", ["alone", "provider"])
async def test_a_stream_that_breaks_in_its_middle_is_counted(
    front: Front, llama: StandIn, claude: StandIn, route: str
) -> None:
    """It has begun with 200, and can't be answered by another model any more."""
    before = await counted(front, "aistack_broken_answers_total", route=route)
    await front.ask(route, stream=True)
    llama.breaks_after_first_token = claude.breaks_after_first_token = True
    with pytest.raises(aiohttp.ClientPayloadError):
        await front.ask(route, stream=True)

    async def more() -> int:
        return await counted(front, "aistack_broken_answers_total", route=route) - before

    assert await front.eventually(more, "it is counted") == 1
    await front.logged(model=route, stream=True, status=200, flags="UPE")


async def test_a_degraded_answer_has_a_target_of_its_own(
    front: Front, llama: StandIn, mistral: StandIn
) -> None:
    before = await counted(front, "aistack_requests_total", route="resting", target="whenDown")
    llama.status = mistral.status = 500
    await front.ask("resting")
    assert await counted(front, "aistack_requests_total", route="resting", target="whenDown") == before + 1


async def test_what_clients_write_makes_no_new_series(front: Front) -> None:
    """Or anyone could fill the gateway's memory with names."""
    await front.ask("a-model-that-nobody-knows", headers={"x-aistack-client": "somebody-else"})
    _, text = await front.status("/metrics")
    assert "a-model-that-nobody-knows" not in text
    assert "somebody-else" not in text
    assert "somebody-else" not in front.log("envoy")


@pytest.mark.parametrize("mebibytes", [0, 40])
async def test_embeddings_of_any_size_pass_and_are_counted(
    front: Front, mistral: StandIn, mebibytes: int
) -> None:
    """They are not held to read their usage."""
    before = await counted(front, "aistack_prompt_tokens_total", route="embed", target="minilm")
    mistral.bytes_of_padding = mebibytes * MEBIBYTE
    reply = await front.ask("embed", path="/v1/embeddings")
    assert reply.status == 200
    assert len(reply.text) > mebibytes * MEBIBYTE
    assert (await front.logged(route="embed", bytesOut=len(reply.text)))["inputTokens"] == 11
    after = await counted(front, "aistack_prompt_tokens_total", route="embed", target="minilm")
    assert after == before + 11


async def test_a_long_whole_answer_passes_and_is_counted(front: Front, llama: StandIn) -> None:
    """Log probabilities make an answer long."""
    llama.bytes_of_padding = 20 * MEBIBYTE
    reply = await front.ask("llama-first")
    assert reply.status == 200
    assert (await front.logged(route="llama-first", bytesOut=len(reply.text)))["inputTokens"] == 11


async def test_neither_prompt_nor_answer_is_in_the_log(front: Front) -> None:
    said = [{"role": "user", "content": "my-secret-question"}]
    await front.ask("alone", messages=said)
    await front.ask("alone", messages=said, stream=True)
    await front.logged(route="alone-stream")
    assert "my-secret-question" not in front.log("envoy")
    assert "answered_by" not in front.log("envoy")
