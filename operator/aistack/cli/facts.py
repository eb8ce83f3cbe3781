"""`aistack facts`: what rules can ask of the stacks in files, and the table of all facts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from aistack.api import AIStack
from aistack.cli.check import check, described, lines, verdict
from aistack.cli.files import read
from aistack.cli.output import Exit, as_yaml, complain, remark, show, write
from aistack.govern.facts import Facts
from aistack.platform import facts


def run(files: Sequence[str], catalog: Sequence[str], namespace: str, output: str, *, now: datetime) -> Exit:
    """Prints nothing when a name in one of the stacks leads nowhere: half the facts would be wrong.

    Each stack is looked at as if it came alone, with the prices and budgets among the files.
    """
    documents, referred = read(files, namespace), read(catalog)
    platform = described([*referred, *documents], now)
    checked = check(documents, referred, platform)
    stacks = [each for each in checked if isinstance(each.document.parsed, AIStack) or each.document.problems]
    if not stacks:
        complain("no AIStack in these files")
        return Exit.BAD_INPUT
    known = {
        each.document.title: facts(each.resolution.meaning, platform, now.date()).dump()
        for each in stacks
        if each.resolution and each.resolution.meaning
    }
    if len(known) < len(stacks):
        remark(*lines(stacks))
        return verdict(stacks, strict=False)
    if output == "text":
        show(*(line for title, found in known.items() for line in _lines(title, found)))
    else:
        write(known, output)
    return Exit.FINE


def _lines(title: str, found: Mapping[str, Any]) -> list[Text]:
    told = as_yaml([{name: value for name, value in found.items() if value not in ([], {})}])
    return [Text(title, "bold"), *(Text(f"  {line}") for line in told.splitlines())]


def table() -> str:
    """Every fact with its type, as Markdown: a row of docs/facts.md each."""
    schema = Facts.model_json_schema(by_alias=True, mode="serialization")
    rows = [f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in _rows(schema, schema, "facts")]
    return "\n".join(["| fact | type | what it is |", "|---|---|---|", *rows, ""])


def _rows(node: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    """A row a property, and below it those of the objects in it."""
    for name, found in node["properties"].items():
        inner, kind = _type(found, schema)
        yield f"{path}.{name}", kind, " ".join(found["description"].split())
        if inner:
            yield from _rows(inner, schema, f"{path}.{name}{'[]' if kind.startswith('list') else '{}'}")


def _type(node: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """The object inside it, if there is one, and CEL's name of its type."""
    node = next((each for each in node.get("anyOf", ()) if each.get("type") != "null"), node)
    if reference := node.get("$ref"):
        return schema["$defs"][reference.rpartition("/")[2]], "object"
    if node["type"] == "array":
        inner, kind = _type(node["items"], schema)
        return inner, f"list({kind})"
    if node["type"] == "object":
        inner, kind = _type(node["additionalProperties"], schema)
        return inner, f"map(string, {kind})"
    return None, {"integer": "int", "number": "double", "boolean": "bool"}.get(node["type"], node["type"])
