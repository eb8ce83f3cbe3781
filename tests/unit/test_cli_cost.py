"""`aistack cost` and `aistack prices` on files: what they print, and the exit code."""

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from aistack.api import AcceleratorClass, AIStack, PriceBook
from aistack.catalog import Catalog
from aistack.cli.parser import main
from aistack.cost.assumptions import replica_digest
from aistack.images import default_images
from aistack.resolve import resolve
from tests.formats import focus

KNOWN = "tests/golden/cost/known.yaml"
UNKNOWN = "tests/golden/cost/unknown.yaml"
SUPPORT = ["examples/support.yaml", "--catalog=examples/accelerators.yaml", "--catalog=examples/prices.yaml"]


def test_the_example_has_a_price_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", *SUPPORT, "--strict"]) == 0
    said = capsys.readouterr().out
    assert "by cluster@2026-11-01, default@" in said
    assert "unknown" not in said.replace("its throughput is unknown", "")


def as_the_cluster_has_it(tokens_per_second: int) -> str:
    """The known stack with a status, and without the throughput that its spec declares."""
    found, *others = yaml.safe_load_all(Path(KNOWN).read_text())
    del found["spec"]["models"][0]["selfHosted"]["tokensPerSecond"]
    classes = {each["metadata"]["name"]: each for each in others if each["kind"] == "AcceleratorClass"}
    catalog = Catalog(
        default_images(), {name: AcceleratorClass.parse(each) for name, each in classes.items()}
    )
    meaning = resolve(AIStack.parse(found), catalog).stack
    assert meaning
    row = {"model": "llama", "tokensPerSecond": tokens_per_second, "since": "2026-11-09T00:00:00Z"}
    row["replica"] = replica_digest(meaning.self_hosted[0])
    found["status"] = {"cost": {"throughput": [row]}}
    return yaml.safe_dump_all([found, *others])


def test_what_the_cluster_has_measured_counts_where_the_spec_declares_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, bare = tmp_path / "whole.yaml", tmp_path / "bare.yaml"
    whole.write_text(as_the_cluster_has_it(1200))
    bare.write_text(Path(KNOWN).read_text().replace("        tokensPerSecond: 1200\n", ""))
    main(["cost", str(bare)])
    assert "its throughput is unknown" in capsys.readouterr().out
    for arguments in ([str(whole)], [str(bare), f"--catalog={whole}"]):
        main(["cost", *arguments])
        said = capsys.readouterr().out
        assert "llama: tokens a second     1200  measured  by vLLM, the median while requests waited" in said
        assert "from 104,832,305 to 7,568,640,000 tokens a month" in said, "as if it were declared"


def test_unknown_prices_count_only_with_strict() -> None:
    assert main(["cost", UNKNOWN]) == 0
    assert main(["cost", UNKNOWN, "--strict"]) == 3


def test_a_book_in_the_files_comes_before_the_shipped_one(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cost", KNOWN, "--output=json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["priceBooks"] == ["default@2026-11-01"]


def test_json_has_every_number_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", KNOWN, "--output=json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert all(charge["price"]["source"].startswith("https://") for charge in found["charges"])
    assert {each["provenance"] for each in found["assumptions"]} == {"declared", "default"}
    parts = sum(Decimal(charge["monthly"]["max"]) for charge in found["charges"])
    assert parts == Decimal(found["monthly"]["max"])
    assert found["breakEvens"][0]["tokensPerMonth"] == 104832305
    assert len(found["alternatives"]) == 9


def test_json_says_null_for_what_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cost", UNKNOWN, "--output=json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["components"]["model/llama"] is None
    assert found["unknown"][0]["write"] == "write price into AcceleratorClass nvidia-h100, in USD"


def test_csv_is_a_focus_file_of_this_month_and_what_is_unknown_is_said_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = Path(UNKNOWN).read_text().replace("{name: draft,", "{name: draft, labels: {team: care},")
    stack = tmp_path / "stack.yaml"
    stack.write_text(labelled)

    assert main(["cost", str(stack), "--output=csv"]) == 0

    printed = capsys.readouterr()
    written = list(csv.DictReader(io.StringIO(printed.out)))
    assert written
    assert [problem for row in written for problem in focus.problems(row)] == []
    assert all(re.fullmatch(r"20\d\d-\d\d-01T00:00:00Z", row["ChargePeriodStart"]) for row in written)
    assert json.loads(written[0]["Tags"]) == {"team": "care", "environment": "development"}
    assert "write price into AcceleratorClass nvidia-h100" in printed.err


def test_a_stack_that_can_not_be_served_has_no_price(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "examples/support.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "nvidia-l4" in printed.err


def test_files_without_a_stack_are_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "examples/prices.yaml"]) == 2
    assert "no AIStack" in capsys.readouterr().err


