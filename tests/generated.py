"""Stacks that nobody wrote: those of the policies' fixtures, mixed, with leaves that are other or gone."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from aistack.api import API_VERSION, AIStack
from aistack.catalog import Catalog
from aistack.cli.fixtures import Changes, Fixture, changed
from aistack.kinds import Manifest
from aistack.resolve import resolve
from aistack.resolved import ResolvedStack

Path = tuple[str | int, ...]
WORDS = (
    "",
    " ",
    "EU",
    "eu",
    "\uff25\uff35",
    "\u0435u-central-1",
    "eu-central-1",
    "us-east-1",
    "global.anthropic.claude-v1:0",
    "us.eu.claude",
    "main",
    "latest",
    "0E9E39F",
    "0e9e39",
    "0e9e39f249a16976918f6564b8830bc894c896590e9e39f249a16976918f6564b",
    "social_scoring",
    "Social Scoring",
    "social\u2011scoring",
    "182d",
    "183d",
    "4392h",
    "1d12h",
    "x' || true || '",
    "🙈\n",
)
"""What rules look for, and what looks like it: in wide, Cyrillic and other letters."""
SAME_TYPE = {
    bool: st.booleans(),
    int: st.sampled_from((0, 1, 2, 5, 183, 2**31)),
    float: st.sampled_from((0.0, 0.5, 1.0)),
    str: st.sampled_from(WORDS),
}


def leaves(value: Any, at: Path = ()) -> Iterator[Path]:
    """The way to every value in it, those that hold others too, the outermost first."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, (*at, key))


def _edited(draw: st.DrawFn, spec: Manifest) -> Manifest:
    """With one value taken away, or another of its type in its place."""
    edited = deepcopy(spec)
    *way, last = draw(st.sampled_from(list(leaves(spec))))
    place: Any = edited
    for key in way:
        place = place[key]
    other = SAME_TYPE.get(type(place[last]))
    if other is None or draw(st.booleans()):
        del place[last]
    else:
        place[last] = draw(other)
    return edited


@st.composite
def resolved_stacks(draw: st.DrawFn, rows: Sequence[Fixture]) -> ResolvedStack:
    """One that the API takes, whose names lead somewhere: a change that breaks that is left out."""
    base, catalog = rows[0].base.dump(), rows[0].catalog
    found = resolve(AIStack.parse(base), catalog).meaning
    assert found, "the stack of the fixtures means something"
    spec = base["spec"]
    mixed: Sequence[Changes] = draw(st.lists(st.sampled_from([row.changes for row in rows]), max_size=6))
    for changes in mixed:
        spec, found = _kept(spec, _changed(spec, changes), found, catalog)
    for _ in range(draw(st.integers(0, 6))):
        spec, found = _kept(spec, _edited(draw, spec), found, catalog)
    return found


def _changed(spec: Manifest, changes: Changes) -> Manifest:
    """The change of a fixture; none where another has taken away what it changes."""
    try:
        found: Manifest = changed({"spec": deepcopy(spec)}, "spec", changes)["spec"]
    except (LookupError, TypeError, AttributeError):
        return spec
    return found


def _kept(
    spec: Manifest, other: Manifest, found: ResolvedStack, catalog: Catalog
) -> tuple[Manifest, ResolvedStack]:
    """The other spec and what it means, where it means something."""
    whole = {"apiVersion": API_VERSION, "kind": "AIStack", "metadata": {"name": "made"}, "spec": other}
    try:
        meaning = resolve(AIStack.parse(whole), catalog).meaning
    except ValidationError:
        meaning = None
    return (other, meaning) if meaning else (spec, found)
