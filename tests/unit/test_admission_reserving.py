"""What a review answers where budgets count the stack: held, refused with a way out, or only told."""

from typing import Any

import pytest

from aistack.accounts import Accounts
from aistack.admission.request import AdmissionReview
from aistack.admission.reserving import TOO_MANY, reserve
from aistack.admission.review import Verdict, review
from aistack.api import AcceleratorClass, AIBudget, PriceBook
from aistack.budget import Budgets
from aistack.catalog import Catalog
from aistack.cost.prices import index
from aistack.errors import Conflict
from aistack.images import default_images
from aistack.platform import Platform
from tests import reviews
from tests.budget_server import Server
from tests.budgets import manifest
from tests.costs import SOURCE, book
from tests.stacks import accelerator_class, hosted, stack

HOURLY = {"large": "10", "medium": "5", "small": "1", "tiny": "0.5"}
FREE = {"name": "default", "cpuHourly": "0", "memoryGibHourly": "0", "source": SOURCE}
FREE_PODS = book(compute=[FREE])
GPT = {"provider": "openai", "model": "gpt-x", "inputPerMillion": "1", "outputPerMillion": "0"}
TOKENS = book(
    compute=[{**FREE, "cpuHourly": "0.03"}],
    traffic=[{"name": "internet", "perGib": "0", "source": SOURCE}],
    tokens=[{**GPT, "source": SOURCE}],
)


def priced_class(name: str, hourly: str) -> AcceleratorClass:
    found = accelerator_class(name)
    found["spec"]["memory"] = "8Gi" if name == "tiny" else "24Gi"
    found["spec"]["price"] = {"onDemandHourly": hourly, "source": SOURCE, "asOf": "2026-11-01"}
    return AcceleratorClass.parse(found)


CLASSES = {name: priced_class(name, hourly) for name, hourly in HOURLY.items()}


def costing(replicas: int, accelerator: str = "small", **spec: Any) -> dict[str, Any]:
    """730 a month for each replica at most, on the class `small`."""
    model = hosted(accelerator={"class": accelerator}, scaling={"min": 1, "max": replicas})
    return stack(models=[model], gateway={"replicas": {"min": 1, "max": 1}}, **spec)


async def asked(
    server: Server,
    obj: dict[str, Any],
    old: dict[str, Any] | None = None,
    *,
    prices: PriceBook = FREE_PODS,
    **request: Any,
) -> Verdict:
    """The verdict of a webhook whose cluster has these budgets."""
    sent = AdmissionReview.model_validate(reviews.review(obj, old, **request)).request
    budgets = tuple(AIBudget.parse(item) for item in server.stored.values())
    catalog = Catalog(default_images(), CLASSES)
    platform = Platform(
        catalog, index({"prices": prices}), budgets=Budgets(budgets, {"care": {"team": "care"}})
    )
    accounts = Accounts(server, server.budgets, patience=90)
    return await reserve(sent, review(sent, platform), platform, accounts)


async def test_a_stack_that_fits_is_allowed_and_held() -> None:
    server = Server(manifest(limit="1460"))
    for _ in range(2):  # an API server that lost a race asks again about the same
        assert (await asked(server, costing(2))).allowed
    assert server.reserved() == 1460


async def test_a_stack_that_no_budget_counts_costs_no_request() -> None:
    elsewhere = {"namespaceSelector": {"matchLabels": {"team": "sales"}}}
    server = Server(manifest(limit="0", selector=elsewhere))
    assert (await asked(server, costing(2))).allowed
    assert (server.reads, server.writes) == (0, 0)


async def test_a_refusal_names_three_ways_to_fit() -> None:
    server = Server(manifest(limit="7300"))
    (line,) = (await asked(server, costing(2, "large"))).problems
    assert line.startswith("spec: budget care of 7300.00 USD a month has 7300.00 left: reserved 0.00")
    assert "this stack costs 7300.00 at least, 7300.00 expected, 14600.00 at most" in line
    assert "it would fit with models[llama].selfHosted.scaling.max 1 instead of 2" in line
    assert "class medium instead of large for model llama" in line
    assert line.endswith("or a limit of 14600.00 USD in AIBudget care")


