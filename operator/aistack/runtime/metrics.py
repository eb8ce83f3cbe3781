"""What the controller counts, for Prometheus."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Set

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from aistack.api import AIBudget
from aistack.api.policies import PolicyStatus
from aistack.api.stack import CostStatus
from aistack.budget import Ledger
from aistack.govern import Outcome
from aistack.runtime.metering import StackMonth
from aistack.runtime.store import Key
from aistack.spending import micro
from aistack.spending.summary import Spent
from aistack.unreadable import Unreadable

MICRO = 1_000_000
BROKEN = frozenset({Outcome.FAILED.value, Outcome.ERROR.value})

RECONCILE_SECONDS = Histogram(
    "aistack_reconcile_seconds",
    "Time of one run over a stack, by outcome: ready, not_ready, unavailable, not_leader, error.",
    ["outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
API_REQUESTS = Counter(
    "aistack_api_requests_total",
    "Requests to the API server by verb and HTTP code; code 0 is a connection that broke.",
    ["verb", "code"],
)
API_SECONDS = Histogram(
    "aistack_api_request_seconds",
    "Time until the API server began to answer, by verb.",
    ["verb"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LEASE_HELD = Gauge("aistack_lease_held", "1 while this process holds the lease and writes, else 0.")
QUEUE_DEPTH = Gauge("aistack_queue_depth", "Stacks that are due and wait for a worker.")
QUEUE_OLDEST = Gauge(
    "aistack_queue_oldest_seconds", "How long the longest waiting of the due stacks has waited."
)


def count_request(verb: str, code: int, seconds: float) -> None:
    API_REQUESTS.labels(verb, code).inc()
    API_SECONDS.labels(verb).observe(seconds)


class PolicyResults(Collector):
    """Counts what came of policies' rules on all stacks, as their last run left them."""

    def __init__(self) -> None:
        self._results: dict[Key, Mapping[tuple[str, str], int]] = {}

    def set(self, key: Key, results: Mapping[tuple[str, str], int]) -> None:
        self._results[key] = results

    def forget(self, key: Key) -> None:
        self._results.pop(key, None)

    def clear(self) -> None:
        self._results.clear()

    def pass_over(self, key: Key) -> None:
        """A stack that was looked at and can't be judged: what was said of it last stays."""
        self._results.setdefault(key, {})

    def cover(self, keys: Set[Key]) -> bool:
        """Whether each of these stacks was looked at."""
        return keys <= self._results.keys()

    def statuses(self) -> Mapping[str, PolicyStatus]:
        """Of each policy that is about a stack: how many there are, and how many of them break it."""
        stacks: Tally[str] = Tally()
        violating: Tally[str] = Tally()
        for results in self._results.values():
            stacks.update({policy for policy, _ in results})
            violating.update({policy for policy, outcome in results if outcome in BROKEN})
        return {
            name: PolicyStatus(stacks=number, violating=violating[name]) for name, number in stacks.items()
        }

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "aistack_policy_results",
            "Rules on AIStacks by policy and result: passed, failed, error, waived.",
            labels=["policy", "result"],
        )
        total: Tally[tuple[str, str]] = Tally()
        for results in self._results.values():
            total.update(results)
        for labels, number in total.items():
            family.add_metric(labels, number)
        yield family


class StackStates(Collector):
    """Counts stacks by readiness and reason, as their last run left them."""

    def __init__(self) -> None:
        self._states: dict[Key, tuple[bool, str]] = {}

    def set(self, key: Key, ready: bool, reason: str) -> bool:
        """Whether that is news."""
        before, self._states[key] = self._states.get(key), (ready, reason)
        return before != (ready, reason)

    def forget(self, key: Key) -> None:
        self._states.pop(key, None)

    def clear(self) -> None:
        self._states.clear()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "aistack_stacks", "AIStacks by readiness and reason.", labels=["ready", "reason"]
        )
        for (ready, reason), number in Tally(self._states.values()).items():
            family.add_metric([str(ready).lower(), reason], number)
        yield family


