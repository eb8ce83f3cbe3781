"""What OpenCost says that a cluster has cost becomes the prices of cores, memory and volumes."""

import io
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml

from aistack.api import PriceBook
from aistack.cli.parser import main
from aistack.cost.opencost import AllocationError, book, left_out

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
    assert main(["prices", "import", "-", "--name=week"]) == 0
    assert PriceBook.parse(yaml.safe_load(capsys.readouterr().out)).metadata.name == "week"


def test_what_no_book_can_say_is_named_with_what_to_write() -> None:
    paid = allocation(gpuCost=450, gpuCostAdjustment=50, gpuHours=100, networkCost=3, sharedCost=0)
    assert list(left_out({"data": [{"all": paid}]})) == [
        "gpuCost of 500, 5 an hour of one is left out: write it into spec.price of the AcceleratorClass",
        "networkCost of 3 is left out: write traffic[internet] into a PriceBook",
    ]
    assert list(left_out({"data": [{"all": allocation()}]})) == []


class OpenCost(BaseHTTPRequestHandler):
    """Answers /allocation for seven days, as the real one in its form, and nothing else."""

    def do_GET(self) -> None:
        known = self.path == "/allocation?window=7d"
        answer = (
            {"data": [{"all": allocation(gpuCost=500, gpuHours=100)}]} if known else {"message": "no such"}
        )
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answer, default=float).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing is printed among a test's words."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Where OpenCost is asked, with a password that nobody may read."""
    with HTTPServer(("127.0.0.1", 0), OpenCost) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://me:secret@127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_an_endpoint_is_asked_and_says_what_is_left_out(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prices", "import", endpoint]) == 0
    printed = capsys.readouterr()
    (compute,) = PriceBook.parse(yaml.safe_load(printed.out)).spec.compute
    assert compute.source == f"opencost:127.0.0.1:{endpoint.rpartition(':')[2]}/allocation"
    assert "gpuCost of 500, 5 an hour" in printed.err


@pytest.mark.parametrize(
    ("where", "words"),
    [
        pytest.param("{}/model/allocation", "404 Not Found", id="another path"),
        pytest.param("http://127.0.0.1:1", "OpenCost can't be asked", id="nobody there"),
        pytest.param("http://[", "OpenCost can't be asked", id="no URL"),
    ],
)
def test_an_endpoint_that_gives_no_answer_is_bad_input(
    endpoint: str, where: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prices", "import", where.format(endpoint)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "not JSON", id="no JSON"),
        pytest.param("BilledCost,Tags", "a FOCUS file needs --map", id="a bill"),
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
    assert main(["prices", "import", "-"]) == 2
    assert words in capsys.readouterr().err
