"""A front whose memory is full refuses what is new, and is not restarted for it."""

import pytest

from aistack.render.gateway.bootstrap import MAX_HEAP
from aistack.render.gateway.front import front_files
from aistack.render.gateway.neutral import neutral
from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted, resolved

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_full_memory_refuses_requests_and_stays_alive(ports: dict[str, int], llama: StandIn) -> None:
    spec = {"models": [hosted("llama")]}
    async with Front(ports) as front:
        files = front_files(neutral(resolved(**spec).gateway), front.site)
        hardly_any = files["bootstrap.json"].replace(str(MAX_HEAP), str(1024 * 1024))
        front.mount(spec, **{"bootstrap.json": hardly_any})
        front.mount_keys({})
        await front.launch(spec)
        await front.until_ready()

        async def refused() -> bool:
            return (await front.ask("llama")).status == 503

        await front.eventually(refused, "requests are refused")
        llama.asked.clear()
        reply = await front.ask("llama")
        assert reply.json["error"]["code"] == "upstream_unavailable"
        assert not llama.asked
        assert await front.is_alive()