class StackCosts(Collector):
    """What a month of each stack is estimated to cost, as its last run left it."""

    def __init__(self) -> None:
        self._costs: dict[Key, CostStatus] = {}

    def set(self, key: Key, cost: CostStatus) -> None:
        self._costs[key] = cost

    def forget(self, key: Key) -> None:
        self._costs.pop(key, None)

    def clear(self) -> None:
        self._costs.clear()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "aistack_stack_cost_monthly",
            "Estimated cost of a month, in units of the currency: at the least, expected and at the most.",
            labels=["namespace", "stack", "currency", "bound"],
        )
        for key, cost in self._costs.items():
            for bound, amount in cost.monthly.dump().items() if cost.monthly else ():
                family.add_metric([*key, cost.currency, bound], float(amount))
        yield family


class BudgetAmounts(Collector):
    """What each budget may hold and holds, in units of its currency."""

    def __init__(self, budgets: Callable[[], Mapping[str, AIBudget]]) -> None:
        self._budgets = budgets

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["budget", "currency"]
        limit = GaugeMetricFamily("aistack_budget_limit", "What may be reserved a month.", labels=labels)
        reserved = GaugeMetricFamily(
            "aistack_budget_reserved", "What is reserved a month, committed and pending.", labels=labels
        )
        committed = GaugeMetricFamily(
            "aistack_budget_committed", "What is reserved a month for specs that were seen.", labels=labels
        )
        for name, budget in self._budgets().items():
            ledger = Ledger.of(budget)
            said = [name, ledger.terms.limit.currency]
            limit.add_metric(said, ledger.limit / MICRO)
            reserved.add_metric(said, ledger.reserved / MICRO)
            committed.add_metric(said, sum(each.micro_units for each in ledger.committed.values()) / MICRO)
        yield from (limit, reserved, committed)


class Spending(Collector):
    """What stacks and budgets have really spent this month, in units of the currency."""

    def __init__(
        self,
        stacks: Callable[[], Iterable[StackMonth]],
        budgets: Mapping[str, Spent],
        known: Callable[[], Mapping[str, AIBudget]],
    ) -> None:
        self._stacks = stacks
        self._budgets = budgets
        self._known = known

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._of_stacks()
        yield from self._of_budgets()

    def _of_stacks(self) -> Iterator[GaugeMetricFamily]:
        labels, parts = ["namespace", "stack", "currency"], ["namespace", "stack", "part", "currency"]
        to_date = GaugeMetricFamily(
            "aistack_stack_cost_month_to_date",
            "What a stack has really cost since the month began.",
            labels=labels,
        )
        forecast = GaugeMetricFamily(
            "aistack_stack_cost_forecast",
            "What a stack will have cost at the month's end, if it goes on so.",
            labels=labels,
        )
        limit = GaugeMetricFamily("aistack_stack_limit", "A monthlyLimit.", labels=parts)
        used = GaugeMetricFamily(
            "aistack_stack_limit_spent", "What of a monthlyLimit is spent this month.", labels=parts
        )
        for stack, currency, month, limits in self._stacks():
            to_date.add_metric([*stack, currency], month.spent / MICRO)
            if month.forecast is not None:
                forecast.add_metric([*stack, currency], month.forecast / MICRO)
            for part, most in limits.items():
                limit.add_metric([*stack, part, most.currency], float(most.amount))
                used.add_metric([*stack, part, currency], month.limited[part] / MICRO)
        yield from (to_date, forecast, limit, used)

    def _of_budgets(self) -> Iterator[GaugeMetricFamily]:
        labels = ["budget", "currency"]
        to_date = GaugeMetricFamily(
            "aistack_budget_month_to_date", "What was really spent since the month began.", labels=labels
        )
        forecast = GaugeMetricFamily(
            "aistack_budget_forecast",
            "What will be spent at the month's end, if it goes on so.",
            labels=labels,
        )
        for name, budget in self._known().items():
            if spent := self._budgets.get(budget.metadata.uid):
                said = [name, budget.spec.limit.currency]
                to_date.add_metric(said, micro(spent.month_to_date) / MICRO)
                if spent.forecast:
                    forecast.add_metric(said, micro(spent.forecast.expected) / MICRO)
        yield from (to_date, forecast)


class UnreadableObjects(Collector):
    """The budgets and policies under which nothing new runs, because nobody knows what they ask."""

    def __init__(self, unreadable: Callable[[], Iterable[Unreadable]]) -> None:
        self._unreadable = unreadable

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "aistack_unreadable_objects",
            "1 for each AIBudget and AIPolicy that was written for another version of the operator.",
            labels=["kind", "name"],
        )
        for each in self._unreadable():
            family.add_metric([each.kind, each.metadata.name], 1)
        yield family
