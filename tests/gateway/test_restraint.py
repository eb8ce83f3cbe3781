"""Money that is spent: a running gateway degrades or stops, and goes on when the month turns."""

from typing import Any

import pytest

from aistack.api import Reason
from aistack.restraint import Restraint
from tests.gateway.front import Front, managed
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

TURN = "2026-12-01T00:00:00Z"
pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEC: dict[str, Any] = {
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
            assert "The money for this model is spent" in reply.json["error"]["message"]
        assert (await front.ask("nobody-knows")).status == 404
        assert len(claude.asked) + len(llama.asked) == before
        front.restraint = None
        await front.change(SPEC)
        assert (await front.ask("chat")).status == 200


async def test_a_model_whose_money_is_spent_is_asked_by_no_route(
    ports: dict[str, int], claude: StandIn
) -> None:
    routes = [*SPEC["gateway"]["routes"], {"name": "lone", "targets": [{"model": "claude"}]}]
    spec = {**SPEC, "gateway": {"routes": routes}}
    async with Front(ports) as front:
        await front.start(spec)
        assert [await front.answered_by(name) for name in ("chat", "lone")] == ["claude", "claude"]
        front.exhausted = {"model/claude": TURN}
        await front.change(spec)
        before = len(claude.asked)
        assert await front.answered_by("chat") == "llama"
        reply = await front.ask("lone")
        assert (reply.status, reply.json["error"]["code"]) == (402, "insufficient_quota")
        assert len(claude.asked) == before
        front.exhausted = {}
        await front.change(spec)
        assert [await front.answered_by(name) for name in ("chat", "lone")] == ["claude", "claude"]


async def test_a_client_whose_money_is_spent_is_told_so_and_until_when(
    ports: dict[str, int], claude: StandIn, llama: StandIn
) -> None:
    clients = [
        {"name": name, "secretKeyRef": {"name": "keys", "key": name}, "requestsPerMinute": 100}
        for name in ("web", "batch")
    ]
    spec = {**SPEC, "gateway": {**SPEC["gateway"], "clients": clients}}
    async with Front(ports, {"clients/web": "key-of-web", "clients/batch": "key-of-batch"}) as front:
        front.exhausted = {"client/web": TURN}
        await front.start(spec)
        for stream in (False, True):
            reply = await front.ask("chat", key="key-of-web", stream=stream)
            assert (reply.status, reply.json["error"]["code"]) == (429, "insufficient_quota")
            assert f"is spent until {TURN}" in reply.json["error"]["message"]
            assert reply.headers["x-should-retry"] == "false"
        forged = await front.ask("chat", key="key-of-web", headers={"x-aistack-client": "batch"})
        assert forged.status == 429
        assert not claude.asked + llama.asked
        assert (await front.ask("chat", key="key-of-batch")).status == 200
        assert (await front.ask("chat", key="wrong")).status == 401
        front.exhausted = {}
        await front.change(spec)
        assert (await front.ask("chat", key="key-of-web")).status == 200


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
