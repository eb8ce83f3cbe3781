"""What a run makes of how fast replicas were measured to be: it is said, and nothing is reserved by it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aistack.api import AcceleratorClass, AIStack
from aistack.api.stack import MeasuredThroughput
from aistack.budget import Budgets
from aistack.catalog import Catalog
from aistack.cost.assumptions import replica_digest
from aistack.images import default_images
from aistack.observed import Metered
from aistack.platform import Platform
from aistack.resolve import resolve
from tests.budgets import manifest
from tests.costs import GPT, SOURCE, TRAFFIC, managed, prices, shared
from tests.reconciled import Reconciled
from tests.stacks import accelerator_class, hosted, stack

NOW = datetime(2026, 11, 10, 13, tzinfo=UTC)
MODEL = {"scaling": {"min": 1, "max": 6}}
DEAR = {**GPT, "inputPerMillion": "10", "outputPerMillion": "10"}


def spec(**fields: Any) -> dict[str, Any]:
    """Half of 1,000,000 requests of 1,500 tokens a month for llama: 750 million tokens."""
    return stack(**shared(hosted(**{**MODEL, **fields}), managed(), traffic=TRAFFIC))


class Cluster(Reconciled):
    """A stack, and a budget that counts what it is expected to cost."""

    def __init__(self) -> None:
        super().__init__(spec(), manifest(limit="100000", basis="Expected"))
        l4 = accelerator_class()
        l4["spec"]["price"] = {"onDemandHourly": "0.80", "source": SOURCE, "asOf": "2026-11-01"}
        self.catalog = Catalog(default_images(), {"nvidia-l4": AcceleratorClass.parse(l4)})

    async def runs(self, metered: Metered | None) -> tuple[float, int | None, str]:
        """What a month is expected to cost, the break-even, and what is reserved."""
        platform = Platform(self.catalog, prices(DEAR), budgets=Budgets(tuple(self.budgets().values())))
        await self.run(platform, NOW, metered=metered)
        cost: Mapping[str, Any] = self.status["cost"]
        (share,) = self.status["budgets"]
        return float(cost["monthly"]["expected"]), cost.get("breakEvenTokens"), share["reserved"]

    def served(self, tokens_per_second: int) -> Metered:
        """By replicas as the stack has them now."""
        meaning = resolve(AIStack.parse({**self.stack, "status": {}}), self.catalog).stack
        assert meaning
        row = MeasuredThroughput(
            model="llama",
            tokens_per_second=tokens_per_second,
            since="2026-11-09T00:00:00Z",
            replica=replica_digest(meaning.self_hosted[0]),
        )
        return Metered("2026-11", 0, None, throughput=(row,))


async def test_estimate_and_break_even_stand_on_what_was_measured_and_the_reservation_does_not() -> None:
    cluster = Cluster()
    at_most, break_even, reserved = await cluster.runs(None)
    assert break_even is None, "nobody knows how fast a replica is"
    # 750e6 tokens over 250 x 0.6 x 2,628,000 s = 1.9: two replicas of six, at 584 each
    for metered in (cluster.served(250), None):
        expected, break_even, still = await cluster.runs(metered)
        assert round(at_most - expected, 2) == 4 * 584
        assert break_even
        assert still == reserved
    assert cluster.status["cost"]["throughput"][0]["tokensPerSecond"] == 250


async def test_a_lost_reservation_is_made_again_to_the_millionth_whatever_was_measured() -> None:
    cluster = Cluster()
    await cluster.runs(None)
    await cluster.runs(cluster.served(250))
    ((held,), cluster.stored["care"]["status"]["stacks"]) = cluster.stored["care"]["status"]["stacks"], ()
    cluster.ask(spec(accelerator={"class": "unknown"}))
    await cluster.runs(None)
    (again,) = cluster.stored["care"]["status"]["stacks"]
    assert again["microUnits"] == held["microUnits"]
    assert held["microUnits"] % 10_000, "it is no whole number of cents"


async def test_what_other_replicas_have_served_says_nothing() -> None:
    cluster = Cluster()
    before = await cluster.runs(None)
    slow = cluster.served(250)
    cluster.ask(spec(runtime={"args": ["--max-num-seqs=1"]}))
    assert await cluster.runs(slow) == before


async def test_what_is_declared_comes_first() -> None:
    cluster = Cluster()
    cluster.ask(spec(tokensPerSecond=10_000))
    expected, _, _ = await cluster.runs(None)
    assert (await cluster.runs(cluster.served(250)))[0] == expected
