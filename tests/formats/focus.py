"""FOCUS 1.2: what its specification demands of a row of charges for use.

`focus-1.2-columns.csv` is taken from specification/columns of
https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec at v1.2: of each column its content constraints,
whether it may be null for charges of use, and the column that alone it may be null with.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

COLUMNS = "focus-1.2-columns.csv"
Row = Mapping[str, str]

FORMATS = {
    "Numeric Format": r"-?[0-9]+(\.[0-9]+)?",
    "Date/Time Format": r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z",
    "Currency Format": r"[A-Z]{3}",
    "Unit Format": r"([1-9][0-9]* )?((Core|Gi?B)-)?(Hours|Months|Tokens|Gi?B)",
    "KeyValueFormat": r"\{.*\}",
}
"""specification/attributes; of units those that the cost of a stack is counted in."""
NON_NEGATIVE = "Any valid non-negative decimal value"


@cache
def columns() -> Mapping[str, Row]:
    with (Path(__file__).parent / COLUMNS).open(newline="") as file:
        return {each["Column"]: each for each in csv.DictReader(file)}


def problems(row: Row) -> list[str]:
    """What breaks the specification, with its column; an empty field is null. [] for a valid row."""
    missing = [
        f"{name}: must be present"
        for name, said in columns().items()
        if said["FeatureLevel"] == "Mandatory" and name not in row
    ]
    foreign = [
        f"{name}: no column of FOCUS; begin it with x_"
        for name in row
        if name not in columns() and not name.startswith("x_")
    ]
    order = [] if sorted(row, key=lambda name: name.startswith("x_")) == list(row) else ["x_ comes last"]
    return [
        *missing,
        *foreign,
        *order,
        *(f"{name}: {what}" for name in row if name in columns() for what in _of_column(name, row)),
    ]


def _of_column(name: str, row: Row) -> Iterator[str]:
    said, value = columns()[name], row[name]
    if not value:
        yield from _null(said, row)
        return
    if said["NullOnlyWith"] and not row[said["NullOnlyWith"]]:
        yield f"must be null as {said['NullOnlyWith']} is"
    allowed = said["AllowedValues"]
    if allowed and value not in allowed.split("|"):
        yield f"{value} is none of {allowed}"
    form = said["ValueFormat"]
    if form and not re.fullmatch(FORMATS[form], value):
        yield f"{value} is not in {form}"
    if said["NumberRange"] == NON_NEGATIVE and value.startswith("-"):
        yield f"{value} is negative"
    if said["DataType"] == "JSON" and not all(_is_plain(each) for each in json.loads(value).values()):
        yield "holds another object or list"


def _null(said: Row, row: Row) -> Iterator[str]:
    if said["AllowsNulls"] == "False":
        yield "must not be null"
    elif said["NotNullOfUse"] and row["ChargeCategory"] == "Usage" and not row["ChargeClass"]:
        yield "must not be null for use"
    elif said["NullOnlyWith"] and row[said["NullOnlyWith"]]:
        yield f"must not be null as {said['NullOnlyWith']} is not"


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool | None)
