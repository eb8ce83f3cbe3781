"""What a run makes of what was measured: it moves the shares of a route, once, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aistack.kinds import AISTACK, Kind, Manifest
from aistack.latency import Timing
from aistack.observed import Latency, Want
from aistack.platform import Platform
from aistack.reconciler import Outcome, reconcile
from aistack.runtime.store import Store
from tests.budget_server import Server
from tests.stacks import catalog, hosted, stack

NOW = datetime(2026, 11, 10, 13, tzinfo=UTC)
KEY = ("care", "support")
MODELS = [hosted("llama"), hosted("mistral", scaling={"min": 0})]
ROUTE = {
    "name": "chat",
    "strategy": "lowestLatency",
    "targets": [{"model": "llama"}, {"model": "mistral"}],
}


class Cluster(Server):
    """An API server with one stack; what is applied is there."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 1
        self.store = Store()
        self.written: list[str] = []
        made = stack(models=MODELS, gateway={"routes": [ROUTE]})
        meta = {"generation": 1, "resourceVersion": "1", "creationTimestamp": NOW.isoformat()}
        self.stack = {**made, "metadata": {**made["metadata"], **meta}}
        self.store.update(self.stack)

    async def apply(
        self,
        manifest: Manifest,
        *,
        uid: str | None = None,
        manager: str = "",  # noqa: ARG002  Kube's
    ) -> Manifest:
        self.version += 1
        meta = {"uid": uid or f"uid-{self.version}", "resourceVersion": str(self.version), "generation": 1}
        written = {**manifest, "metadata": {**manifest["metadata"], **meta, "managedFields": []}}
        self.store.written(written)
        self.written.append(f"{manifest['kind']}/{manifest['metadata']['name']}")
        return written

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:  # noqa: ARG002  events only
        return manifest

    async def replace_status(
        self, kind: Kind, namespace: str, name: str, *, status: Mapping[str, Any], **fields: Any
    ) -> Manifest:
        if kind is not AISTACK:
            return await super().replace_status(kind, namespace, name, status=status, **fields)
        self.stack = {**self.stack, "status": dict(status)}
        return self.stack

    async def runs(self, **seen: Any) -> Outcome:
        """A run with what is known besides the objects."""
        self.written.clear()
        observed = replace(self.store.observed(KEY), **seen)
        return await reconcile(self.stack, observed, Platform(catalog()), self, NOW, accounts=self.accounts())

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
