"""The CRDs in crds/: made from the types, bounded, and teaching."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aistack.api import crd
from aistack.api.scalars import HINTS
from tests.schemas import ROOT, Schema, definitions, dotted, nodes, schema

NODES = {
    f"{kind}.{dotted(path)}": node
    for kind, definition in definitions().items()
    for path, node in nodes(schema(definition))
    if path[:1] in {("spec",), ("status",)}
}


def fields() -> Iterator[tuple[str, Schema]]:
    """Every named field below spec and status."""
    for path, node in NODES.items():
        for name, field in node.get("properties", {}).items():
            yield f"{path}.{name}", field


def is_string(node: Schema) -> bool:
    return node.get("type") == "string" or "x-kubernetes-int-or-string" in node


def test_the_committed_definitions_are_those_that_the_types_make() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / "crds").iterdir()}
    assert crd.files() == committed, "run `make crds`"


def test_the_command_writes_one_file_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["crd", str(tmp_path)])
    crd.main()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == crd.files()


def test_every_field_says_what_it_is() -> None:
    assert {path for path, field in fields() if not field.get("description")} == set()


def test_every_field_with_a_default_says_so() -> None:
    silent = {
        path
        for path, field in fields()
        if "default" in field and field["type"] != "object" and "efault" not in field["description"]
    }
    assert silent == set()


def test_every_string_is_bounded() -> None:
    strings = {path: node for path, node in NODES.items() if is_string(node)}
    assert {path for path, node in strings.items() if not {"maxLength", "enum"} & node.keys()} == set()


def test_every_list_is_bounded() -> None:
    lists = {path: node for path, node in NODES.items() if node.get("type") == "array"}
    assert {path for path, node in lists.items() if "maxItems" not in node} == set()


def test_every_map_is_bounded_and_its_keys_by_a_rule() -> None:
    maps = {path: node for path, node in NODES.items() if "additionalProperties" in node}
    bounds = {"maxProperties", "x-kubernetes-validations"}
    assert {path for path, node in maps.items() if not bounds <= node.keys()} == set()


def test_every_list_of_named_items_is_a_map_by_their_names() -> None:
    named = {
        path: node for path, node in NODES.items() if "name" in node.get("items", {}).get("required", ())
    }
    assert named
    assert {path for path, node in named.items() if node.get("x-kubernetes-list-type") != "map"} == set()


def test_the_schemas_are_structural() -> None:
    strangers = {path: node.keys() - set(crd.STRUCTURAL) for path, node in NODES.items()}
    assert {path: keys for path, keys in strangers.items() if keys} == {}
    typed = {"type", "x-kubernetes-int-or-string"}
    assert {path for path, node in NODES.items() if not typed & node.keys()} == set()


def test_every_pattern_has_words_that_say_what_to_write() -> None:
    patterns = {
        node["pattern"]
        for definition in definitions().values()
        for _, node in nodes(schema(definition))
        if "pattern" in node
    }
    assert patterns == set(HINTS)


def test_every_rule_says_what_to_write_instead() -> None:
    messages = {
        rule["message"]
        for definition in definitions().values()
        for _, node in nodes(schema(definition))
        for rule in node.get("x-kubernetes-validations", ())
    }
    assert messages
    assert {message for message in messages if "write" not in message} == set()


@pytest.mark.parametrize(
    ("kind", "short", "columns"),
    [
        ("AIStack", "ais", ["Ready", "Reason", "Models", "Cost/Mo", "Budget", "Risk", "Age"]),
        ("AIBudget", "aib", ["Limit", "Currency", "Reserved", "%", "Stacks", "MTD", "Enforcement", "Age"]),
        ("AIPolicy", "aip", ["Action", "From", "Stacks", "Violating", "Age"]),
        ("AIPolicyException", "aipx", ["Policies", "Stacks", "Expires", "Ticket", "Age"]),
        ("AcceleratorClass", "acc", ["Resource", "Memory", "Hourly", "Currency", "Age"]),
        ("PriceBook", "pb", ["Currency", "As-Of", "Age"]),
    ],
)
def test_kubectl_get_shows_what_its_reader_looks_for(kind: str, short: str, columns: list[str]) -> None:
    spec = definitions()[kind]["spec"]
    assert spec["names"]["shortNames"] == [short]
    assert spec["names"]["categories"] == ["ai"]
    shown = spec["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in shown if column["priority"] == 0] == columns
