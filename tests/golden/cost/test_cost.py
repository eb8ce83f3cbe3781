"""What `aistack cost` says is what was read in review, and what docs/cost.md shows."""

from pathlib import Path

import pytest

from tests.golden.cost import FOLDER, cases, golden, text

DOCUMENT = Path(__file__).parents[3] / "docs" / "cost.md"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.stem)
def test_a_stacks_cost_is_said_as_in_its_golden_text(case: Path) -> None:
    assert text(case) == golden(case).read_text(), "run `make golden` and read the difference"


def test_the_document_shows_the_worked_example_as_it_is_printed() -> None:
    example = FOLDER / "known.yaml"
    assert f"```\n{golden(example).read_text().strip()}\n```" in DOCUMENT.read_text()
