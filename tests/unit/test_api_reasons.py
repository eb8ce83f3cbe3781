"""docs/reasons.md has a row for every condition and reason, and for nothing else."""

import re

import pytest

from aistack.api import ConditionType, Reason
from tests.schemas import ROOT

DOCUMENT = (ROOT / "docs" / "reasons.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)


def rows(heading: str) -> list[str]:
    """The first column of the table under a heading, in order."""
    section = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [match[1] for match in ROW.finditer(section)]


@pytest.mark.parametrize(("heading", "enumeration"), [("Conditions", ConditionType), ("Reasons", Reason)])
def test_the_table_and_the_enumeration_name_the_same(
    heading: str, enumeration: type[ConditionType] | type[Reason]
) -> None:
    assert rows(heading) == [member.value for member in enumeration]