def requests_that_fit(line: str) -> int:
    return int(line.partition("traffic.requestsPerMonth ")[2].split()[0])


async def test_a_refusal_of_managed_models_names_the_limit_the_traffic_and_the_fronts_that_fit() -> None:
    """A request of 1,000 tokens at 1.00 a million is 0.001; a front costs 0.27 cores x 0.03 x 730 = 5.913."""
    gpt = {"name": "gpt", "managed": {"provider": "openai", "model": "gpt-x"}}
    traffic = {"requestsPerMonth": 100_000, "inputTokens": 1000, "outputTokens": 0}
    gateway = {"replicas": {"min": 1, "max": 3}}
    sent = stack(models=[gpt], gateway=gateway, traffic=traffic)
    (line,) = (await asked(Server(manifest(limit="112")), sent, prices=TOKENS)).problems
    assert "it would fit with gateway.replicas.max 2 instead of 3, or " in line
    assert 94_161 <= requests_that_fit(line) <= 94_261, "to a thousandth"
    assert line.endswith(" instead of 100000, or a limit of 117.74 USD in AIBudget care")
    (line,) = (await asked(Server(manifest(limit="50")), sent, prices=TOKENS)).problems
    assert "gateway.replicas.max" not in line, "without them it doesn't fit either"
    assert "it would fit with models[gpt].managed.monthlyLimit 32 USD, or " in line
    assert 32_161 <= requests_that_fit(line) <= 32_261
    (line,) = (await asked(Server(manifest(limit="18")), sent, prices=TOKENS)).problems
    assert requests_that_fit(line) == 261, "also of a small number to a thousandth of itself"
    (line,) = (await asked(Server(manifest(limit="10")), sent, prices=TOKENS)).problems
    assert "it would fit with a limit of 117.74 USD" in line


async def test_a_managed_model_is_held_at_its_limit_whatever_traffic_is_declared() -> None:
    limited = {"provider": "openai", "model": "gpt-x", "monthlyLimit": {"amount": "1500"}}
    sent = stack(
        models=[{"name": "gpt", "managed": limited}],
        traffic={"requestsPerMonth": 1, "inputTokens": 1, "outputTokens": 0},
    )
    (line,) = (await asked(Server(manifest(limit="100")), sent, prices=TOKENS)).problems
    assert "monthlyLimit 88 USD instead of 1500" in line
    server = Server(manifest(limit="1600"))
    assert (await asked(server, sent, prices=TOKENS)).allowed
    assert 1500 < server.reserved() < 1600


async def test_a_class_with_less_memory_is_no_way_out() -> None:
    server = Server(manifest(limit="600"))
    (line,) = (await asked(server, costing(1))).problems
    assert "class tiny" not in line
    assert "scaling.max" not in line
    assert "it would fit with a limit of 730.00 USD in AIBudget care" in line


async def test_the_requester_sees_the_names_of_the_own_namespace_only() -> None:
    server = Server(manifest(limit="1460"))
    other = costing(1)
    await asked(server, {**other, "metadata": {"name": "chat", "namespace": "care", "uid": "uid-chat"}})
    await asked(server, {**other, "metadata": {"name": "secret", "namespace": "sales", "uid": "uid-secret"}})
    (line,) = (await asked(server, costing(1))).problems
    assert "reserved 1460.00 (care/chat 730.00, 1 other 730.00)" in line
    assert "secret" not in line


async def test_a_budget_over_its_limit_is_said_to_be_that() -> None:
    server = Server(manifest(limit="1460"))
    assert (await asked(server, costing(2))).allowed
    server.stored["care"]["spec"]["limit"]["amount"] = "730"
    another = {"metadata": {"name": "another", "namespace": "care", "uid": "uid-another"}}
    (line,) = (await asked(server, {**costing(1), **another})).problems
    assert "budget care of 730.00 USD a month is 730.00 over its limit: reserved 1460.00" in line


async def test_a_dry_run_is_told_the_cost_and_what_would_become_of_it() -> None:
    server = Server(manifest(limit="730"))
    fits = await asked(server, costing(1), dryRun=True)
    assert fits.warnings[0].startswith("a month costs 730.00 USD at least, 730.00 expected, 730.00 at most")
    assert not (await asked(server, costing(2), dryRun=True)).allowed
    assert server.writes == 0


