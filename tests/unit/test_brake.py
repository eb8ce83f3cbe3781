"""What a gateway knows of money, and how it counts it: pure parts; tests/gateway has the rest."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from aistack.api import AIStack
from aistack.brake import braked
from aistack.budget import Budgets
from aistack.cost.prices import NO_PRICES, Prices
from aistack.kinds import Manifest
from aistack.platform import Platform
from aistack.quotas import Quotas
from aistack.render import render
from aistack.render.gateway.brake import MOST, SMALLEST, charges, money_descriptors, unit_of
from aistack.render.gateway.neutral import NeutralGateway, neutral
from aistack.render.gateway.shared_limits import ADAPTERS_MONEY, shared_limits
from aistack.spending.month import month_name
from tests.budgets import budget
from tests.costs import managed, priced, prices, route
from tests.stacks import catalog, hosted, stack

BERLIN = ZoneInfo("Europe/Berlin")


def client(name: str, amount: str | None = None, **fields: Any) -> dict[str, Any]:
    limit = {"monthlyLimit": {"amount": amount}} if amount else {}
    return {"name": name, "secretKeyRef": {"name": "keys", "key": name}, **limit, **fields}


def spec(*clients: dict[str, Any], limit: str | None = "1500", **gateway: Any) -> dict[str, Any]:
    money: dict[str, Any] = {"monthlyLimit": {"amount": limit}} if limit else {}
    routes = [route(("gpt", 1), fallbacks=["llama"])]
    gateway = {"limitScope": "Global", "routes": routes, "clients": list(clients), **gateway}
    return {"models": [managed(**money), hosted()], "gateway": gateway}


def known(*clients: dict[str, Any], by: Prices | None = None, **fields: Any) -> NeutralGateway:
    made = braked(priced(**spec(*clients, **fields)), by or prices(), BERLIN)
    return neutral(made.gateway)


def quotas(*clients: dict[str, Any], **fields: Any) -> Quotas | None:
    return known(*clients, **fields).resolved.quotas


def test_prices_are_of_one_token_and_one_byte_as_they_are_metered() -> None:
    found = quotas(client("web", "400"), client("free"))
    assert found
    assert found.limits == {"model/gpt": Decimal(1500), "client/web": Decimal(400)}
    assert found.prices == {
        "gpt": {
            "prompt": Decimal("0.000002"),
            "cached": Decimal("0.0000005"),
            "completion": Decimal("0.000008"),
            "estimated_prompt": Decimal("0.000002"),
            "estimated_completion": Decimal("0.000008"),
            "sent": Decimal("0.09") / 2**30,
        }
    }
    assert (found.currency, found.zone) == ("USD", "Europe/Berlin")
    published = quotas(expose={"type": "Ingress", "host": "ai.example.com", "tlsSecretName": "tls"})
    assert published
    assert published.prices["llama"] == {"answered": Decimal("0.09") / 2**30}
    assert published.prices.keys() == {"gpt", "llama", "adapter", "gateway", "queue"}


@pytest.mark.parametrize(
    "fields",
    [
        {"limitScope": "PerReplica"},
        {"limit": None},
        {"limit": "0"},
        {"by": NO_PRICES},
    ],
    ids=["each replica for itself", "no limit", "nothing is left of nothing", "no prices"],
)
def test_nothing_is_counted_where_nothing_could_be_held(fields: dict[str, Any]) -> None:
    assert quotas(**fields) is None


def test_only_what_counts_brings_the_service_and_its_redis() -> None:
    for made, wanted in (
        (known(), True),
        (known(limitScope="PerReplica"), False),
        (known(limit=None), False),
    ):
        assert ("ratelimit" in made.resolved.tiers, "redis" in made.resolved.tiers) == (wanted, wanted)


def test_months_begin_where_the_budget_says_that_counts_the_stack() -> None:
    asked = AIStack.parse(stack(**spec()))
    for budgets, zone in ((Budgets((budget(timeZone="Asia/Tokyo"),)), "Asia/Tokyo"), (Budgets(), "UTC")):
        found = Platform(catalog(), prices(), budgets=budgets).resolve(asked).stack
        assert found
        assert found.gateway.quotas
        assert found.gateway.quotas.zone == zone


@given(st.decimals(min_value="0.000001", max_value="999999999999", places=6))
def test_a_limit_is_counted_in_a_unit_that_fits_and_is_never_coarser_than_needed(limit: Decimal) -> None:
    unit = unit_of(limit)
    assert 1 <= limit / unit <= MOST
    assert unit == Decimal(1).scaleb(-SMALLEST) or limit / unit * 10 > MOST


def test_a_limit_is_reached_when_nothing_is_left_in_whichever_month() -> None:
    [month] = money_descriptors(known(client("web", "400"), client("tiny", "0.01")))
    assert month.keys() == {"key", "descriptors"}, "no value: each month counts for itself"
    assert [unit["value"] for unit in month["descriptors"]] == ["1E-6 USD", "1E-7 USD", "1E-11 USD"]
    [gpt], [web], [tiny] = (unit["descriptors"] for unit in month["descriptors"])
    assert gpt == _limit("model", "gpt", 1_500_000_000 - 1)
    assert web == _limit("client", "web", 4_000_000_000 - 1)
    assert tiny == _limit("client", "tiny", 1_000_000_000 - 1)


def _limit(key: str, value: str, most: int) -> Manifest:
    return {"key": key, "value": value, "rate_limit": {"unit": "year", "requests_per_unit": most}}


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-30T22:59:59Z",
        "2026-11-30T23:00:00Z",
        "2026-12-31T23:00:00Z",
        "2027-06-30T21:59:59Z",
        "2027-06-30T22:00:00Z",
    ],
)
def test_envoy_tells_the_month_that_is_metered(moment: str) -> None:
    found = next(charges(known(), answered=True))["actions"][0]["extension"]["typed_config"]
    assert found["descriptor_key"] == "month"
    text = found["text"].replace("request.time", f"timestamp('{moment}')")
    told = cel.NewEnv().compile(text).eval(data={}).value()
    name = month_name(datetime.fromisoformat(moment).astimezone(UTC), BERLIN)
    assert str(told) == name.replace("-", "")


def test_a_raised_limit_is_another_number_of_the_service_and_nothing_else() -> None:
    """What was counted stays, and no front is told anything."""
    before, after = (objects(client("web", amount)) for amount in ("20", "30"))
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {("ConfigMap", "support-ratelimit"), ("Deployment", "support-ratelimit")}


def objects(*clients: dict[str, Any]) -> dict[tuple[str, str], Manifest]:
    made = braked(priced(**spec(*clients)), prices(), BERLIN)
    return {(each["kind"], each["metadata"]["name"]): each for each in render(made)}


def test_an_answer_costs_what_its_model_takes_and_no_more_than_can_be_charged_at_once() -> None:
    """Worked out by CEL itself, as Envoy does: 100 tokens read, 40 of them from a cache, 10 written."""
    read = {"prompt_tokens": 100.0, "cached_tokens": 40.0, "completion_tokens": 10.0}
    micro = Decimal(60 * 2 + 10 * 8) + 40 * Decimal("0.5")
    assert cost("gpt", read) == 220 * 10**5 == int(micro * 10**5), "in units of 1E-11 dollars"
    assert cost("llama", read) == 0
    assert cost("gpt", {"completion_tokens": 1.0}) == 800_000
    assert cost("gpt", {"completion_tokens": 1e9}) == 1_000_000_000


def test_an_answer_without_usage_costs_what_is_estimated_and_one_with_it_does_not() -> None:
    left = {"estimated_prompt": 100.0, "bytes_a_token": 200.0}
    assert cost("gpt", left, answered=2100) == (100 * 2 + 10 * 8) * 10**5, "whole tokens"
    assert cost("gpt", {"estimated_prompt": 100.0}) == 100 * 2 * 10**5, "nothing has come"
    assert cost("gpt", {"estimated_prompt": 100.0}, answered=300) == 0, "an error"
    assert cost("gpt", {**left, "prompt_tokens": 50.0}, answered=2100) == 50 * 2 * 10**5


def cost(target: str, read: dict[str, float], answered: int = 0) -> Any:
    """What the client `tiny` is charged by its counter."""
    found = next(charges(known(client("tiny", "0.01")), answered=True))["hits_addend"]["format"]
    text = found.removeprefix("%CEL(").removesuffix(")%")
    environment = cel.NewEnv(
        variables=dict.fromkeys(("metadata", "xds", "request", "response", "upstream"), cel.Type.DYN)
    )
    data = {
        "metadata": {"filter_metadata": {"aistack": read}},
        "xds": {"upstream_host_metadata": {"filter_metadata": {"aistack": {"target": target}}}},
        "request": {"size": 0},
        "response": {"size": answered},
        "upstream": {"address": f"envoy://egress/{target}.managed"},
    }
    return environment.compile(text).eval(data=json.loads(json.dumps(data))).value()


def test_what_waited_in_a_queue_is_charged_where_it_is_asked_for_again() -> None:
    assert ADAPTERS_MONEY not in shared_limits(known(client("web", "400")))
    assert ADAPTERS_MONEY in shared_limits(known(client("web", "400"), queue={}))
