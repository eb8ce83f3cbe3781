"""One turn from what is live to what is mounted, in an order that never breaks a request."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loader.envoy import Admin
from loader.keys import clients_file, secrets_file
from loader.mounts import BadMount, Snapshot

CONFIRM_SECONDS = 60.0
"""Longest wait for Envoy: new clusters wait for their addresses and a first health check."""
POLL_SECONDS = 0.02


class Refused(Exception):
    """Envoy said no to a file; what it had before stays."""


class Unconfirmed(Exception):
    """Envoy has not said yes in time; the same step is tried again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to write; `statistics` is where Envoy says what became of it."""

    file: str
    statistics: str
    resources: list[Any]

    @property
    def version(self) -> str:
        return hashlib.sha256(json.dumps(self.resources).encode()).hexdigest()[:16]

    @property
    def text(self) -> str:
        return json.dumps({"version_info": self.version, "resources": self.resources})


STATISTICS = {
    "clusters.json": "cluster_manager.cds",
    "egress.json": "http.egress.rds.egress",
    "routes.json": "http.gateway.rds.gateway",
}


def prepare(wanted: Snapshot, live: Path) -> None:
    """Writes what Envoy needs to start; what an earlier run left is replaced."""
    write_keys(wanted, live)
    for file in STATISTICS:
        _write(live / file, _step(file, _resources(file, wanted.files[file])).text)


def turn(wanted: Snapshot, live: Path, admin: Admin, stop: Callable[[], bool]) -> None:
    """Makes `wanted` live, or raises BadMount, Refused, Unconfirmed or EnvoyDown. `stop` ends the waiting.

    What it no longer uses stays: a request that came before still goes where its old route led.
    """
    write_keys(wanted, live)
    for step in additions(wanted, live):
        _apply(step, live, admin, stop)


def retire(wanted: Snapshot, live: Path, admin: Admin, stop: Callable[[], bool]) -> None:
    """Takes away what `wanted`, which is live, does not use; raises what `turn` does."""
    for step in removals(wanted):
        _apply(step, live, admin, stop)
    remove_unused_keys(wanted, live)


def additions(wanted: Snapshot, live: Path) -> Iterator[Step]:
    """First what is added, then the routes that use it."""
    clusters, egress, routes = (
        _resources(file, wanted.files[file]) for file in ("clusters.json", "egress.json", "routes.json")
    )
    old_clusters, old_egress = (
        _resources(file, (live / file).read_text()) for file in ("clusters.json", "egress.json")
    )
    yield _step("clusters.json", _with_old(clusters, old_clusters))
    yield _step("egress.json", _with_old_hosts(egress, old_egress))
    yield _step("routes.json", routes)


def removals(wanted: Snapshot) -> Iterator[Step]:
    """The ways out first: they name the clusters."""
    for file in ("egress.json", "clusters.json"):
        yield _step(file, _resources(file, wanted.files[file]))


def write_keys(wanted: Snapshot, live: Path) -> None:
    """Envoy reads key files by itself as soon as they are there."""
    _write(live / "clients.json", clients_file(wanted.clients))
    for name, key in wanted.providers.items():
        _write(live / f"{name}.json", secrets_file({name: key}))
    _write(live / "sink.json", secrets_file(wanted.sink))


def remove_unused_keys(wanted: Snapshot, live: Path) -> None:
    for path in live.glob("provider-*.json"):
        if path.stem not in wanted.providers:
            path.unlink()


def _apply(step: Step, live: Path, admin: Admin, stop: Callable[[], bool]) -> None:
    path = live / step.file
    before = path.read_text()
    said = _ask(step, admin)
    at_start = before == step.text and not said.version
    refusals = 0 if at_start else said.refusals
    _write(path, step.text)
    deadline = time.monotonic() + CONFIRM_SECONDS
    while not stop():
        said = _ask(step, admin)
        if said.version == step.version and not said.warming:
            return
        if said.refusals != refusals:
            _write(path, before)
            raise Refused(f"Envoy refused {step.file}; its log says why")
        if time.monotonic() > deadline:
            raise Unconfirmed(f"Envoy has not confirmed {step.file} after {CONFIRM_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    raise Unconfirmed(f"told to stop before Envoy confirmed {step.file}")


@dataclass(frozen=True, slots=True)
class Said:
    """What Envoy says of a file."""

    version: str
    """The last one that it accepted; empty before the first."""
    refusals: int
    """How often it could not read one (failure), or not accept it (rejected)."""
    warming: bool
    """Whether clusters still wait for addresses and health."""


def _ask(step: Step, admin: Admin) -> Said:
    warming = "cluster_manager.warming_clusters"
    found = admin.stats([f"{step.statistics}.", warming])
    return Said(
        version=found.get(f"{step.statistics}.version_text", ""),
        refusals=sum(
            int(found.get(f"{step.statistics}.update_{what}", 0)) for what in ("failure", "rejected")
        ),
        warming=found.get(warming) != "0",
    )


def _step(file: str, resources: list[Any]) -> Step:
    return Step(file, STATISTICS[file], resources)


def _with_old(wanted: list[Any], old: list[Any]) -> list[Any]:
    """Everything that is wanted, and of the old what has no successor of its name."""
    names = {resource["name"] for resource in wanted}
    return [*wanted, *(resource for resource in old if resource["name"] not in names)]


def _with_old_hosts(wanted: list[Any], old: list[Any]) -> list[Any]:
    """The same for the virtual hosts of route configurations."""
    hosts = {configuration["name"]: configuration.get("virtual_hosts", []) for configuration in old}
    return [
        {
            **configuration,
            "virtual_hosts": _with_old(
                configuration.get("virtual_hosts", []), hosts.get(configuration["name"], [])
            ),
        }
        for configuration in wanted
    ]


def _resources(file: str, text: str) -> list[Any]:
    try:
        resources: list[Any] = json.loads(text)["resources"]
        names = {resource["name"] for resource in resources}
    except (ValueError, KeyError, TypeError) as error:
        raise BadMount(f"{file} is not a list of named resources of Envoy") from error
    if len(names) < len(resources):
        raise BadMount(f"{file} names a resource twice")
    return resources


def _write(path: Path, text: str) -> None:
    """Moves the new file over the old one, which is what Envoy watches for; only when they differ."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)
