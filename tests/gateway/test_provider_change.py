"""A provider's host and key change together: neither key ever goes to the other's host, and nobody waits."""

from typing import Any

import pytest

from tests.gateway.front import Front, key_file, managed
from tests.gateway.load import Load
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST = managed("claude", "http://claude.example", key="first")
SECOND = managed("claude", "http://other.example", key="second")


def asking(provider: dict[str, Any]) -> dict[str, Any]:
    return {
        "models": [hosted("llama"), provider],
        "gateway": {"routes": [{"name": "chat", "targets": [{"model": "claude"}]}]},
    }


@pytest.mark.parametrize("first", ["configuration", "key"])
async def test_no_key_goes_to_the_others_host_whatever_arrives_first(
    ports: dict[str, int], claude: StandIn, mistral: StandIn, first: str
) -> None:
    """A pod's configuration and its keys are renewed one after the other."""
    hosts = {**ports, "other.example": mistral.port}
    async with Front(hosts, {key_file(FIRST): "first-key"}) as front:
        await front.start(asking(FIRST))
        load = Load(front)
        await load.until(20)
        if first == "key":
            front.mount_keys({key_file(FIRST): "first-key", key_file(SECOND): "second-key"})
            await load.until(20)
            await front.change(asking(SECOND))
        else:
            version = front.mount(asking(SECOND))
            await front.until_problem("refused clusters.json")
            await load.until(20)
            front.mount_keys({key_file(SECOND): "second-key"})
            await front.until_live(version)
        await load.until(20)
        await load.end()
    assert set(load.statuses) == {200}, load.answered
    assert {asked.headers["authorization"] for asked in claude.asked} == {"Bearer first-key"}
    assert {asked.headers["authorization"] for asked in mistral.asked} == {"Bearer second-key"}
