"""`aistack cost`: what the stacks in files would cost a month, and where every number is from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from zoneinfo import ZoneInfo

from aistack.api import AIStack
from aistack.api.stack import MeasuredThroughput
from aistack.cli import cost_diff, cost_text
from aistack.cli.baseline import CLUSTER, baseline, earlier_catalog
from aistack.cli.check import Checked, check, lines, verdict
from aistack.cli.files import Document, price_books, read
from aistack.cli.output import Exit, complain, emit, remark, show, write
from aistack.cost.assumptions import measured
from aistack.cost.breakeven import BreakEven, break_evens
from aistack.cost.comparison import compare
from aistack.cost.estimate import Estimate, estimate
from aistack.cost.focus import Month, Row, rows, table, tags_of
from aistack.cost.matrix import Cell, matrix
from aistack.cost.prices import DEFAULT, Prices, index, shipped_book
from aistack.cost.report import report
from aistack.platform import with_prices
from aistack.resolved import ResolvedStack


@dataclass(frozen=True, slots=True)
class Costed:
    """A stack of a file and what it costs."""

    title: str
    parsed: AIStack
    stack: ResolvedStack
    estimate: Estimate
    verdicts: Sequence[BreakEven]
    alternatives: Sequence[Cell]


def run(files: Sequence[str], catalog: Sequence[str], namespace: str, output: str, *, strict: bool) -> Exit:
    """Prices nothing when one of the stacks can't be served: half a sum is worse than none."""
    documents, referred = read(files, namespace), read(catalog)
    costed, outcome = _priced(documents, referred)
    if outcome is Exit.FINE:
        _print(costed, output)
    unknown = any(each.estimate.unknown for each in costed)
    return Exit.WARNED if strict and unknown else outcome


def run_diff(
    files: Sequence[str],
    catalog: Sequence[str],
    namespace: str,
    output: str,
    *,
    against: str,
    kubeconfig: str,
    strict: bool,
) -> Exit:
    """What the files and the catalog change about the cost, compared with what `against` names."""
    documents, referred = read(files, namespace), {path: read([path]) for path in catalog}
    earlier = baseline(against, files, namespace, kubeconfig)
    shared = earlier if against == CLUSTER else []  # its classes and prices hold for both sides
    costed, outcome = _priced(documents, [*chain(*referred.values()), *shared])
    if outcome is not Exit.FINE:
        return outcome
    after = {each.title: each.estimate for each in costed}
    if against == CLUSTER:  # what these files don't hold, others do
        earlier = [each for each in earlier if each.title in after]
    costed_earlier = _earlier(earlier, [*earlier_catalog(against, referred), *shared])
    compared = compare({each.title: each.estimate for each in costed_earlier}, after)
    if output == "markdown":
        emit(cost_diff.markdown(compared))
    elif output == "json":
        write([cost_diff.report(each) for each in compared], output)
    else:
        show(*cost_diff.lines(compared))
    return Exit.WARNED if strict and any(each.is_lower_bound for each in compared) else Exit.FINE


def _earlier(documents: Sequence[Document], referred: Sequence[Document]) -> Iterator[Costed]:
    """What stacks have cost; of one that could not be served nobody can say."""
    checked = check(documents, referred)
    for each in checked:
        if each.resolution and not each.resolution.stack:
            remark(f"{each.document.title}: could not be served as it was, so what it cost is left out")
    return _costed(checked, _prices(referred, documents), _throughput([*referred, *documents]))


def _priced(documents: Sequence[Document], referred: Sequence[Document]) -> tuple[list[Costed], Exit]:
    """Nothing, and what was said to be wrong, when there is a stack that can't be served, or none at all."""
    checked = check(documents, referred)
    outcome = verdict(checked, strict=False)
    if outcome is not Exit.FINE:
        remark(*lines(checked))
        return [], outcome
    throughput = _throughput([*referred, *documents])
    costed = list(_costed(checked, _prices(referred, documents), throughput))
    if not costed:
        complain("no AIStack in these files")
        return [], Exit.BAD_INPUT
    return costed, Exit.FINE


def _prices(referred: Sequence[Document], documents: Sequence[Document]) -> Prices:
    return index({DEFAULT: shipped_book(), **price_books([*referred, *documents])})


def _throughput(documents: Sequence[Document]) -> Mapping[str, tuple[MeasuredThroughput, ...]]:
    """What the statuses of stacks say of their replicas: a file may be what a cluster has answered."""
    stacks = ((each.title, each.parsed) for each in documents if isinstance(each.parsed, AIStack))
    return {title: stack.status.cost.throughput for title, stack in stacks if stack.status.cost}


def _costed(
    checked: Sequence[Checked], prices: Prices, throughput: Mapping[str, tuple[MeasuredThroughput, ...]]
) -> Iterator[Costed]:
    for each in checked:
        resolved = each.resolution.stack if each.resolution else None
        if resolved and isinstance(each.document.parsed, AIStack):
            stack = with_prices(resolved, prices, ZoneInfo("UTC"))
            assumptions = measured(stack, throughput.get(each.document.title, ()))
            yield Costed(
                each.document.title,
                each.document.parsed,
                stack,
                estimate(stack, prices, assumptions),
                break_evens(stack, prices, assumptions),
                matrix(stack, prices, assumptions),
            )


def _print(costed: Sequence[Costed], output: str) -> None:
    if output == "csv":
        today = datetime.now(UTC)
        month = Month(today.year, today.month)
        emit(table(row for each in costed for row in _rows(each, month)))
        remark(*(line for each in costed for line in cost_text.unknown(each.estimate)))
        return
    quotes = [(each.title, each.estimate, each.verdicts, each.alternatives) for each in costed]
    if output == "json":
        write([report(*quote) for quote in quotes], output)
    else:
        show(*(line for quote in quotes for line in cost_text.lines(*quote)))


def _rows(costed: Costed, month: Month) -> Iterator[Row]:
    return rows(costed.stack.ref, costed.estimate, month, tags_of(costed.parsed))
