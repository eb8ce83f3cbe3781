"""The gateways' replicas are asked what they have counted; what answers badly counts as silent."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from aistack.observed import Pod
from aistack.runtime.fronts import Fronts
from aistack.spending.counters import Series, read_counters
from tests.metered import serving

LINE = 'aistack_prompt_tokens_total{client="web",route="chat",target="gpt"} 12\n'


class Front:
    """Stands in for a gateway's pod."""

    def __init__(self) -> None:
        self.answer: web.StreamResponse = web.Response(text=LINE)
        self.asked = 0

    async def metrics(self, _: web.Request) -> web.StreamResponse:
        self.asked += 1
        return self.answer


@pytest.fixture
async def front(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    found = Front()
    async with serving(found.metrics, monkeypatch):
        yield found


def pod(uid: str, address: str = "127.0.0.1") -> Pod:
    return Pod(uid, uid, "1", "gateway", "gateway", "", True, False, None, address=address)


async def test_who_answers_is_heard_and_who_is_not_there_delays_nobody(front: Front) -> None:
    async with Fronts("/metrics", read_counters) as asking:
        heard = await asking.answers([pod("here"), pod("gone", "127.0.0.2")])
    assert heard == {"here": {Series("web", "chat", "gpt", "prompt"): 12}}
    assert front.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=503, text=LINE),
        web.Response(status=302, headers={"Location": "/metrics"}),
        web.Response(body=b"\xff"),
        web.Response(text=LINE * 300_000),
    ],
    ids=["an error", "a way elsewhere", "no text", "too much"],
)
async def test_what_is_no_gateways_answer_counts_as_silence(front: Front, answer: web.Response) -> None:
    front.answer = answer
    async with Fronts("/metrics", read_counters) as asking:
        assert await asking.answers([pod("here")]) == {}
    assert front.asked == 1


async def test_a_silent_one_is_asked_less_and_less(front: Front) -> None:
    async with Fronts("/metrics", read_counters) as asking:
        for _ in range(40):
            front.answer = web.Response(status=503)
            await asking.answers([pod("here")])
        assert front.asked < 8
        front.answer = web.Response(text=LINE)
        assert await asking.answers([pod("here")]) == {}, "it is not its turn"
        asking.retain(frozenset())
        assert await asking.answers([pod("here")]), "it was gone for a while, and is asked anew"
