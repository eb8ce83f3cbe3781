"""What a stack costs, for a reader: charges, what is unknown, what was assumed, break-even, alternatives."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from aistack.cli.output import columns
from aistack.cost.breakeven import BreakEven
from aistack.cost.charges import Charge
from aistack.cost.estimate import Estimate
from aistack.cost.matrix import VOLUMES, Alternative, Cell
from aistack.cost.money import MicroUnits, Range, cents, plain
from aistack.cost.prices import Price

UNKNOWN = "unknown"
Row = Sequence[str]


def lines(
    title: str, estimated: Estimate, verdicts: Sequence[BreakEven], cells: Sequence[Cell]
) -> list[Text]:
    """Everything about one stack, an empty line after each part."""
    parts = (
        [_headline(title, estimated)],
        _charges(estimated),
        unknown(estimated),
        _assumptions(estimated),
        _break_evens(verdicts),
        _matrix(cells),
    )
    return [line for part in parts if part for line in (*part, Text())]


def _headline(title: str, estimated: Estimate) -> Text:
    books = ", ".join(estimated.books) or "no price book"
    return Text.assemble((title, "bold"), f": {estimated.currency} for a month of 730 hours, by {books}")


def _charges(estimated: Estimate) -> list[Text]:
    total = "total of what is known" if estimated.unknown and estimated.monthly else "total"
    table: list[Row] = [
        ("component", "what", "price", "min", "expected", "max"),
        *((each.component, each.item, _price(each), *_money(each.cost)) for each in estimated.charges),
        (total, "", "", *_money(estimated.monthly)),
    ]
    return columns(_right(table, first=3))


def _price(charge: Charge) -> str:
    if not isinstance(charge.price, Price):
        return UNKNOWN
    return f"{plain(charge.price.amount)} / {charge.unit}"


def _money(cost: Range[MicroUnits] | None) -> tuple[str, str, str]:
    if cost is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    return cents(cost.min), cents(cost.expected), cents(cost.max)


def unknown(estimated: Estimate) -> list[Text]:
    """What has no price: it's named, and in no sum."""
    if not estimated.unknown:
        return []
    table = [(f"  {gap.component}", gap.item, gap.what) for gap in estimated.unknown]
    return [Text("unknown, and in no sum:", "yellow"), *columns(table)]


def _assumptions(estimated: Estimate) -> list[Text]:
    table = [
        (f"  {name}", plain(assumed.value), assumed.provenance.value, assumed.why)
        for name, assumed in estimated.assumptions
    ]
    return [Text("assumed:"), *columns(_right(table, first=1, last=1))] if table else []


def _break_evens(verdicts: Sequence[BreakEven]) -> list[Text]:
    found = [
        Text(f"  {verdict.model} against {verdict.alternative}: {_verdict(verdict)}") for verdict in verdicts
    ]
    return [Text("self-hosting is cheaper:"), *found] if found else []


def _verdict(verdict: BreakEven) -> str:
    if verdict.no_verdict:
        return f"no verdict; {verdict.no_verdict}"
    if verdict.tokens is None or verdict.band is None:
        return f"never, as far as it can serve ({verdict.capacity:,} tokens a month)"
    low, high = verdict.band
    ranges = ", and ".join(f"from {start:,} to {end:,}" for start, end in verdict.cheaper)
    return f"{ranges} tokens a month (break-even {low:,} to {high:,}, ±25 %)"


def _matrix(cells: Sequence[Cell]) -> list[Text]:
    if not cells:
        return []
    kinds = list(dict.fromkeys(cell.alternative for cell in cells))
    table: list[Row] = [("  expected at", *(kind.value for kind in kinds))]
    for volume in VOLUMES:
        at = {cell.alternative: cell for cell in cells if cell.volume == volume}
        table.append((f"  {plain(volume)}x requests", *(_amount(at[kind]) for kind in kinds)))
    return [Text("alternatives:"), *columns(_right(table, first=1)), *_remarks(cells)]


def _amount(cell: Cell) -> str:
    monthly = cell.estimate.monthly
    if monthly is None:
        return UNKNOWN
    return f"{'> ' if cell.is_lower_bound else ''}{cents(monthly.expected)}"


def _remarks(cells: Sequence[Cell]) -> Iterator[Text]:
    """Each remark once, with the volumes at which it holds."""
    holds: dict[tuple[Alternative, str], list[str]] = {}
    for cell in cells:
        for remark in cell.remarks:
            holds.setdefault((cell.alternative, remark), []).append(f"{plain(cell.volume)}x")
    for (kind, remark), volumes in holds.items():
        at = "" if len(volumes) == len(VOLUMES) else f" at {', '.join(volumes)}"
        yield Text(f"  {kind.value}{at}: {remark}")


def _right(table: Sequence[Row], first: int, last: int | None = None) -> list[Row]:
    """The columns from `first` to `last` with their text to the right, as numbers are read."""
    end = len(table[0]) - 1 if last is None else last
    widths = [max(len(str(row[column])) for row in table) for column in range(len(table[0]))]
    return [
        [
            str(cell).rjust(widths[column]) if first <= column <= end else cell
            for column, cell in enumerate(row)
        ]
        for row in table
    ]
