"""The CRDs on a real API server: it refuses what the rules refuse, and accepts what the types accept."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aistack.api.crd import DEFINITIONS, Definition
from tests.controlplane import ControlPlane
from tests.controlplane.errors import RequestFailed
from tests.invariants import CHANGES
from tests.schemas import Object, Schema, Steps, changed, definitions, dotted, examples, merged, nodes, schema

KINDS = {definition.model.__name__: definition for definition in DEFINITIONS}
STRICTLY = "dryRun=All&fieldValidation=Strict"
MERGE_PATCH = "application/merge-patch+json"


def in_default(kind: str) -> Object:
    """The kind's example, in the default namespace."""
    obj = examples()[kind]
    namespaced = KINDS[kind].scope == "Namespaced"
    return {
        **obj,
        "metadata": {"name": obj["metadata"]["name"], **({"namespace": "default"} if namespaced else {})},
    }


def collection(definition: Definition) -> str:
    scope = "/namespaces/default" if definition.scope == "Namespaced" else ""
    return f"/apis/aistack.dev/v1alpha1{scope}/{definition.plural}"


def complaint(ask: Callable[[], Any]) -> str:
    """What the API server says against it; nothing when it accepts."""
    try:
        ask()
    except RequestFailed as error:
        return str(error)
    return ""


def types_complain(obj: Object) -> str:
    """What the types say against it; nothing when they accept."""
    try:
        KINDS[obj["kind"]].model.parse(obj)
    except ValidationError as error:
        return str(error)
    return ""


def rules() -> Iterator[tuple[str, Steps, Object]]:
    """Every rule wherever it stands: kind, path of its node, the rule."""
    for kind, definition in definitions().items():
        for path, node in nodes(schema(definition)):
            for rule in node.get("x-kubernetes-validations", ()):
                yield kind, path, rule


RULES = [
    pytest.param(kind, path, rule, id=f"{kind}.{dotted(path)}: {rule['message'].split(':')[0]}")
    for kind, path, rule in rules()
]


@pytest.fixture(scope="module")
def stored(cluster: ControlPlane) -> Iterator[ControlPlane]:
    """The examples are there, to be changed; one that other tests have put there stays."""
    mine = [kind for kind in KINDS if not is_stored(cluster, in_default(kind))]
    for kind in mine:
        cluster.client.create(collection(KINDS[kind]), in_default(kind))
    yield cluster
    for kind in mine:
        name = in_default(kind)["metadata"]["name"]
        cluster.client.request("DELETE", f"{collection(KINDS[kind])}/{name}")


def is_stored(cluster: ControlPlane, obj: Object) -> bool:
    name = f"{KINDS[obj['kind']].plural}/{obj['metadata']['name']}"
    return bool(cluster.kubectl("get", name, "--namespace=default", "--ignore-not-found", "--output=name"))


def test_the_table_has_every_rule_and_no_other() -> None:
    assert {rule["message"] for _, _, rule in rules()} == CHANGES.keys()


@pytest.mark.parametrize(("kind", "path", "rule"), RULES)
def test_a_rule_refuses_with_its_message_and_accepts_what_keeps_it(
    stored: ControlPlane, kind: str, path: Steps, rule: Object
) -> None:
    change = CHANGES[rule["message"]]
    refused = changed(in_default(kind), path, lambda node: merged(node, change.refused))
    accepted = changed(in_default(kind), path, lambda node: merged(node, change.accepted))
    is_transition = "oldSelf" in rule["rule"]
    ask = update if is_transition else create

    assert rule["message"] in complaint(lambda: ask(stored, refused))
    assert complaint(lambda: ask(stored, accepted)) == ""

    assert types_complain(accepted) == ""
    assert is_transition or rule["message"] in types_complain(refused)


def create(cluster: ControlPlane, obj: Object) -> Any:
    """Asks for a new object, beside the one that is stored, without making it."""
    name = obj["metadata"]["name"]
    example = examples()[obj["kind"]]["metadata"]["name"]
    new = obj if name != example else {**obj, "metadata": {**obj["metadata"], "name": f"{name}-2"}}
    return cluster.client.create(f"{collection(KINDS[obj['kind']])}?{STRICTLY}", new)


def update(cluster: ControlPlane, obj: Object) -> Any:
    """Asks for a change of the stored object, without making it."""
    path = f"{collection(KINDS[obj['kind']])}/{obj['metadata']['name']}?{STRICTLY}"
    return cluster.client.request("PATCH", path, {"spec": obj["spec"]}, MERGE_PATCH)


def test_kubectl_explain_teaches(cluster: ControlPlane) -> None:
    said = cluster.kubectl("explain", "aistack.spec.models.selfHosted.scaling")
    assert "How many replicas run" in said
    assert "Most replicas; default 1." in " ".join(said.split())
    everything = cluster.kubectl("explain", "aistack.spec", "--recursive")
    assert all(field in everything for field in ("firstTokenTimeout", "dpiaRef", "delegatesTo"))


