"""What a pod holds, as it stands in the pod itself: a newer spec of its stack changes nothing of that."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from aistack.kinds import Manifest
from aistack.units import decimal


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the scheduler sets aside for a pod, and where it may put it."""

    resources: tuple[tuple[str, Decimal], ...]
    """By name, such as `cpu` (cores), `memory` (bytes), `nvidia.com/gpu`; all containers together."""
    nodes: frozenset[tuple[str, str]] = frozenset()
    """The labels that its node must have."""

    def amount(self, resource: str) -> Decimal:
        return dict(self.resources).get(resource, Decimal(0))

    @property
    def is_accelerated(self) -> bool:
        """It holds something that only a device has: such resources are named by their maker's domain."""
        return any("/" in name for name, _ in self.resources)


def hardware_of(pod: Manifest) -> Hardware | None:
    """None where the pod doesn't say it, or in quantities that nobody writes here."""
    spec = pod.get("spec", {})
    try:
        held = _together(spec.get("containers", ()))
    except ValueError:
        return None
    nodes = frozenset(spec.get("nodeSelector", {}).items())
    return _alike(tuple(sorted(held.items())), nodes) if held else None


def _together(containers: Iterable[Manifest]) -> dict[str, Decimal]:
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    for container in containers:
        resources = container.get("resources", {})
        wanted = resources.get("limits", {}) | resources.get("requests", {})
        for name, quantity in wanted.items():
            held[name] += decimal(quantity)
    return held


@lru_cache(maxsize=1024)
def _alike(resources: tuple[tuple[str, Decimal], ...], nodes: frozenset[tuple[str, str]]) -> Hardware:
    """Replicas hold the same: it is kept once."""
    return Hardware(resources, nodes)
