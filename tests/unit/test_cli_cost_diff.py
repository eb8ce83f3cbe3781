"""`aistack cost --against`: what a change costs, compared with files, with git, with nothing at all."""

import io
import json
import subprocess
from pathlib import Path

import pytest

from aistack.cli.parser import main

KNOWN = Path("tests/golden/cost/known.yaml").read_text()
MORE = KNOWN.replace("scaling: {min: 1, max: 4}", "scaling: {min: 3, max: 5}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def git(*arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


def test_it_shows_the_parts_that_change_and_the_sum(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "old.yaml").write_text(KNOWN)
    (folder / "new.yaml").write_text(MORE)
    assert main(["cost", "new.yaml", "--against=old.yaml"]) == 0
    title, headings, *rows = capsys.readouterr().out.splitlines()
    assert title == "AIStack care/support: USD a month, expected"
    assert headings.split() == ["before", "after", "change", "at", "most", "before", "after"]
    # Three replicas at least instead of the two that the traffic needs: 584.00 more; at most five for four.
    assert rows[0].split() == ["model/llama", "1172.00", "1756.00", "+584.00", "(+50%)", "2340.00", "2924.00"]
    assert rows[1].split() == ["total", "4200.73", "4784.73", "+584.00", "(+14%)", "6191.46", "6775.46"]


def test_against_a_revision_it_shows_a_comment_for_the_pull_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git("init", "--quiet", "--initial-branch=main")
    (folder / "stacks").mkdir()
    (folder / "stacks" / "support.yaml").write_text(KNOWN)
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    (folder / "stacks" / "support.yaml").write_text(MORE)
    chat = KNOWN.partition("---")[0].replace("name: support", "name: chat")
    (folder / "stacks" / "chat.yaml").write_text(chat)
    assert main(["cost", "stacks", "--against=git:main", "--output=markdown"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("### What this change costs a month\n")
    assert "| AIStack care/support | 4200.73 | 4784.73 | **+584.00 (+14%) USD** | 6191.46 | 6775.46 |" in said
    assert "| AIStack care/chat | - | 4200.73 | **+4200.73 USD** | - | 6191.46 |" in said
    assert "<details><summary>AIStack care/support</summary>" in said
    assert "| model/claude |" not in said.split("AIStack care/support</summary>")[1].split("</details>")[0]


STACK = KNOWN.partition("---")[0]
CATALOG = KNOWN.partition("---")[2]
DEARER = CATALOG.replace('onDemandHourly: "0.80"', 'onDemandHourly: "8.00"')


def committed(folder: Path) -> None:
    git("init", "--quiet", "--initial-branch=main")
    for name, text in (("stacks", STACK), ("prices", CATALOG)):
        (folder / name).mkdir()
        (folder / name / "support.yaml").write_text(text)
    git("add", ".")
    git("commit", "--quiet", "--message=first")


def test_a_price_that_a_revision_had_otherwise_is_a_change(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An nvidia-l4 for 8.00 an hour instead of 0.80: what was 1168.00 is 11680.00."""
    committed(folder)
    (folder / "prices" / "support.yaml").write_text(DEARER)
    assert main(["cost", "stacks", "--catalog=prices", "--against=git:main"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["model/llama", "1172.00", "11684.00", "+10512.00", "(+897%)", "2340.00", "23364.00"] in rows


def test_a_catalog_that_git_does_not_keep_is_the_same_on_both_sides(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    committed(folder)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "prices.yaml"
    for path in (elsewhere, folder / "untracked.yaml"):
        path.write_text(CATALOG)
        assert main(["cost", "stacks", f"--catalog={path}", "--against=git:main", "--output=markdown"]) == 0
        assert "This change costs nothing" in capsys.readouterr().out


def test_a_stack_whose_class_came_later_says_that_its_cost_before_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed(folder)
    (folder / "new.yaml").write_text(CATALOG)
    git("add", "new.yaml")
    assert main(["cost", "stacks", "--catalog=new.yaml", "--against=git:main", "--output=markdown"]) == 0
    assert "AIStack care/support: could not be served as it was" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["apps", "apps/chat.yaml"])
def test_a_file_that_was_moved_is_compared_with_what_it_was(
    named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed(folder)
    (folder / "apps").mkdir()
    git("mv", "stacks/support.yaml", "apps/chat.yaml")
    assert main(["cost", named, "--catalog=prices", "--against=git:main", "--output=markdown"]) == 0
    assert "This change costs nothing" in capsys.readouterr().out


def test_a_folder_below_the_repository_s_root_is_read_where_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    committed(folder)
    monkeypatch.chdir(folder / "stacks")
    assert main(["cost", ".", "--catalog=../prices", "--against=git:main", "--output=markdown"]) == 0
    assert "This change costs nothing" in capsys.readouterr().out


def test_a_change_with_an_unknown_price_counts_with_strict(folder: Path) -> None:
    unknown = Path(__file__).parents[1] / "golden" / "cost" / "unknown.yaml"
    (folder / "old.yaml").write_text(unknown.read_text())
    (folder / "new.yaml").write_text(unknown.read_text())
    assert main(["cost", "new.yaml", "--against=old.yaml"]) == 0
    assert main(["cost", "new.yaml", "--against=old.yaml", "--strict"]) == 3


HOUSE = """    - name: house
      managed: {provider: openaiCompatible, model: house-1, endpoint: https://llm.acme.example/v1}
"""


def with_a_model_that_has_no_price() -> str:
    house = "      - {name: house, targets: [{model: house}]}\n  traffic: {requestsPerMonth"
    return KNOWN.replace("  gateway:\n", f"{HOUSE}  gateway:\n").replace(
        "  traffic: {requestsPerMonth", house
    )


@pytest.mark.parametrize("traffic", ["traffic: {requestsPerMonth", "# nobody knows: {requestsPerMonth"])
def test_what_is_added_and_has_no_price_is_told_whether_or_not_something_known_changes(
    traffic: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("old.yaml", KNOWN), ("new.yaml", with_a_model_that_has_no_price())):
        (folder / name).write_text(text.replace("traffic: {requestsPerMonth", traffic))
    assert main(["cost", "new.yaml", "--against=old.yaml", "--output=markdown"]) == 0
    said = capsys.readouterr().out
    assert "costs nothing" not in said
    assert "| model/house | - | " in said
    assert "unknown USD**" in said
    assert "Some prices are unknown in AIStack care/support." in said
    assert main(["cost", "new.yaml", "--against=old.yaml", "--output=json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert "model/house" in [line["component"] for line in told["components"]]


def test_an_amount_that_is_not_all_of_it_is_a_lower_bound(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "old.yaml").write_text(KNOWN)
    (folder / "new.yaml").write_text(
        KNOWN.replace("storageClassName: default, perGib", "storageClassName: x, perGib")
    )
    assert main(["cost", "new.yaml", "--against=old.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    rows = [[word.strip() for word in line.split("  ") if word] for line in said]
    assert ["model/llama", "1172.00", "> 1168.00", "-4.00 and unknown", "2340.00", "> 2336.00"] in rows
    assert ["total", "4200.73", "> 4196.73", "-4.00 and unknown", "6191.46", "> 6187.46"] in rows


def test_where_nothing_known_changes_beside_an_unknown_price_it_does_not_say_that_nothing_does(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "new.yaml").write_text(with_a_model_that_has_no_price())
    assert main(["cost", "new.yaml", "--against=new.yaml", "--output=markdown"]) == 0
    assert capsys.readouterr().out == (
        "### No known cost changes\n\n"
        "What has a price costs what it did. Some prices are unknown in AIStack care/support.\n"
    )


def test_prices_of_two_currencies_are_not_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "old.yaml").write_text(KNOWN)
    (folder / "new.yaml").write_text(
        KNOWN.replace('asOf: "2026-11-01"\n', 'asOf: "2026-11-01"\n  currency: EUR\n')
    )
    assert main(["cost", "new.yaml", "--against=old.yaml"]) == 2
    assert "AIStack care/support: its prices were in USD and are in EUR" in capsys.readouterr().err


def test_a_change_that_costs_nothing_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "old.yaml").write_text(KNOWN)
    assert main(["cost", "old.yaml", "--against=old.yaml", "--output=markdown"]) == 0
    assert "This change costs nothing" in capsys.readouterr().out


def test_a_stack_that_is_removed_gives_its_cost_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "old.yaml").write_text(KNOWN)
    (folder / "new.yaml").write_text(KNOWN.replace("name: support", "name: other"))
    assert main(["cost", "new.yaml", "--against=old.yaml", "--output=json"]) == 0
    other, support = json.loads(capsys.readouterr().out)
    assert (other["object"], other["total"]["before"]) == ("AIStack care/other", None)
    assert (support["object"], support["total"]["after"]) == ("AIStack care/support", None)
    assert float(support["total"]["before"]["expected"]) == pytest.approx(4200.73, abs=0.005)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against=git:nowhere"], "git diff: fatal: bad revision 'nowhere'"),
        (["--against=gone.yaml"], "gone.yaml: no such file"),
        (["--output=markdown"], "-o markdown shows a change, with --against"),
        (["--against=new.yaml", "--output=csv"], "-o csv a cost, without it"),
    ],
)
def test_what_cannot_be_compared_is_bad_input_and_said(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    git("init", "--quiet")
    (folder / "new.yaml").write_text(KNOWN)
    assert main(["cost", "new.yaml", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_standard_input_has_no_revision(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(KNOWN))
    assert main(["cost", "-", "--against=git:HEAD"]) == 2
    assert "standard input has no revision" in capsys.readouterr().err