def test_kubectl_get_shows_the_condition_and_where_to_read_on(stored: ControlPlane) -> None:
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "ModelNotReady",
        "message": "model llama: no node is free",
        "lastTransitionTime": "2026-11-01T00:00:00Z",
    }
    status = {"conditions": [ready], "modelsReady": "2/4"}
    path = f"{collection(KINDS['AIStack'])}/support/status"
    stored.client.request("PATCH", path, {"status": status}, MERGE_PATCH)
    heading, row = stored.kubectl("get", "ais", "-o", "wide").splitlines()
    shown = dict(zip(heading.split(), row.split(), strict=False))
    assert shown["READY"] == "False"
    assert shown["REASON"] == "ModelNotReady"
    assert shown["MODELS"] == "2/4"
    assert "model llama: no node is free" in row


def test_the_defaults_of_the_api_server_are_those_of_the_types(cluster: ControlPlane) -> None:
    models = [{"name": "tiny", "selfHosted": {"source": "hf://acme/tiny", "accelerator": {"class": "cpu"}}}]
    small = {
        **in_default("AIStack"),
        "spec": {
            "models": models,
            "gateway": {"queue": {}, "routes": [{"name": "chat", "targets": [{"model": "tiny"}]}]},
        },
    }
    filled = create(cluster, small)
    types = KINDS["AIStack"].model
    assert types.parse(filled).dump()["spec"] == types.parse(small).dump()["spec"]
    assert without_empty(filled["spec"]) == without_empty(types.parse(small).dump()["spec"])


def without_empty(value: Any) -> Any:
    """An absent list or map and an empty one mean the same."""
    if isinstance(value, dict):
        inner = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item not in ({}, [])}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


# What people and programs write by mistake, anywhere.
ODD: list[Any] = [
    *(None, True, -1, 0, 1.5, 10**12, [], [{}], {}, {"a": 1}),
    *("", "a\nb", "ä\u00a0ö", "2026-02-31", "1e3", "x" * 5000),
]


def reaches(kind: str, path: Steps) -> bool:
    """Whether the example has something there."""
    try:
        changed(in_default(kind), path, lambda node: node)
    except KeyError:
        return False
    return True


def replaced(kind: str, path: Steps, value: Any) -> Object:
    """The example with another value there, whether it had one or not."""
    obj: Object
    if reaches(kind, path):
        obj = changed(in_default(kind), path, lambda _: value)
    else:
        obj = changed(in_default(kind), path[:-1], lambda parent: {**parent, path[-1]: value})
    return obj


PLACES = [
    (kind, path, node)
    for kind, definition in definitions().items()
    for path, node in nodes(schema(definition))
    if path[:1] == ("spec",) and reaches(kind, path[:-1])
]


def conforming(node: Schema) -> st.SearchStrategy[Any]:
    """What a structural schema allows, apart from its rules; lists and maps stay short."""
    if "items" in node:
        least, most = node.get("minItems", 0), min(node["maxItems"], 3)
        return st.lists(conforming(node["items"]), min_size=least, max_size=most)
    if "additionalProperties" in node:
        return st.dictionaries(st.text(max_size=320), conforming(node["additionalProperties"]), max_size=3)
    if "properties" in node:
        fields = {name: conforming(field) for name, field in node["properties"].items()}
        required = {name: fields.pop(name) for name in node.get("required", ())}
        return st.fixed_dictionaries(required, optional=fields)
    return scalar(node)


def scalar(node: Schema) -> st.SearchStrategy[Any]:
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if "x-kubernetes-int-or-string" in node:
        return st.one_of(st.integers(0, 2**40), text(node))
    match node["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(node["minimum"], node["maximum"])
        case "number":
            return st.floats(node["minimum"], node["maximum"])
        case _:
            return text(node)


def text(node: Schema) -> st.SearchStrategy[str]:
    least, most = node.get("minLength", 0), node["maxLength"]
    if "pattern" not in node:
        return st.text(min_size=least, max_size=min(most, 200))
    pattern: re.Pattern[str] = re.compile(node["pattern"])
    return st.from_regex(pattern, fullmatch=True).filter(lambda value: least <= len(value) <= most)


@st.composite
def objects(draw: st.DrawFn) -> Object:
    """An example in which one node is replaced by what its schema allows, or by something odd."""
    kind, path, node = draw(st.sampled_from(PLACES))
    value = draw(st.one_of(conforming(node), conforming(node), st.sampled_from(ODD)))
    # The API server takes any list for a string that has a format; the types don't.
    assume(not (isinstance(value, list) and "format" in node))
    return replaced(kind, path, value)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(obj=objects())
def test_the_api_server_and_the_types_accept_the_same(cluster: ControlPlane, obj: Object) -> None:
    server, types = complaint(lambda: create(cluster, obj)), types_complain(obj)
    note(f"API server: {server or 'accepted'}")
    note(f"types: {types or 'accepted'}")
    assert bool(server) == bool(types)
