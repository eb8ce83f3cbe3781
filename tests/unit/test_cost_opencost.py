"""What OpenCost says that a cluster has cost becomes the prices of cores, memory and volumes."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest
import yaml

from aistack.api import PriceBook
from aistack.cli.parser import main
from aistack.cost.opencost import AllocationError, book

GIB = 2**30


def allocation(**fields: Any) -> dict[str, Any]:
    return {
        "end": "2026-11-08T00:00:00Z",
        "cpuCost": Decimal(3),
        "cpuCoreHours": 100,
        "ramCost": Decimal("0.8"),
        "ramByteHours": 200 * GIB,
        "pvCost": Decimal(1),
        "pvByteHours": 7300 * GIB,
        **fields,
    }


def prices(*allocations: dict[str, Any]) -> PriceBook:
    steps = [{f"namespace-{number}": each} for number, each in enumerate(allocations)]
    return PriceBook.parse(book({"code": 200, "data": steps}, "measured", "EUR", "week.json"))


def test_a_unit_costs_what_was_paid_over_what_was_used() -> None:
    spec = prices(allocation()).spec
    assert (spec.currency, spec.as_of) == ("EUR", "2026-11-08")
    (compute,) = spec.compute
    assert (compute.name, compute.cpu_hourly, compute.memory_gib_hourly) == ("default", "0.03", "0.004")
    (storage,) = spec.storage
    assert (storage.storage_class_name, storage.per_gib_month) == ("default", "0.1")
    assert storage.source == "opencost:week.json"


def test_allocations_are_added_up_and_adjusted_to_the_bill() -> None:
    """(3 + 5 - 2) for 300 core hours."""
    spec = prices(allocation(), allocation(cpuCost=5, cpuCostAdjustment=-2, cpuCoreHours=200)).spec
    assert spec.compute[0].cpu_hourly == "0.02"


def test_what_was_not_used_has_no_price() -> None:
    assert prices(allocation(pvByteHours=0)).spec.storage == ()
    assert prices(allocation(cpuCost=0)).spec.compute == ()


@pytest.mark.parametrize("document", [[], {}, {"data": None}, {"data": [None, {"a": 3}]}])
def test_another_document_says_what_is_missing(document: Any) -> None:
    with pytest.raises(AllocationError):
        book(document, "measured", "USD", "week.json")


def test_the_answer_is_read_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"data": [{"all": allocation()}]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(answer, default=float)))
    assert main(["prices", "opencost", "-", "--name=week"]) == 0
    assert PriceBook.parse(yaml.safe_load(capsys.readouterr().out)).metadata.name == "week"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "not JSON", id="no JSON"),
        pytest.param("[1]", "no list `data`", id="no answer"),
        pytest.param(
            json.dumps({"data": [{"all": allocation(end="today")}]}, default=float), "asOf", id="no day"
        ),
    ],
)
def test_what_can_not_be_read_is_bad_input(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["prices", "opencost", "-"]) == 2
    assert words in capsys.readouterr().err
