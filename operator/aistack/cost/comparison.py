"""What a change of a stack changes about its cost, part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aistack.cost.estimate import Estimate
from aistack.cost.money import MicroUnits, Range


@dataclass(frozen=True, slots=True)
class Line:
    """One part; None where it is not there, or where nobody can say what it costs."""

    component: str
    before: Range[MicroUnits] | None
    after: Range[MicroUnits] | None


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
        return Line("total", _monthly(self.before), _monthly(self.after))

    @property
    def lines(self) -> tuple[Line, ...]:
        """The parts that don't cost what they did, in the order in which they stand."""
        before = self.before.components if self.before else {}
        after = self.after.components if self.after else {}
        names = dict.fromkeys((*before, *after))
        found = (Line(name, before.get(name), after.get(name)) for name in names)
        return tuple(line for line in found if line.before != line.after)

    @property
    def is_lower_bound(self) -> bool:
        """Something on either side has no price, so the difference may be any."""
        return any(each.unknown for each in (self.before, self.after) if each)


def compare(before: Mapping[str, Estimate], after: Mapping[str, Estimate]) -> Sequence[Comparison]:
    """Both sides by the stacks' titles; stacks that only one side has stand in their place."""
    names = dict.fromkeys((*after, *before))
    return [Comparison(name, before.get(name), after.get(name)) for name in names]


def _monthly(estimated: Estimate | None) -> Range[MicroUnits] | None:
    return estimated.monthly if estimated else None
