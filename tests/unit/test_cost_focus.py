"""Charges as a FOCUS file that FinOps tools read, and a FOCUS file as a PriceBook."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from aistack.api import PriceBook
from aistack.cost.bill import BillError, SkuMap, book
from aistack.cost.bill import read as read_bill
from aistack.cost.charges import Category
from aistack.cost.estimate import estimate
from aistack.cost.focus import COLUMNS, Month, rows, table
from aistack.cost.money import micro_units
from aistack.cost.prices import NO_PRICES
from aistack.spending import Book, micro, showback
from aistack.spending.book import entered
from aistack.spending.counters import Series
from aistack.spending.meter import Meter, Replica, Use, begun
from aistack.spending.rates import costs, rates_of
from tests.costs import TRAFFIC, managed, priced, prices, shared
from tests.formats import focus
from tests.stacks import hosted

NOVEMBER = Month(2026, 11)
STACK = priced(**shared(hosted(cache={"size": "40Gi"}), managed(region="eu"), traffic=TRAFFIC))
TAGS = {"team": "care", "environment": "production"}


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_an_estimate_is_written_as_the_specification_demands() -> None:
    written = read(table(rows(STACK.ref, estimate(STACK, prices()), NOVEMBER, TAGS)))
    assert {row["ServiceCategory"] for row in written} == {str(each) for each in Category}
    for row in written:
        assert tuple(row) == COLUMNS
        assert focus.problems(row) == []
        assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (NOVEMBER.start, NOVEMBER.end)
        assert json.loads(row["Tags"]) == TAGS


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"ServiceCategory": "AI"}, "ServiceCategory: AI is none of"),
        ({"ChargeCategory": "Use"}, "ChargeCategory: Use is none of"),
        ({"ChargeFrequency": ""}, "ChargeFrequency: must not be null"),
        ({"PricingCategory": ""}, "PricingCategory: must not be null for use"),
        ({"RegionId": "", "RegionName": "eu"}, "RegionName: must be null as RegionId is"),
        ({"ConsumedUnit": ""}, "ConsumedUnit: must not be null as ConsumedQuantity is not"),
        ({"BillingCurrency": "usd"}, "BillingCurrency: usd is not in Currency Format"),
        ({"ChargePeriodEnd": "2026-12-01"}, "ChargePeriodEnd: 2026-12-01 is not in Date/Time Format"),
        ({"ListUnitPrice": "-1"}, "ListUnitPrice: -1 is negative"),
        ({"PricingUnit": "hrs"}, "PricingUnit: hrs is not in Unit Format"),
        ({"Team": "care"}, "Team: no column of FOCUS"),
    ],
)
def test_the_specification_is_held_to_all_that_it_demands(broken: dict[str, str], said: str) -> None:
    (row, *_) = rows(STACK.ref, estimate(STACK, prices()), NOVEMBER, TAGS)
    whole = dict(sorted(row.items(), key=lambda field: COLUMNS.index(field[0])))
    assert focus.problems(whole) == []
    assert any(problem.startswith(said) for problem in focus.problems({**whole, **broken}))


def test_the_costs_are_the_expected_ones_and_add_up() -> None:
    estimated = estimate(STACK, prices())
    written = list(rows(STACK.ref, estimated, NOVEMBER, TAGS))
    assert estimated.monthly
    assert sum(micro_units(Decimal(row["BilledCost"])) for row in written) == estimated.monthly.expected
    for row in written:
        product = Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
        assert abs(product - Decimal(row["ListCost"])) < Decimal("0.00001")


def test_a_managed_model_names_its_provider_and_region() -> None:
    (first, *_) = [row for row in rows(STACK.ref, estimate(STACK, prices()), NOVEMBER, {}) if row["RegionId"]]
    assert (first["ProviderName"], first["RegionId"], first["PricingUnit"]) == (
        "openai",
        "eu",
        "1000000 Tokens",
    )
    assert first["ServiceCategory"] == "AI and Machine Learning"


def test_what_has_no_price_is_no_row() -> None:
    written = list(rows(STACK.ref, estimate(STACK, NO_PRICES), NOVEMBER, TAGS))
    assert {row["ResourceName"] for row in written} == {"model/llama"}


def test_december_ends_in_january() -> None:
    assert Month(2026, 12).end == "2027-01-01T00:00:00Z"


HEADER = (
    "BillingCurrency,ChargeCategory,ChargeClass,ChargePeriodStart,ContractedUnitPrice,ListUnitPrice,"
    "PricingUnit,SkuId,SkuPriceId"
)
NEWEST = "USD,Usage,,2026-11-01T00:00:00Z"
BILL = (
    HEADER,
    "USD,Usage,,2026-10-01T00:00:00Z,0.05,0.06,Hours,CPU,",
    f"{NEWEST},0.04,0.06,Hours,CPU,",
    f"{NEWEST},,0.005,GiB-Hours,RAM,",
    f"{NEWEST},0.10,,GB-Months,DISK,",
    f"{NEWEST},0.09,,GB,OUT,",
    f"{NEWEST},0.003,,1000 Tokens,LLM,LLM-IN",
    f"{NEWEST},0.000015,,Tokens,LLM,LLM-OUT",
    f"{NEWEST},,,Hours,SUPPORT,",
)
SKUS = {
    "compute": {"default": {"cpu": "CPU", "memory": "RAM"}},
    "storage": {"fast": "DISK"},
    "traffic": {"internet": "OUT"},
    "tokens": [
        {"provider": "bedrock", "model": "claude", "input": "LLM-IN", "output": "LLM-OUT"},
        {
            "provider": "bedrock",
            "model": "cached",
            "input": "LLM-IN",
            "output": "LLM-OUT",
            "cachedInput": "LLM-IN",
        },
    ],
}


OUT = {"traffic": {"internet": "OUT"}}


def imported(lines: tuple[str, ...] = BILL, skus: Mapping[str, Any] = SKUS) -> PriceBook:
    return PriceBook.parse(book(read_bill(lines, "my bill.csv"), SkuMap.parse(dict(skus)), "ours"))


def test_a_bill_becomes_a_price_book_in_the_apis_units() -> None:
    """A GiB is 1.073741824 GB."""
    spec = imported().spec
    assert spec.as_of == "2026-11-01"
    assert [each.dump() for each in spec.storage] == [
        {"storageClassName": "fast", "perGibMonth": "0.107374", "source": "focus:my_bill.csv#DISK"}
    ]
    assert spec.traffic[0].per_gib == "0.096637"
    assert (spec.tokens[0].input_per_million, spec.tokens[0].output_per_million) == ("3", "15")
    assert spec.tokens[0].cached_input_per_million is None
    assert spec.tokens[1].cached_input_per_million == "3"


def test_of_a_sku_the_newest_price_counts_and_what_is_paid_comes_before_what_is_listed() -> None:
    (compute,) = imported().spec.compute
    assert (compute.cpu_hourly, compute.memory_gib_hourly) == ("0.04", "0.005")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(f"{NEWEST},0,0,GiB,OUT,", id="what is free up to some amount"),
        pytest.param("USD,Usage,,2026-11-02T00:00:00Z,0,0,GiB,OUT,", id="the free part of a later day"),
        pytest.param("USD,Credit,,2026-11-02T00:00:00Z,0.01,,GiB,OUT,", id="a credit"),
        pytest.param("USD,Purchase,,2026-11-02T00:00:00Z,5,,GiB,OUT,", id="a purchase"),
        pytest.param("USD,Usage,Correction,2026-11-02T00:00:00Z,0.01,,GiB,OUT,", id="a correction"),
        pytest.param("EUR,Tax,,2026-11-02T00:00:00Z,0.01,,GiB,OUT,", id="a tax, in another currency"),
        pytest.param(f"{NEWEST},0.090,,GiB,OUT,", id="the same once more"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_only_what_is_paid_for_use_is_a_price_whatever_stands_beside_it(row: str, is_first: bool) -> None:
    paid = f"{NEWEST},0.09,,GiB,OUT,"
    lines = (HEADER, row, paid) if is_first else (HEADER, paid, row)
    assert imported(lines, OUT).spec.traffic[0].per_gib == "0.09"


def test_a_contracted_zero_is_no_price_where_something_is_listed() -> None:
    assert imported((HEADER, f"{NEWEST},0.0,0.09,GiB,OUT,"), OUT).spec.traffic[0].per_gib == "0.09"


def test_what_is_free_in_all_rows_is_free() -> None:
    assert imported((HEADER, f"{NEWEST},0,0,GiB,OUT,"), OUT).spec.traffic[0].per_gib == "0"


def test_of_a_sku_with_several_prices_on_a_day_the_one_that_is_meant_must_be_named() -> None:
    lines = (HEADER, f"{NEWEST},0.09,,GiB,OUT,FIRST", f"{NEWEST},0.05,,GiB,OUT,NEXT")
    with pytest.raises(BillError, match=r"SKU OUT: 2 prices .* from 0.05 for GiB to 0.09 .* SkuPriceId"):
        imported(lines, OUT)
    named = imported(lines, {"traffic": {"internet": "NEXT"}})
    assert named.spec.traffic[0].per_gib == "0.05"


PRICED_IN: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "GiB": lambda sku: {"traffic": {"internet": sku}},
    "GiB-month": lambda sku: {"storage": {"fast": sku}},
    "token": lambda sku: {"tokens": [{"provider": "azure", "model": "gpt", "input": sku, "output": sku}]},
    "hour": lambda sku: {"compute": {"default": {"cpu": sku, "memory": "RAM"}}},
}


@pytest.mark.parametrize(
    ("what", "unit", "price"),
    [
        ("GiB", "GB", "0.096637"),
        ("GiB", "1GB", "0.096637"),
        ("GiB", "Gigabytes", "0.096637"),
        ("GiB", "gibibyte", "0.09"),
        ("GiB", "100 GiB", "0.0009"),
        ("GiB-month", "GB-Mo", "0.096637"),
        ("GiB-month", "GB-Month", "0.096637"),
        ("GiB-month", "1 GB/Month", "0.096637"),
        ("GiB-month", "gibibyte month", "0.09"),
        ("token", "Tokens", "90000"),
        ("token", "1,000 Tokens", "90"),
        ("token", "1K tokens", "90"),
        ("token", "1K/Tokens", "90"),
        ("token", "1M tokens", "0.09"),
        ("hour", "Hrs", "0.09"),
        ("hour", "1 Hour", "0.09"),
        ("hour", "vCPU-Hours", "0.09"),
        ("hour", "10 Hours", "0.009"),
    ],
)
def test_a_unit_is_known_however_a_cloud_writes_it(what: str, unit: str, price: str) -> None:
    lines = (HEADER, f'{NEWEST},0.09,,"{unit}",X,', f"{NEWEST},0.004,,GiB-Hours,RAM,")
    spec = imported(lines, PRICED_IN[what]("X")).spec
    (said,) = {
        *(each.per_gib for each in spec.traffic),
        *(each.per_gib_month for each in spec.storage),
        *(each.input_per_million for each in spec.tokens),
        *(each.cpu_hourly for each in spec.compute),
    }
    assert said == price


@pytest.mark.parametrize(
    ("lines", "skus", "words"),
    [
        pytest.param(("a,b", "1,2"), {}, "no column BillingCurrency", id="no FOCUS file"),
        pytest.param((HEADER,), {}, "no row of use has a unit price", id="no rows"),
        pytest.param(BILL, {"storage": {"fast": "TAPE"}}, "SKU TAPE: no row", id="an unknown SKU"),
        pytest.param(BILL, {"storage": {"fast": "CPU"}}, "its PricingUnit is 'Hours'", id="a wrong unit"),
        pytest.param(
            (HEADER, f"{NEWEST},1,,0 GB,OUT,"), OUT, "its PricingUnit is '0 GB'", id="none of a unit"
        ),
        pytest.param((HEADER, f"{NEWEST},1,,GB-Months,OUT,"), OUT, "a price of one GiB", id="of a month"),
        pytest.param((HEADER, f"{NEWEST},1,,,OUT,"), OUT, "its PricingUnit is ''", id="no unit"),
        pytest.param(
            (HEADER, f"{NEWEST},1e-9,,GB,OUT,"),
            OUT,
            "one GiB costs less than a millionth",
            id="nearly nothing",
        ),
        pytest.param((*BILL, f"EUR{NEWEST[3:]},1,,Hours,X,"), {}, "several currencies", id="two currencies"),
        pytest.param((*BILL, f"{NEWEST},cheap,,Hours,X,"), {}, "line 10: 'cheap'", id="no number"),
        pytest.param((*BILL, f"{NEWEST},NaN,,Hours,X,"), {}, "line 10", id="not a number"),
        pytest.param((HEADER, "USD,Usage,,,1"), {"storage": {"fast": "X"}}, "no row", id="a short row"),
        pytest.param((HEADER, "x" * 200_000), {}, "line 2: not CSV", id="an endless field"),
    ],
)
def test_a_bill_that_can_not_be_read_says_what_is_wrong(
    lines: tuple[str, ...], skus: dict[str, Any], words: str
) -> None:
    with pytest.raises(BillError, match=re.escape(words)):
        imported(lines, skus)


def test_a_map_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        SkuMap.parse({"disks": {}})


def test_what_was_really_used_is_in_the_same_columns() -> None:
    rates, since = rates_of(STACK, prices()), datetime(2026, 11, 10, tzinfo=UTC)
    meter = Meter(since, since + timedelta(hours=2))
    tokens = {Series("web", "chat", "gpt", "prompt"): 1_500_000}
    use = Use(7200, {Replica("model/llama"): 7200.0, Replica("gateway"): 7200.0}, tokens)
    book = entered(Book(begun(since), "USD"), meter, use, costs(use, rates), ZoneInfo("Europe/Berlin"))
    written = read(table(showback.rows(STACK.ref, book, book.now, TAGS)))
    for row in written:
        assert focus.problems(row) == []
        assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
            "2026-10-31T23:00:00Z",
            "2026-11-30T23:00:00Z",
        )
        assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
            "2026-11-10T00:00:00Z",
            "2026-11-10T02:00:00Z",
        )
        product = Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
        assert abs(product - Decimal(row["ListCost"])) <= Decimal("0.000001")
        assert row["x_Estimate"] == "false"
    assert list(showback.rows(STACK.ref, book, book.last, TAGS)) == [], "nothing is known of the month before"
    used = {row["SkuId"]: row["ConsumedQuantity"] for row in written}
    assert (used["nvidia-l4 on demand"], used["gpt-x input tokens"]) == ("2", "1.5")
    assert sum(micro_units(Decimal(row["BilledCost"])) for row in written) == pytest.approx(
        micro(book.now.cost), abs=len(written)
    )


def test_the_bill_of_the_month_before_ends_with_it() -> None:
    rates, since = rates_of(STACK, prices()), datetime(2026, 11, 30, 20, tzinfo=UTC)
    book = Book(begun(since), "USD")
    for hours in (2, 4, 6):
        use = Use(7200, {Replica("model/llama"): 7200.0})
        meter = Meter(since, since + timedelta(hours=hours))
        book = entered(book, meter, use, costs(use, rates), ZoneInfo("Europe/Berlin"))
    (before,) = (row for row in showback.rows(STACK.ref, book, book.last, TAGS) if "nvidia" in row["SkuId"])
    assert (before["ChargePeriodStart"], before["ChargePeriodEnd"], before["ConsumedQuantity"]) == (
        "2026-11-30T20:00:00Z",
        "2026-11-30T23:00:00Z",
        "2",
    )
