"""`aistack spent`: what a stack has cost in a month, by what somebody asks for."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from aistack.cli import spent
from aistack.cli.output import Exit
from aistack.cli.showback import Bill
from aistack.cli.spent import report, run
from aistack.cost.charges import Category
from aistack.cost.prices import Price
from aistack.resolved import StackRef
from aistack.spending import Book
from aistack.spending.meter import begun
from aistack.spending.money import PICO
from aistack.spending.rates import Amount, Call, Called, Item
from aistack.spending.tally import Tally

START = datetime(2026, 11, 10, tzinfo=UTC)
PRICE = Price(Decimal(1), "PriceBook default", "https://prices.example/list", "2026-11-01")
LLAMA = Item("model/llama", "nvidia-l4 on demand", Category.COMPUTE, "Hours", PRICE, None, "Kubernetes")
GPT = Item("model/gpt", "gpt-x input tokens", Category.AI, "Tokens", PRICE, None, "openai")
GATEWAY = Item("gateway", "CPU", Category.COMPUTE, "Core-Hours", PRICE, None, "Kubernetes")
USED = {LLAMA: Amount(1, 8 * PICO), GPT: Amount(1, 3 * PICO), GATEWAY: Amount(1, PICO + 1)}
CALLS = {
    Call("web", "chat", "llama"): Called(75, 0),
    Call("batch", "search", "llama"): Called(25, 0),
    Call("batch", "chat", "gpt"): Called(10, 3 * PICO),
}
TALLY = Tally("2026-11", USED, CALLS, unpriced=("embedder",))
"""Of 12 and a trillionth llama's 8 are 6 for web and 2 for batch, gpt's 3 are batch's, the rest nobody's."""


def bill(tally: Tally = TALLY) -> Bill:
    book = Book(begun(START), "USD", now=tally)
    return Bill(StackRef("support", "care", "uid-of-the-stack"), {}, book, tally)


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> list[Bill]:
    """What is metered of care/support in the month that is asked about."""
    bills = [bill()]

    def bills_of(name: str, _kubeconfig: str, *, last_month: bool) -> Sequence[Bill]:
        return bills if (name, last_month) == ("care/support", False) else [bill(Tally())]

    monkeypatch.setattr(spent, "bills_of", bills_of)
    return bills


@pytest.mark.parametrize(
    ("by", "shares"),
    [
        ("component", {"model/llama": "8", "model/gpt": "3", "gateway": "1.000000000001"}),
        ("client", {"web": "6", "batch": "5", None: "1.000000000001"}),
        ("route", {"chat": "9", "search": "2", None: "1.000000000001"}),
    ],
)
@pytest.mark.usefixtures("metered")
def test_the_shares_of_a_month_add_up_to_it_and_what_is_nobodys_has_no_name(
    by: str, shares: dict[str | None, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("care/support", "", "json", by=by, last_month=False) is Exit.FINE
    printed = capsys.readouterr()
    (found,) = json.loads(printed.out)
    assert {each["name"]: float(each["cost"]) for each in found["shares"]} == {
        name: float(cost) for name, cost in shares.items()
    }
    assert found["spent"] == "12.000000000001"
    assert "embedder has no price and is left out" in printed.err
    run("care/support", "", "csv", by=by, last_month=False)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] or None for row in rows] == list(shares), "the largest first, nobody's last"
    assert {(row["stack"], row["month"], row["by"]) for row in rows} == {("care/support", "2026-11", by)}


def test_a_reader_sees_bars() -> None:
    assert [line.plain for line in report(bill(), "client")] == [
        "AIStack care/support: 12.00 USD spent in 2026-11, by client",
        "  web      6.00  ███████████████████▉",
        "  batch    5.00  ████████████████▋",
        "  nobody   1.00  ███▎",
    ]


@pytest.mark.usefixtures("metered")
@pytest.mark.parametrize(("stack", "last_month"), [("care/other", False), ("care/support", True)])
def test_what_is_not_metered_is_said(
    stack: str, last_month: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stack, "", "text", by="client", last_month=last_month) is Exit.BAD_INPUT
    assert f"AIStack {stack}: nothing is metered of it" in capsys.readouterr().err
