"""One stack and what a run makes of it: an API server of dicts that has what was applied."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from aistack.kinds import AISTACK, Kind, Manifest
from aistack.platform import Platform
from aistack.reconciler import Outcome, reconcile
from aistack.runtime.store import Store
from tests.budget_server import Server

CREATED = "2026-11-01T00:00:00Z"


class Reconciled(Server):
    """An API server with budgets and one stack, and the controller's cache of it."""

    def __init__(self, stack: Manifest, *budgets: Manifest) -> None:
        super().__init__(*budgets)
        self.version = 1
        self.store = Store()
        self.applied: dict[tuple[str, str], Manifest] = {}
        """What was applied, by kind and name."""
        meta = {"generation": 1, "resourceVersion": "1", "creationTimestamp": CREATED}
        self.stack = {**stack, "metadata": {**stack["metadata"], **meta}}
        self.store.update(self.stack)

    def ask(self, stack: Manifest) -> None:
        """Writes a new spec."""
        meta = {**self.stack["metadata"], "generation": self.stack["metadata"]["generation"] + 1}
        self.stack = {**self.stack, "metadata": meta, "spec": stack["spec"]}

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
        self.applied[manifest["kind"], manifest["metadata"]["name"]] = written
        self.store.written(written)
        return written

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:  # noqa: ARG002  Kube's
        self.store.remove(self.applied.pop((kind.kind, name)))

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:  # noqa: ARG002  events only
        return manifest

    async def replace_status(
        self, kind: Kind, namespace: str, name: str, *, status: Mapping[str, Any], **fields: Any
    ) -> Manifest:
        if kind is not AISTACK:
            return await super().replace_status(kind, namespace, name, status=status, **fields)
        self.stack = {**self.stack, "status": dict(status)}
        return self.stack

    async def run(self, platform: Platform, now: datetime, **seen: Any) -> Outcome:
        """One run, `seen` beside the objects; the watches have told of what was written and deleted."""
        self.store.update(self.stack)
        key = (self.stack["metadata"]["namespace"], self.stack["metadata"]["name"])
        observed = replace(self.store.observed(key), **seen)
        return await reconcile(self.stack, observed, platform, self, now, accounts=self.accounts())

    @property
    def status(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.stack["status"]
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        """Its status and reason; KeyError where it isn't there."""
        found = {each["type"]: (each["status"], each["reason"]) for each in self.status["conditions"]}
        return found[kind]