def test_the_shipped_prices_can_be_applied(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "shipped"]) == 0
    shipped = PriceBook.parse(yaml.load(capsys.readouterr().out, Loader=yaml.CSafeLoader))
    assert shipped.metadata.name == "default"


def bill(folder: Path, price: str = "0.10") -> str:
    """As a program of Windows writes it, which begins with a mark."""
    header = (
        "BillingCurrency,ChargeCategory,ChargeClass,ChargePeriodStart,ContractedUnitPrice,PricingUnit,SkuId"
    )
    path = folder / "bill.csv"
    row = f"USD,Usage,,2026-11-01T00:00:00Z,{price},GiB-Months,DISK"
    path.write_text(f"{header}\n{row}\n", "utf-8-sig")
    return str(path)


def sku_map(folder: Path, text: str = "storage: {fast: DISK}") -> str:
    path = folder / "skus.yaml"
    path.write_text(text)
    return str(path)


def test_a_bill_is_printed_as_a_price_book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "import", bill(tmp_path), "--map", sku_map(tmp_path), "--name=ours"]) == 0
    parsed = PriceBook.parse(yaml.safe_load(capsys.readouterr().out))
    assert parsed.metadata.name == "ours"
    assert parsed.spec.storage[0].per_gib_month == "0.1"


def accelerators(folder: Path, price: str = "8.00", spot: str = "2.40") -> tuple[str, str]:
    """A bill with the hours of a node, and a class with what an hour cost before."""
    (folder / "bill.csv").write_text(
        "BillingCurrency,ChargeCategory,ChargePeriodStart,ListUnitPrice,PricingUnit,SkuId\n"
        f"EUR,Usage,2026-11-01T00:00:00Z,{price},Hours,NODE\n"
        f"EUR,Usage,2026-11-02T00:00:00Z,{spot},Hours,SPOT\n"
    )
    (folder / "classes.yaml").write_text(Path("examples/accelerators.yaml").read_text())
    return str(folder / "bill.csv"), f"--catalog={folder / 'classes.yaml'}"


def test_a_bill_replaces_the_price_of_an_accelerator_by_its_part_of_the_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skus = sku_map(tmp_path, "accelerators: {nvidia-l4: {onDemand: NODE, spot: SPOT, accelerators: 8}}")
    paid, catalog = accelerators(tmp_path)
    assert main(["prices", "import", paid, "--map", skus, catalog]) == 0
    (written,) = yaml.safe_load_all(capsys.readouterr().out)
    (before, _) = yaml.safe_load_all(Path("examples/accelerators.yaml").read_text())
    assert written["spec"].pop("price") == {
        "onDemandHourly": "1",
        "spotHourly": "0.3",
        "currency": "EUR",
        "source": "focus:bill.csv#NODE",
        "asOf": "2026-11-01",
    }
    before["spec"].pop("price")
    assert written["metadata"] == before["metadata"]
    assert AcceleratorClass.parse(written) == AcceleratorClass.parse(before), "all else stays"


@pytest.mark.parametrize(
    ("named", "spot", "words"),
    [
        pytest.param("nvidia-b200", "2.40", "AcceleratorClass nvidia-b200 is in no file", id="no such class"),
        pytest.param(
            "nvidia-l4", "80", "spotHourly is above onDemandHourly", id="a spot price that is dearer"
        ),
    ],
)
def test_a_class_that_can_not_have_the_price_is_bad_input(
    named: str, spot: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skus = sku_map(tmp_path, f"accelerators: {{{named}: {{onDemand: NODE, spot: SPOT}}}}")
    paid, catalog = accelerators(tmp_path, spot=spot)
    assert main(["prices", "import", paid, "--map", skus, catalog]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("storage: {fast: TAPE}", "SKU TAPE", id="a SKU that the bill hasn't"),
        pytest.param("storage: [", "not YAML", id="no YAML"),
        pytest.param("disks", "no map", id="no map"),
        pytest.param("disks: {}", "disks", id="an unknown field"),
    ],
)
def test_a_map_that_can_not_be_read_says_what_is_wrong(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prices", "import", bill(tmp_path), "--map", sku_map(tmp_path, text)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said


def test_a_price_that_the_api_can_not_say_is_refused_with_its_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prices", "import", bill(tmp_path, "1e15"), "--map", sku_map(tmp_path)]) == 2
    assert "perGibMonth" in capsys.readouterr().err


def test_a_missing_bill_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "import", str(tmp_path / "gone.csv"), "--map", sku_map(tmp_path)]) == 2
    assert "gone.csv" in capsys.readouterr().err