async def test_a_model_that_can_not_serve_its_traffic_is_warned_of_for_nobody_counts_what_it_hands_on() -> (
    None
):
    """1,500 tokens x 10 M are 15,000 M, and a replica serves 1,000 x 0.6 x 2.628 M = 1,576.8 M: ten."""
    server = Server(manifest(limit="7300"))
    traffic = {"requestsPerMonth": 10_000_000, "inputTokens": 1000, "outputTokens": 500}
    for most, told in ((1, 1), (9, 1), (10, 0)):
        sent = costing(most, traffic=traffic)
        sent["spec"]["models"][0]["selfHosted"]["tokensPerSecond"] = 1000
        warnings = (await asked(server, sent)).warnings
        assert len([each for each in warnings if "needs 10 replicas" in each]) == told
    sent["spec"]["models"][0]["selfHosted"]["scaling"]["max"] = 9
    (warning,) = [each for each in (await asked(server, sent)).warnings if "needs 10" in each]
    assert warning.startswith("spec.models[llama].selfHosted.scaling.max: the declared traffic needs 10")


async def test_what_anything_else_refuses_reserves_nothing() -> None:
    server = Server(manifest(limit="1460"))
    routes = [{"name": "chat", "targets": [{"model": "gpt"}]}]
    broken = costing(1)
    broken["spec"]["gateway"]["routes"] = routes
    assert not (await asked(server, broken)).allowed
    assert (server.reads, server.writes) == (0, 0)


@pytest.mark.parametrize(("enforcement", "told"), [("Warn", 1), ("Audit", 0)])
async def test_a_budget_that_does_not_deny_counts_and_at_most_warns(enforcement: str, told: int) -> None:
    server = Server(manifest(limit="100", enforcement=enforcement))
    verdict = await asked(server, costing(1))
    assert verdict.allowed
    assert len([each for each in verdict.warnings if "budget care" in each]) == told
    assert server.reserved() == 730


async def test_labels_alone_move_a_stack_only_where_there_is_room() -> None:
    gold = {"stackSelector": {"matchLabels": {"tier": "gold"}}}
    server = Server(manifest(limit="100", selector=gold))
    old = costing(1)
    labelled = {**old, "metadata": {**old["metadata"], "labels": {"tier": "gold"}}}
    (line,) = (await asked(server, labelled, old)).problems
    assert "budget care of 100.00 USD" in line
    assert (await asked(server, old, labelled)).allowed, "away from it"


async def test_what_runs_moves_only_where_there_is_room_also_when_its_spec_can_not_be_served() -> None:
    gold = {"stackSelector": {"matchLabels": {"tier": "gold"}}}
    server = Server(manifest(limit="100", selector=gold))
    applied = {"group": "apps", "kind": "Deployment", "name": "support-llama", "applied": "a", "owned": "b"}
    monthly = {"min": "730.00", "expected": "730.00", "max": "730.00"}
    status = {"inventory": [applied], "cost": {"currency": "USD", "monthly": monthly}}
    old = {**costing(1, "removed"), "status": status}
    labelled = {**old, "metadata": {**old["metadata"], "labels": {"tier": "gold"}}}
    (line,) = (await asked(server, labelled, old)).problems
    assert "has 100.00 left" in line
    assert "this stack costs 730.00 at least" in line
    never = {name: {**obj, "status": {}} for name, obj in {"old": old, "new": labelled}.items()}
    assert (await asked(server, never["new"], never["old"])).allowed, "nothing of it runs"


async def test_switching_off_is_not_even_asked_about() -> None:
    server = Server(manifest(limit="0"))
    assert (await asked(server, costing(3, suspend=True), costing(3))).allowed
    assert (server.reads, server.writes) == (0, 0)


async def test_who_never_gets_a_turn_is_refused_and_told_to_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aistack.admission.reserving.PATIENCE", 0.2)
    server = Server(manifest(limit="1460"))
    server.failing = Conflict(409, "Conflict", "changed meanwhile")
    assert (await asked(server, costing(1))).problems == (TOO_MANY,)
