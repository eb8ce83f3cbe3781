"""What a run makes of what was really spent: what nobody can say anew stays as it was."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aistack.budget import Budgets
from aistack.kinds import Manifest
from aistack.observed import Metered
from aistack.platform import Platform
from aistack.reconciler import SOON
from aistack.runtime.store import Store
from aistack.unreadable import Unreadable
from tests.budgets import manifest
from tests.costs import TRAFFIC, managed, prices, route
from tests.reconciled import Reconciled
from tests.stacks import catalog, stack

NOW = datetime(2026, 11, 10, 13, tzinfo=UTC)
SPENT = Metered("2026-11", 40_000_000, 90_000_000)


class Cluster(Reconciled):
    """A stack and a budget that has stopped it, unless the stack's model has a `limit` of its own."""

    def __init__(self, limit: str = "") -> None:
        model = managed(monthlyLimit={"amount": limit}) if limit else managed()
        super().__init__(
            stack(models=[model], gateway={"routes": [route(("gpt", 1))]}, traffic=TRAFFIC),
            manifest(limit="100000", thresholds=[{"percent": 50, "action": "Stop"}]),
        )
        if not limit:
            self.stored["care"]["status"] = {"action": "Stop", "month": "2026-11"}

    @property
    def configuration(self) -> str:
        return str([item["data"] for (kind, _), item in self.applied.items() if kind == "ConfigMap"])

    async def runs(
        self, metered: Metered | None, unreadable: tuple[Unreadable, ...] = ()
    ) -> Mapping[str, Any]:
        """The stack's status after a run."""
        known = Budgets(() if unreadable else tuple(self.budgets().values()))
        await self.run(
            Platform(catalog(), prices(), budgets=known, unreadable=unreadable), NOW, metered=metered
        )
        return self.status


class Settled(Reconciled):
    """Its Deployments have no pod left by the time they are written."""

    async def apply(self, manifest: Manifest, **fields: Any) -> Manifest:
        return await super().apply({**manifest, "status": {"observedGeneration": 1}}, **fields)


def unreadable() -> tuple[Unreadable, ...]:
    """The same budget as a newer version has written it."""
    newer, store = manifest(burst="10%"), Store()
    store.update({**newer, "metadata": {**newer["metadata"], "uid": "uid-care", "resourceVersion": "9"}})
    return store.unreadable


async def test_a_budget_that_can_not_be_read_any_more_lifts_no_stop() -> None:
    cluster = Cluster()
    await cluster.runs(SPENT)
    assert "insufficient_quota" in cluster.configuration
    for _ in range(2):
        status = await cluster.runs(SPENT, unreadable())
    assert "insufficient_quota" in cluster.configuration
    assert [item["reason"] for item in status["conditions"] if item["type"] == "WithinThresholds"] == [
        "Stopped"
    ]


async def test_what_was_spent_is_said_until_it_is_known_anew() -> None:
    cluster = Cluster()
    await cluster.runs(SPENT)
    cost = (await cluster.runs(None))["cost"]
    assert (cost["monthToDate"], cost["forecast"]) == ("40.00", "90.00")
    cost = (await cluster.runs(Metered("2026-12", 10_000, None)))["cost"]
    assert (cost["monthToDate"], cost.get("forecast")) == ("0.01", None)


async def test_since_when_a_gateway_is_silent_is_said_until_it_is_known_anew() -> None:
    cluster = Cluster()
    silent = replace(SPENT, unread_since="2026-11-10T12:01:00Z")
    for metered, said in (
        (SPENT, None),
        (silent, silent.unread_since),
        (None, silent.unread_since),
        (SPENT, None),
    ):
        assert (await cluster.runs(metered))["cost"].get("unreadSince") == said


async def test_what_is_not_needed_any_more_is_given_back_though_no_watch_tells_of_what_was_written() -> None:
    spec: dict[str, Any] = {
        "models": [managed()],
        "gateway": {"routes": [route(("gpt", 1))]},
        "traffic": TRAFFIC,
    }
    cluster = Settled(stack(**spec), manifest(limit="100000"))

    async def run() -> tuple[float | None, str]:
        """When it is looked at again, and what is held for it then."""
        platform = Platform(catalog(), prices(), budgets=Budgets(tuple(cluster.budgets().values())))
        outcome = await cluster.run(platform, NOW)
        return outcome.retry_after, cluster.stored["care"]["status"]["reserved"]

    _, held = await run()
    cluster.ask(stack(**spec, suspend=True))
    assert await run() == (SOON, held)
    again, rest = await run()
    assert again is None
    assert float(rest) < float(held)


def within_limits(status: Mapping[str, Any]) -> str:
    (found,) = (item for item in status["conditions"] if item["type"] == "WithinMonthlyLimits")
    return str(found["reason"])


def metered(spent: int, month: str = "2026-11", until: str = "2026-12-01T00:00:00Z") -> Metered:
    """So many whole units are spent of the model's limit."""
    return Metered(month, spent * 10**6, None, {"model/gpt": spent * 10**6}, until)


async def test_a_limit_stops_a_model_over_a_restart_and_until_the_month_turns() -> None:
    cluster = Cluster(limit="10")
    assert within_limits(await cluster.runs(metered(9))) == "BelowLimits"
    assert "insufficient_quota" not in cluster.configuration
    status = await cluster.runs(metered(10))
    assert within_limits(status) == "LimitReached"
    assert "insufficient_quota" in cluster.configuration
    assert status["cost"]["limits"] == [
        {"part": "model/gpt", "spent": "10", "stopped": True, "until": "2026-12-01T00:00:00Z"}
    ]
    assert within_limits(await cluster.runs(None)) == "LimitReached", "nothing is metered yet"
    assert "insufficient_quota" in cluster.configuration
    status = await cluster.runs(metered(0, "2026-12", "2027-01-01T00:00:00Z"))
    assert within_limits(status) == "BelowLimits"
    assert "insufficient_quota" not in cluster.configuration


async def test_a_limit_that_is_raised_goes_on_at_once() -> None:
    cluster = Cluster(limit="10")
    await cluster.runs(metered(10))
    await cluster.runs(metered(10))
    assert "insufficient_quota" in cluster.configuration
    managed_model = managed(monthlyLimit={"amount": "11"})
    cluster.stack = {**cluster.stack, "spec": {**cluster.stack["spec"], "models": [managed_model]}}
    assert within_limits(await cluster.runs(None)) == "BelowLimits"
    assert "insufficient_quota" not in cluster.configuration


async def test_no_doubt_holds_up_that_a_model_is_stopped() -> None:
    cluster = Cluster(limit="10")
    await cluster.runs(metered(9))
    await cluster.runs(metered(10), unreadable())
    assert "insufficient_quota" in cluster.configuration
