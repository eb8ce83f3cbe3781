"""What a change of a stack changes about its cost, part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aistack.cost.estimate import Estimate
from aistack.cost.money import MicroUnits, Range
from aistack.errors import AIStackError


class ComparisonError(AIStackError):
    """There is no difference to tell; the message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a stack costs."""

    known: Range[MicroUnits] | None
    """None where nothing of it has a price."""
    unknown: frozenset[str] = frozenset()
    """What of it has none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One part; None where it is not there."""

    component: str
    before: Part | None
    after: Part | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One stack; None where it is not there."""

    title: str
    before: Estimate | None
    after: Estimate | None

    @property
    def currency(self) -> str:
        return next(each.currency for each in (self.after, self.before) if each)

    @property
    def total(self) -> Line:
        return Line("total", _total(self.before), _total(self.after))

    @property
    def lines(self) -> tuple[Line, ...]:
        """The parts that don't cost what they did, or of which nobody can say so, in their order."""
        before, after = _parts(self.before), _parts(self.after)
        names = dict.fromkeys((*before, *after))
        found = (Line(name, before.get(name), after.get(name)) for name in names)
        return tuple(line for line in found if line.before != line.after)

    @property
    def is_lower_bound(self) -> bool:
        """Something on either side has no price, so the difference may be any."""
        return any(each.unknown for each in (self.before, self.after) if each)


def compare(before: Mapping[str, Estimate], after: Mapping[str, Estimate]) -> Sequence[Comparison]:
    """Both sides by the stacks' titles; stacks that only one side has stand in their place.

    ComparisonError where a stack's prices are in another currency than before.
    """
    names = dict.fromkeys((*after, *before))
    for name in after.keys() & before.keys():
        was, now = before[name].currency, after[name].currency
        if was != now:
            raise ComparisonError(
                f"{name}: its prices were in {was} and are in {now}, and there are no exchange rates; "
                "compare with PriceBooks of one currency"
            )
    return [Comparison(name, before.get(name), after.get(name)) for name in names]


def _parts(estimated: Estimate | None) -> dict[str, Part]:
    if estimated is None:
        return {}
    known = estimated.components
    names = dict.fromkeys((*known, *(gap.component for gap in estimated.unknown)))
    return {
        name: Part(known.get(name), frozenset(gap.item for gap in estimated.unknown if gap.component == name))
        for name in names
    }


def _total(estimated: Estimate | None) -> Part | None:
    if estimated is None:
        return None
    return Part(estimated.monthly, frozenset(f"{gap.component}: {gap.item}" for gap in estimated.unknown))
