"""Where books are kept: ConfigMaps that are written over the version they were read from, and no other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aistack.api import API_VERSION
from aistack.api.base import Metadata
from aistack.errors import Conflict, NotFound
from aistack.kinds import CONFIG_MAP, Kind, Manifest
from aistack.kube import Kube

LABELS = {"app.kubernetes.io/managed-by": "aistack", "app.kubernetes.io/component": "spending"}


@dataclass(frozen=True, slots=True)
class Place:
    """One ConfigMap; it goes with its owner."""

    namespace: str
    name: str
    owner_kind: str
    owner: Metadata
    uid: str | None = None
    """None while there is none."""
    version: str = ""

    def manifest(self, content: Mapping[str, Any]) -> Manifest:
        """`content` is its `data` and `binaryData`."""
        owner = {
            "apiVersion": API_VERSION,
            "kind": self.owner_kind,
            "name": self.owner.name,
            "uid": self.owner.uid,
            "controller": True,
        }
        version = {"resourceVersion": self.version} if self.uid else {}
        return {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": LABELS,
                "ownerReferences": [owner],
                **version,
            },
            **content,
        }


def place_of(kind: Kind, owner: Metadata, namespace: str) -> Place:
    """`support-spending` beside a stack; `budget-care-spending` where the operator is."""
    name = f"{owner.name}-spending" if kind.namespaced else f"budget-{owner.name}-spending"
    return Place(namespace, name, kind.kind, owner)


async def fetch(place: Place, kube: Kube) -> tuple[Place, Manifest | None]:
    """What is kept there, and the place as it is. Conflict where it belongs to somebody else."""
    try:
        found = await kube.get(CONFIG_MAP, place.namespace, place.name)
    except NotFound:
        return place, None
    meta = found["metadata"]
    if place.owner.uid not in {owner["uid"] for owner in meta.get("ownerReferences", ())}:
        raise Conflict(409, "AlreadyExists", f"ConfigMap {place.namespace}/{place.name} belongs to another")
    return replace(place, uid=meta["uid"], version=meta["resourceVersion"]), found


async def keep(place: Place, content: Mapping[str, Any], kube: Kube) -> Place:
    """The place as it is then. Conflict when somebody else has written meanwhile."""
    written = await kube.apply(place.manifest(content), uid=place.uid)
    meta = written["metadata"]
    return replace(place, uid=meta["uid"], version=meta["resourceVersion"])
