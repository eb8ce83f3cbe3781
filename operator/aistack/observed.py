"""What the controller remembers of the objects it watches: not the objects, only what decisions need."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aistack.kinds import Manifest


@dataclass(frozen=True, slots=True)
class Child:
    """One object of a stack as last seen."""

    kind: str
    name: str
    uid: str
    resource_version: str
    owner_uid: str
    """The uid of the AIStack that controls it; empty when nobody or somebody else does."""
    owned: str
    """Digest of the fields that our field manager owns: it changes when someone takes one of them over."""
    owns_replicas: bool
    """Whether `spec.replicas` is among those fields."""
    deleting: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything seen of one stack's objects; keys are (kind, name)."""

    children: Mapping[tuple[str, str], Child] = field(default_factory=dict)


def observe(manifest: Manifest) -> Child:
    """Reduces an object of a watch, or of an answer to a write, to what is remembered of it."""
    raise NotImplementedError
