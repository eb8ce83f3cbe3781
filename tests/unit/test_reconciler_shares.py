"""What a run makes of what was measured: it moves the shares of a route, once, and nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aistack.kinds import Manifest
from aistack.latency import Timing
from aistack.observed import Latency, Want
from aistack.platform import Platform
from aistack.reconciler import Outcome
from tests.reconciled import Reconciled
from tests.stacks import catalog, hosted, stack

NOW = datetime(2026, 11, 10, 13, tzinfo=UTC)
MODELS = [hosted("llama"), hosted("mistral", scaling={"min": 0})]
ROUTE = {
    "name": "chat",
    "strategy": "lowestLatency",
    "targets": [{"model": "llama"}, {"model": "mistral"}],
}


class Cluster(Reconciled):
    """An API server with one stack, which notes what is applied."""

    def __init__(self) -> None:
        super().__init__(stack(models=MODELS, gateway={"routes": [ROUTE]}))
        self.written: list[str] = []

    async def apply(self, manifest: Manifest, **fields: Any) -> Manifest:
        self.written.append(f"{manifest['kind']}/{manifest['metadata']['name']}")
        return await super().apply(manifest, **fields)

    async def runs(self, **seen: Any) -> Outcome:
        """A run with what is known besides the objects."""
        self.written.clear()
        return await self.run(Platform(catalog()), NOW, **seen)

    def shares(self) -> Mapping[str, int]:
        [row] = self.stack["status"]["routes"]
        return {each["model"]: each["percent"] for each in row["targets"]}


async def test_a_latency_moves_the_shares_of_its_route_once() -> None:
    cluster = Cluster()
    outcome = await cluster.runs()
    assert [row.name for row in outcome.balanced or ()] == ["chat"]
    assert cluster.shares() == {"llama": 50, "mistral": 50}
    slower = {
        "chat": Latency(
            NOW + timedelta(minutes=1), {"llama": Timing(1e5, 1000), "mistral": Timing(4e5, 1000)}
        )
    }
    await cluster.runs(latencies=slower)
    assert cluster.shares() == {"llama": 60, "mistral": 40}
    assert cluster.written == ["ConfigMap/support-gateway"]
    for known in (slower, {}):
        await cluster.runs(latencies=known)
        assert cluster.shares() == {"llama": 60, "mistral": 40}
        assert cluster.written == []


async def test_who_is_asked_for_starts_and_nothing_else_changes() -> None:
    cluster = Cluster()
    outcome = await cluster.runs()
    assert [sleeper.model for sleeper in outcome.sleepers or ()] == ["mistral"]
    await cluster.runs(wants={"mistral": Want.ASKED})
    assert cluster.written == ["Deployment/support-mistral"]
    await cluster.runs()
    assert cluster.written == [], "it runs on while nobody knows better"
    await cluster.runs(wants={"mistral": Want.IDLE})
    assert cluster.written == ["Deployment/support-mistral"]
