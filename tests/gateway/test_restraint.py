"""Money that is spent: a running gateway degrades or stops, and goes on when the month turns."""

import pytest

from aistack.api import Reason
from aistack.restraint import Restraint
from tests.gateway.front import Front, managed
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEC = {
    "models": [hosted("llama"), managed("claude", "http://claude.example/v1")],
    "gateway": {"routes": [{"name": "chat", "targets": [{"model": "claude"}], "fallbacks": ["llama"]}]},
}


async def test_a_gateway_whose_money_is_spent_asks_no_model_until_it_is_there_again(
    ports: dict[str, int], claude: StandIn, llama: StandIn
) -> None:
    async with Front(ports) as front:
        await front.start(SPEC)
        assert (await front.ask("chat")).json["model"] == "acme/claude-large"
        front.restraint = Restraint(Reason.STOPPED)
        await front.change(SPEC)
        before = len(claude.asked) + len(llama.asked)
        for stream in (False, True):
            reply = await front.ask("chat", stream=stream)
            assert reply.status == 402
            assert reply.json["error"]["code"] == "insufficient_quota"
            assert "The money for the model 'chat' is spent" in reply.json["error"]["message"]
        assert (await front.ask("nobody-knows")).status == 404
        assert len(claude.asked) + len(llama.asked) == before
        front.restraint = None
        await front.change(SPEC)
        assert (await front.ask("chat")).status == 200


async def test_a_degraded_route_leads_to_what_costs_no_more(
    ports: dict[str, int], claude: StandIn, llama: StandIn
) -> None:
    async with Front(ports) as front:
        front.restraint = Restraint(Reason.DEGRADED)
        await front.start(SPEC)
        before = len(claude.asked)
        assert (await front.ask("chat")).status == 200
        assert len(llama.asked) == 1
        llama.status = 503
        assert (await front.ask("chat")).status == 503
        assert len(claude.asked) == before, "the dear model is no way out"
