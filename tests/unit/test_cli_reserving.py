"""Budgets among the files: `aistack check` refuses what the webhook would, in the same words."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from aistack.accounts import Accounts
from aistack.admission.request import AdmissionReview
from aistack.admission.reserving import reserve
from aistack.admission.review import review
from aistack.budget import Budgets
from aistack.catalog import Catalog
from aistack.cli.files import accelerator_classes, price_books, read
from aistack.cli.parser import main
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.images import default_images
from aistack.platform import Platform
from tests import reviews
from tests.budget_server import Server
from tests.budgets import manifest
from tests.costs import SOURCE
from tests.stacks import API_VERSION, accelerator_class, hosted, stack

Object = dict[str, Any]
Said = tuple[list[str], list[str]]
"""Problems and warnings."""
PRICE = {"onDemandHourly": "1", "source": SOURCE, "asOf": "2026-11-01"}
UNPRICED = accelerator_class("unpriced")
PRICED = accelerator_class("priced")
PRICED["spec"]["price"] = PRICE
FREE = {
    "apiVersion": API_VERSION,
    "kind": "PriceBook",
    "metadata": {"name": "prices"},
    "spec": {
        "currency": "USD",
        "asOf": "2026-11-01",
        "compute": [{"name": "default", "cpuHourly": "0", "memoryGibHourly": "0", "source": SOURCE}],
    },
}
CARE: Object = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "care", "labels": {"team": "care"}},
}
OF_CARE = {"namespaceSelector": {"matchLabels": {"team": "care"}}}


def costing(replicas: int, name: str = "support", accelerator: str = "priced") -> Object:
    """730 a month for each replica at most, in namespace care."""
    model = hosted(accelerator={"class": accelerator}, scaling={"min": 1, "max": replicas})
    made = stack(name, models=[model], gateway={"replicas": {"min": 1, "max": 1}})
    return {**made, "metadata": {"name": name, "namespace": "care"}}


BUDGETS: dict[str, tuple[Object, ...]] = {
    "room for all": (manifest(limit="5000"),),
    "room for the first only": (manifest(limit="1500"),),
    "room for none": (manifest(limit="100"),),
    "two, of which one is full": (manifest("care", limit="5000"), manifest("tight", limit="1460")),
    "one that only warns": (manifest(limit="100", enforcement="Warn"),),
    "one that only counts": (manifest(limit="100", enforcement="Audit"),),
    "one that counts the namespace": (manifest(limit="100", selector=OF_CARE),),
    "one of another team": (
        manifest(limit="1", selector={"namespaceSelector": {"matchLabels": {"team": "sales"}}}),
    ),
    "one in another currency": ({**manifest(), "spec": {"limit": {"amount": "5000", "currency": "EUR"}}},),
}


def by_the_command_line(
    folder: Path, stacks: list[Object], budgets: tuple[Object, ...], capsys: pytest.CaptureFixture[str]
) -> list[Said]:
    path = folder / "all.yaml"
    path.write_text(yaml.safe_dump_all([CARE, PRICED, UNPRICED, FREE, *budgets, *stacks]))
    main(["check", str(path), "--output=json"])
    reports = json.loads(capsys.readouterr().out)
    return [
        ([line(each) for each in report["problems"]], [line(each) for each in report["warnings"]])
        for report in reports
        if report["object"].startswith("AIStack ")
    ]


def line(row: Object) -> str:
    return f"{row['path']}: {row['message']}"


async def by_the_webhook(folder: Path, stacks: list[Object], budgets: tuple[Object, ...]) -> list[Said]:
    """The answers to creating one after the other."""
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump_all([PRICED, UNPRICED, FREE]))
    documents, server, said = read([str(path)]), Server(*deepcopy(budgets)), []
    accounts = Accounts(server, server.budgets, patience=90)
    for number, created in enumerate(stacks):
        platform = Platform(
            Catalog(default_images(), accelerator_classes(documents)),
            index({DEFAULT: shipped_book(), **price_books(documents)}),
            budgets=Budgets(tuple(server.budgets().values()), {"care": CARE["metadata"]["labels"]}),
        )
        obj = {**created, "metadata": {**created["metadata"], "uid": f"uid-{number}"}}
        request = AdmissionReview.model_validate(reviews.review(obj)).request
        verdict = await reserve(request, review(request, platform), platform, accounts)
        said.append((list(verdict.problems), list(verdict.warnings)))
    return said


@pytest.mark.parametrize("why", BUDGETS)
async def test_both_say_the_same_of_stacks_that_are_applied_in_turn(
    why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks = [costing(2, "first"), costing(1, "second"), costing(1, "third", accelerator="unpriced")]
    here = by_the_command_line(tmp_path, stacks, BUDGETS[why], capsys)
    assert here == await by_the_webhook(tmp_path, stacks, BUDGETS[why])


def test_the_cases_are_refused_and_let_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(why: str) -> list[bool]:
        stacks = [costing(2, "first"), costing(1, "second"), costing(1, "third", accelerator="unpriced")]
        found = by_the_command_line(tmp_path, stacks, BUDGETS[why], capsys)
        return [bool(problems) for problems, _ in found]

    assert refused("room for all") == [False, False, True], "what has no price can't be counted"
    assert refused("room for the first only") == [False, True, True]
    assert refused("two, of which one is full") == [False, True, True]
    assert refused("one that only warns") == [False, False, False]
    assert refused("one of another team") == [False, False, False]
    assert refused("one in another currency") == [True, True, True]


def test_what_a_budget_holds_for_the_stack_already_counts_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = {"stack": "care/support", "uid": "uid-1", "specHash": "old", "microUnits": 1460_000_000}
    budget = {**manifest(limit="1460"), "status": {"stacks": [held]}}
    (same,) = by_the_command_line(tmp_path, [costing(2)], (budget,), capsys)
    (more,) = by_the_command_line(tmp_path, [costing(3)], (budget,), capsys)
    (other,) = by_the_command_line(tmp_path, [costing(1, "other")], (budget,), capsys)
    assert same == ([], [])
    assert "models[llama].selfHosted.scaling.max 2 instead of 3" in more[0][0]
    assert "has 0.00 left: reserved 1460.00 (care/support 1460.00)" in other[0][0]


def test_it_is_denied_and_says_so_to_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all([CARE, PRICED, FREE, manifest(limit="100"), costing(1)]))
    assert main(["check", str(path)]) == 1
