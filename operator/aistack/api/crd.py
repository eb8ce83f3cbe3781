"""The CustomResourceDefinitions, made from the types: `python -m aistack.api.crd crds/` writes them."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aistack.api import (
    GROUP,
    VERSION,
    AcceleratorClass,
    AIBudget,
    AIPolicy,
    AIPolicyException,
    AIStack,
    PriceBook,
)
from aistack.api.base import Model

Schema = dict[str, Any]

# What a structural schema may hold, in the order in which it reads best.
STRUCTURAL = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "anyOf",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "required",
    "properties",
    "items",
    "additionalProperties",
)


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`; `wide` ones appear with -o wide only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True)
class Definition:
    """What a kind is beside its schema."""

    model: type[Model]
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    scope: str = "Cluster"


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


AGE = Column("Age", ".metadata.creationTimestamp", type="date")

DEFINITIONS = (
    Definition(
        AIStack,
        plural="aistacks",
        short_name="ais",
        scope="Namespaced",
        columns=(
            Column("Ready", _ready("status")),
            Column("Reason", _ready("reason")),
            Column("Models", ".status.modelsReady"),
            Column("Cost/Mo", ".status.cost.monthly.expected"),
            Column("Budget", ".status.budgets[*].phase"),
            Column("Risk", ".spec.governance.riskTier"),
            Column("Endpoint", ".status.endpoints.gateway", wide=True),
            Column("MTD", ".status.cost.monthToDate", wide=True),
            Column("Policy", ".status.policy.failed", type="integer", wide=True),
            Column("Message", _ready("message"), wide=True),
            AGE,
        ),
    ),
    Definition(
        AIBudget,
        plural="aibudgets",
        short_name="aib",
        columns=(
            Column("Limit", ".spec.limit.amount"),
            Column("Currency", ".spec.limit.currency"),
            Column("Reserved", ".status.reserved"),
            Column("%", ".status.reservedPercent", type="integer"),
            Column("Stacks", ".status.stackCount", type="integer"),
            Column("MTD", ".status.monthToDate"),
            Column("Enforcement", ".spec.enforcement"),
            Column("Forecast", ".status.forecast", wide=True),
            Column("Basis", ".spec.basis", wide=True),
            Column("Ready", _ready("status"), wide=True),
            AGE,
        ),
    ),
    Definition(
        AIPolicy,
        plural="aipolicies",
        short_name="aip",
        columns=(
            Column("Action", ".spec.action"),
            Column("From", ".spec.effectiveFrom"),
            Column("Stacks", ".status.stacks", type="integer"),
            Column("Violating", ".status.violating", type="integer"),
            Column("Rules", ".spec.rules[*].id", wide=True),
            Column("Description", ".spec.description", wide=True),
            AGE,
        ),
    ),
    Definition(
        AIPolicyException,
        plural="aipolicyexceptions",
        short_name="aipx",
        scope="Namespaced",
        columns=(
            Column("Policies", ".spec.policies[*].name"),
            Column("Stacks", ".spec.stacks"),
            Column("Expires", ".spec.expiresAt"),
            Column("Ticket", ".spec.ticket"),
            Column("Approved-By", ".spec.approvedBy", wide=True),
            Column("Reason", ".spec.reason", wide=True),
            AGE,
        ),
    ),
    Definition(
        AcceleratorClass,
        plural="acceleratorclasses",
        short_name="acc",
        columns=(
            Column("Resource", ".spec.resourceName"),
            Column("Memory", ".spec.memory"),
            Column("Hourly", ".spec.price.onDemandHourly"),
            Column("Currency", ".spec.price.currency"),
            Column("Region", ".spec.region", wide=True),
            Column("Priced", ".spec.price.asOf", wide=True),
            AGE,
        ),
    ),
    Definition(
        PriceBook,
        plural="pricebooks",
        short_name="pb",
        columns=(
            Column("Currency", ".spec.currency"),
            Column("As-Of", ".spec.asOf"),
            AGE,
        ),
    ),
)


def custom_resource_definition(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    kind = definition.model.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": definition.scope,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": definition.plural,
                "singular": kind.lower(),
                "shortNames": [definition.short_name],
                "categories": ["ai"],
            },
            "conversion": {"strategy": "None"},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": root_schema(definition.model)},
                    **({"subresources": {"status": {}}} if "status" in definition.model.model_fields else {}),
                    "additionalPrinterColumns": [printer_column(column) for column in definition.columns],
                }
            ],
        },
    }


def printer_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "priority": 1 if column.wide else 0,
    }


def root_schema(model: type[Model]) -> Schema:
    """The structural schema of a whole object; what Kubernetes itself defines of it is left to Kubernetes."""
    raw = model.model_json_schema()
    schema = structural(raw, raw["$defs"])
    own = {name: schema["properties"][name] for name in ("spec", "status") if name in schema["properties"]}
    kubernetes: Schema = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    return schema | {"required": ["spec"], "properties": kubernetes | own}


def structural(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """A JSON schema as Kubernetes takes it: nothing referred to, no null, defaults where they are needed."""
    node = _resolved(node, definitions)
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if "const" in node:
        node["enum"] = [node["const"]]
    if "properties" in node:
        node["properties"] = {
            name: structural(field, definitions) for name, field in node["properties"].items()
        }
    if "items" in node:
        node["items"] = structural(node["items"], definitions)
    if isinstance(values := node.pop("additionalProperties", None), dict):
        node["additionalProperties"] = structural(values, definitions)
    if (default := _default(node)) is None:
        node.pop("default", None)
    else:
        node["default"] = default
    return {key: node[key] for key in STRUCTURAL if key in node}


def _resolved(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The node with what it refers to, and without the branch for null; what it says itself wins."""
    own = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    if "$ref" in node:
        return _resolved(definitions[node["$ref"].rpartition("/")[2]], definitions) | own
    if "anyOf" in node and "x-kubernetes-int-or-string" not in node:
        (present,) = (branch for branch in node["anyOf"] if branch.get("type") != "null")
        return _resolved(present, definitions) | own
    return dict(node)


def _default(node: Schema) -> Any:
    """A scalar's own default; an object's is made of those inside it; a list has none: absent is empty."""
    if node.get("default") is None or node["type"] == "array":
        return None
    if node["type"] == "object":
        fields = node.get("properties", {}).items()
        return {name: field["default"] for name, field in fields if "default" in field} or None
    return node["default"]


def main() -> None:
    """Writes crds/*.yaml."""
    parser = argparse.ArgumentParser(description="Write the CustomResourceDefinitions, one file a kind.")
    parser.add_argument("folder", type=Path, help="where to write them, such as crds/")
    folder = parser.parse_args().folder
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


def files() -> dict[str, str]:
    """File name → YAML, one a kind."""
    return {
        f"{definition.plural}.yaml": yaml.safe_dump(
            custom_resource_definition(definition), sort_keys=False, width=110, allow_unicode=True
        )
        for definition in DEFINITIONS
    }


if __name__ == "__main__":
    main()
