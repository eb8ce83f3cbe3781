"""Fixtures of policies: what each rule must make of a stack that is changed in one place.

A table is a YAML file in the folder `tests` beside the policies. It names a stack that meets every rule, and
the day; then for each rule, result and reason the changes: a path in the object (`spec.models.llama.license`)
or a fact (`facts.retirements`) and its value, `null` to take it away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError
from rich.text import Text

from aistack.api import AIPolicy, AIStack
from aistack.api.base import Model
from aistack.api.scalars import Date
from aistack.api.validation import problems
from aistack.catalog import Catalog
from aistack.cli.files import SUFFIXES, Document, InputError, accelerator_classes, read, values
from aistack.cli.output import Exit, show
from aistack.govern import Outcome, Result, evaluate, facts_of
from aistack.govern.facts import Facts
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.resolve import resolve

Changes = dict[str, Any]


def run(folders: Sequence[str]) -> Exit:
    """Runs every fixture of these folders of policies; DENIED when one comes out otherwise."""
    complaints: list[str] = []
    count = 0
    for folder in folders:
        policies, rows = _policies(folder), list(fixtures(folder))
        count += len(rows)
        complaints += untested(policies, rows)
        complaints += [f"{row.title}: {why}" for row in rows if (why := row.complaint(policies))]
    show(*map(Text, complaints), Text(f"{count} fixtures, {len(complaints)} complaints"))
    return Exit.DENIED if complaints else Exit.FINE


def _policies(folder: str) -> list[AIPolicy]:
    documents = read([folder])
    if unreadable := [f"{each.title}: {problem}" for each in documents for problem in each.problems]:
        raise InputError(f"{folder}: {'; '.join(unreadable)}")
    return [each.parsed for each in documents if isinstance(each.parsed, AIPolicy)]


class Table(Model):
    """One file of fixtures."""

    base: str
    """The file of the stack that is changed, beside this one, with the AcceleratorClasses that it names."""

    today: Date
    """The day on which it is judged."""

    rules: dict[str, dict[Annotated[Outcome, Field(strict=False)], dict[str, Changes]]]
    """policy/rule → result → why → changes."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """One row of a table: `rule` must come out as `expected`."""

    file: str
    rule: str
    expected: Outcome
    why: str
    changes: Changes
    base: AIStack
    catalog: Catalog
    today: str

    @property
    def title(self) -> str:
        return f"{self.rule} {self.expected}: {self.why}"

    def complaint(self, policies: Sequence[AIPolicy]) -> str:
        """What is wrong with what the rule made of it; nothing when it came out as expected."""
        try:
            result = self._result(policies)
        except ValidationError as error:
            return "; ".join(problems(error, self.base.dump()))
        except (InputError, LookupError) as error:
            return str(error.args[0])
        if result is None:
            return "no policy that is about this stack has the rule"
        found = f" ({', '.join(result.told)})" if result.told else ""
        return "" if result.outcome is self.expected else f"it came out as {result.outcome}{found}"

    def _result(self, policies: Sequence[AIPolicy]) -> Result | None:
        stack = AIStack.parse(changed(self.base.dump(), "spec", self.changes))
        meaning = resolve(stack, self.catalog).meaning
        if meaning is None:
            raise InputError("a name in the changed stack leads nowhere")
        now = datetime.fromisoformat(self.today).replace(tzinfo=UTC)
        known = changed({"facts": facts_of(meaning, now.date()).dump()}, "facts", self.changes)
        facts = Facts.parse(known["facts"])
        verdict = evaluate(meaning, policies, (), {}, now, facts=facts)
        return next((each for each in verdict.results if each.name == self.rule), None)


def changed(whole: Manifest, root: str, changes: Changes) -> Manifest:
    """`whole` with the changes whose path begins at `root`. LookupError when a path leads nowhere."""
    for path, value in changes.items():
        if path.partition(".")[0] == root:
            _put(whole, path, value)
    return whole


def _put(whole: Manifest, path: str, value: Any) -> None:
    *way, last = path.split(".")
    place: Any = whole
    for name in way:
        place = place[_index(place, name, path)] if isinstance(place, list) else place.setdefault(name, {})
    if isinstance(place, list):
        index = _index(place, last, path)
        place[index : index + 1] = [] if value is None else [value]
    else:
        place[last] = value


def _index(items: Sequence[Mapping[str, Any]], name: str, path: str) -> int:
    """Items are known by their name or id."""
    for index, item in enumerate(items):
        if name in {item.get("name"), item.get("id")}:
            return index
    raise LookupError(f"{path}: nothing is named {name!r}")


def fixtures(folder: str) -> Iterator[Fixture]:
    """Every row of every table in the folder `tests` of `folder`."""
    tests = Path(folder) / "tests"
    files = sorted(each for each in tests.glob("*") if each.suffix in SUFFIXES)
    tables = [(str(file), value) for file in files for value in values(str(file)) if _is_table(value)]
    if not tables:
        raise InputError(f"{tests}: no table of fixtures; write base, today and rules into a file there")
    for file, value in tables:
        yield from _rows(file, value)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and "rules" in value and "kind" not in value


def _rows(file: str, value: Manifest) -> Iterator[Fixture]:
    try:
        table = Table.model_validate(value, strict=False)
    except ValidationError as error:
        raise InputError(f"{file}: {'; '.join(problems(error, value))}") from None
    documents = read([str(Path(file).parent / table.base)])
    base, catalog = _base(file, documents), Catalog(default_images(), accelerator_classes(documents))
    for rule, results in table.rules.items():
        for expected, rows in results.items():
            for why, changes in rows.items():
                yield Fixture(file, rule, expected, why, changes, base, catalog, table.today)


def _base(file: str, documents: Sequence[Document]) -> AIStack:
    stacks = [each.parsed for each in documents if isinstance(each.parsed, AIStack)]
    if len(stacks) != 1:
        raise InputError(f"{file}: base must be a file with one valid AIStack; {documents[0].file} has not")
    return stacks[0]


def untested(policies: Sequence[AIPolicy], rows: Sequence[Fixture]) -> list[str]:
    """Rules that have no passing or no failing fixture."""
    seen = {(row.rule, row.expected) for row in rows}
    names = [f"{policy.metadata.name}/{rule.id}" for policy in policies for rule in policy.spec.rules]
    return [
        f"{name}: no fixture that is {wanted}"
        for name in names
        for wanted in (Outcome.PASSED, Outcome.FAILED)
        if (name, wanted) not in seen
    ]
