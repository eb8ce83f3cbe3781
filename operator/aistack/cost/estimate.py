"""A month's cost of a stack, part by part, with every number's source."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from decimal import localcontext

from aistack.api.stack import CostStatus, LimitStatus, MeasuredThroughput, MonthlyRange
from aistack.cost import demand
from aistack.cost.assumptions import DEFAULTS, Assumed, Assumptions, used
from aistack.cost.breakeven import BreakEven
from aistack.cost.charges import Charge, charges
from aistack.cost.limits import bounded, within_limits
from aistack.cost.money import EXACT, LARGEST, MicroUnits, Range, cents, exact, total
from aistack.cost.prices import NO_PRICES, Prices, Unknown
from aistack.observed import Metered
from aistack.resolved import ResolvedStack

NO_TRAFFIC = "write spec.traffic or a monthlyLimit: without either nobody can say how many tokens"
NOT_MEANT = (
    "spec.traffic tells how much comes to chat routes, not to this model; "
    "write it into a stack that has no chat routes, with a traffic of its own, or write a monthlyLimit"
)
MOST_UNKNOWN = 64
"""As many as status.cost.unknownPrices holds."""
MOST_TOKENS = 10**15
"""As many as status.cost.breakEvenTokens holds."""
LINE = 253
"""Characters of a line in the status."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that costs money, and nobody can say how much."""

    component: str
    item: str
    what: str
    """What to write, and where."""

    def __str__(self) -> str:
        return f"{self.component}: {self.item}: {self.what}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a month of 730 hours costs; what is unknown is named, and not in the sums."""

    currency: str = "USD"
    books: tuple[str, ...] = ()
    """The price books that were asked, `<name>@<day>`, in their order."""
    charges: tuple[Charge, ...] = ()
    unknown: tuple[Gap, ...] = ()
    assumptions: tuple[tuple[str, Assumed], ...] = ()

    @property
    def monthly(self) -> Range[MicroUnits] | None:
        """The sum of all that is known; None where nothing is."""
        return _known(self.charges) if self.charges or not self.unknown else None

    @property
    def components(self) -> dict[str, Range[MicroUnits] | None]:
        """What is known of each part; the parts add up to `monthly`."""
        names = dict.fromkeys(charge.component for charge in self.charges)
        return {
            name: _known([charge for charge in self.charges if charge.component == name]) for name in names
        }


def _known(charged: Sequence[Charge]) -> Range[MicroUnits] | None:
    costs = [cost for charge in charged if (cost := charge.cost)]
    return total(costs) if costs or not charged else None


def estimate(
    stack: ResolvedStack, prices: Prices = NO_PRICES, assumptions: Assumptions = DEFAULTS
) -> Estimate:
    """The cost of a stack: pure, exact, and the same whoever asks."""
    with localcontext(EXACT):
        coming = demand.requests(stack, assumptions)
        asked = charges(stack, prices, assumptions, coming)
        declared = _declared(stack, coming)
        within = within_limits(stack, asked, prices, declared)
        charged = tuple(charge for charge in within if charge.quantity.max)
        return Estimate(
            currency=prices.currency,
            books=prices.books,
            charges=charged,
            unknown=tuple(_unknown(stack, charged, coming, declared | bounded(stack, prices))),
            assumptions=tuple(used(stack, assumptions)),
        )


def _declared(stack: ResolvedStack, coming: demand.Requests | None) -> set[str]:
    """The models of whose requests spec.traffic tells."""
    answering = {model.name for route in stack.gateway.routes for model in route.answering}
    return {*(coming or ()), *(demand.questions(stack).keys() - answering)}


def _unknown(
    stack: ResolvedStack, charged: Sequence[Charge], coming: demand.Requests | None, known: Set[str]
) -> Iterator[Gap]:
    """`known` are the models of which it is known how much they are asked, or may be at the most."""
    for charge in charged:
        if isinstance(charge.price, Unknown):
            yield Gap(charge.component, charge.item, charge.price.what)
    if stack.spec.suspend:
        return
    reached = {model.name for model in stack.gateway.reached}
    for model in stack.managed:
        if model.name in reached - known:
            yield Gap(f"model/{model.name}", "tokens", NO_TRAFFIC if coming is None else NOT_MEANT)


def cost_status(
    estimated: Estimate,
    verdicts: Sequence[BreakEven] = (),
    metered: Metered | None = None,
    before: CostStatus | None = None,
    limits: tuple[LimitStatus, ...] = (),
    *,
    counted: Estimate | None = None,
) -> CostStatus:
    """What a stack's status says of its cost; month to date and forecast are metered, not estimated.

    `counted` is the estimate that budgets hold it to, which stands on nothing that was measured.
    While nobody knows them, as after a restart, they stay as they were said `before`.
    """
    monthly = estimated.monthly
    tokens = [verdict.tokens for verdict in verdicts if verdict.tokens is not None]
    said = before if before and before.currency == estimated.currency else CostStatus()
    return CostStatus(
        currency=estimated.currency,
        monthly=_monthly(monthly, cents) if monthly else None,
        counted=_monthly(counted.monthly, exact) if counted and counted.monthly else None,
        month_to_date=cents(metered.spent) if metered else said.month_to_date,
        forecast=_forecast(metered) if metered else said.forecast,
        unread_since=metered.unread_since if metered else before.unread_since if before else None,
        break_even_tokens=min(*tokens, MOST_TOKENS) if tokens else None,
        price_book=", ".join(estimated.books)[:LINE] or None,
        throughput=known_throughput(metered, before),
        unknown_prices=tuple(str(gap)[:LINE] for gap in estimated.unknown[:MOST_UNKNOWN]),
        limits=limits,
    )


def known_throughput(metered: Metered | None, before: CostStatus | None) -> tuple[MeasuredThroughput, ...]:
    """What was measured of replicas; until somebody looks again, as it was said `before`."""
    if metered:
        return metered.throughput
    return before.throughput if before else ()


def _forecast(metered: Metered) -> str | None:
    return None if metered.forecast is None else cents(metered.forecast)


def _monthly(cost: Range[MicroUnits], written: Callable[[MicroUnits], str]) -> MonthlyRange:
    least, expected, most = (written(min(each, LARGEST)) for each in (cost.min, cost.expected, cost.max))
    return MonthlyRange(min=least, expected=expected, max=most)
