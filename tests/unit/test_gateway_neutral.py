"""What routes mean: who is tried, how often, in which order."""

from typing import Any

import pytest

from aistack.render.gateway.neutral import Choice, NeutralRoute, neutral
from tests.stacks import hosted, resolved

MODELS = [
    *(hosted(name) for name in ("a", "b", "c", "d")),
    *(hosted(name, scaling={"min": 0}) for name in ("y", "z")),
]
"""The last two may be at zero."""


def route(*targets: str, clients: tuple[dict[str, Any], ...] = (), **fields: Any) -> NeutralRoute:
    """A route named `chat` to targets such as `a` and `b:3`, which has the weight 3."""
    written = [dict(zip(("model", "weight"), target.split(":"), strict=False)) for target in targets]
    weighted = [{**target, "weight": int(target.get("weight", 1))} for target in written]
    gateway = {"routes": [{"name": "chat", "targets": weighted, **fields}], "clients": list(clients)}
    [found] = neutral(resolved(models=MODELS, gateway=gateway).gateway).routes
    return found


def choices(found: NeutralRoute) -> dict[str, int]:
    """The attempts of each choice with its weight: `aab`, `{ab}c` where a and b stand together, or `az…`
    where the last one waits for z."""
    return {_attempts(choice): choice.weight for choice in found.choices}


def _attempts(choice: Choice) -> str:
    names = ("".join(model.name for model in attempt) for attempt in choice.attempts)
    tried = "".join(name if len(name) == 1 else f"{{{name}}}" for name in names)
    return f"{tried}{choice.waits_for.name}…" if choice.waits_for else tried


@pytest.mark.parametrize(
    ("targets", "fields", "expected", "why"),
    [
        (["a"], {}, {"aaa": 1}, "two retries of one model are for its other replicas"),
        (["a"], {"retries": 0}, {"a": 1}, "no retry, no fallback: one attempt"),
        (["a"], {"fallbacks": ["b"]}, {"aab": 1}, "what is left over goes to the first model"),
        (["a"], {"fallbacks": ["b", "c", "d"]}, {"abcd": 1}, "every model is tried, whatever retries says"),
        (["a"], {"retries": 0, "fallbacks": ["b"]}, {"ab": 1}, "a fallback is no retry of the same model"),
        (["a:3", "b"], {"retries": 0}, {"ab": 3, "ba": 1}, "the other target takes over"),
        (
            ["a", "b:2", "c:3"],
            {"retries": 0},
            {"acb": 1, "bca": 2, "cba": 3},
            "the heaviest of the others is tried first",
        ),
        (
            ["a:1", "b:1"],
            {"fallbacks": ["c"], "retries": 4},
            {"aaabc": 1, "bbbac": 1},
            "targets first, then fallbacks",
        ),
        (["a", "b:0"], {}, {"aaa": 1}, "weight 0 takes a target out"),
        (["a", "b"], {"fallbacks": ["b", "c"]}, {"abc": 1, "bac": 1}, "each model once"),
        (["a", "b:9"], {"strategy": "ordered"}, {"aab": 1}, "ordered goes by the declaration alone"),
        (
            ["b", "a"],
            {"strategy": "ordered", "retries": 0, "fallbacks": ["c"]},
            {"bac": 1},
            "ordered targets come before fallbacks",
        ),
        (["a", "b:0"], {"strategy": "ordered", "retries": 0}, {"a": 1}, "weight 0 counts there too"),
        (
            ["a", "b:9", "c:0"],
            {"strategy": "leastBusy", "fallbacks": ["b", "d"]},
            {"{ab}{ab}d": 1},
            "the replicas of all targets are one pool, and a fallback in it is none",
        ),
        (["z"], {}, {"zzz…": 1}, "the last attempt waits until the model has started"),
        (["z"], {"retries": 0}, {"z…": 1}, "waiting is an attempt itself"),
        (["z"], {"fallbacks": ["a"]}, {"zaz…": 1}, "who needs not wait is answered by a fallback"),
        (["z"], {"fallbacks": ["a"], "retries": 0}, {"zaz…": 1}, "when all else has failed, waiting is left"),
        (["a"], {"fallbacks": ["z"]}, {"azz…": 1}, "a fallback may be at zero, too"),
        (["y:2", "z"], {"retries": 0}, {"yzy…": 2, "zyz…": 1}, "of several the first is waited for"),
        (["a", "z"], {"strategy": "leastBusy", "retries": 0}, {"{az}z…": 1}, "also of those in one pool"),
    ],
)
def test_attempts(targets: list[str], fields: dict[str, Any], expected: dict[str, int], why: str) -> None:
    assert choices(route(*targets, **fields)) == expected, why


def test_a_request_too_long_for_the_smallest_target_has_choices_of_its_own() -> None:
    """Two bytes a token of the smallest context; its fallbacks are the long ones alone."""
    windows = {"a": 8000, "b": 4000, "c": 32_000}
    models = [{**hosted(name), "contextWindow": tokens} for name, tokens in windows.items()]
    fields = {"fallbacks": ["a"], "longContextFallbacks": ["c"]}
    routes = [{"name": "chat", "targets": [{"model": "a"}, {"model": "b"}], **fields}]
    [found] = neutral(resolved(models=models, gateway={"routes": routes}).gateway).routes
    assert found.longest_body == 8000
    assert [_attempts(choice) for choice in found.long_choices] == ["ccc"]


def test_every_choice_of_a_route_has_the_same_number_of_attempts() -> None:
    found = route("a:3", "b", "c", fallbacks=["d"], retries=7)
    assert {len(choice.attempts) for choice in found.choices} == {found.attempts(found.choices)} == {8}
    down = route("z", "a", whenDown={"message": "later"})
    assert down.attempts(down.choices) == 4, "two models, a wait and the last answer"


def test_times_are_seconds_and_no_first_token_timeout_is_none() -> None:
    found = route("a", timeout="1m30s", firstTokenTimeout="250ms")
    assert (found.timeout, found.first_token_timeout) == (90, 0.25)
    assert route("a").first_token_timeout is None


def client(name: str, *routes: str) -> dict[str, Any]:
    return {"name": name, "secretKeyRef": {"name": "keys", "key": name}, "routes": list(routes)}


@pytest.mark.parametrize(
    ("clients", "expected", "why"),
    [
        ((), None, "without clients the gateway is open"),
        ((client("web"), client("batch")), None, "a client that names no route may use all"),
        ((client("web", "chat"), client("batch")), None, "everybody may, one by name"),
    ],
)
def test_clients_of_an_open_route(clients: tuple[Any, ...], expected: None, why: str) -> None:
    assert route("a", clients=clients).clients is expected, why


def test_a_route_is_for_those_who_name_it_or_none() -> None:
    gateway = {
        "routes": [{"name": name, "targets": [{"model": "a"}]} for name in ("chat", "other")],
        "clients": [client("web", "chat"), client("batch", "other"), client("admin")],
    }
    chat, other = neutral(resolved(models=MODELS, gateway=gateway).gateway).routes
    assert chat.clients == ("web", "admin")
    assert other.clients == ("batch", "admin")


def test_models_that_no_request_reaches_are_not_the_gateways() -> None:
    gateway = {
        "routes": [
            {"name": "chat", "targets": [{"model": "b"}, {"model": "c", "weight": 0}], "fallbacks": ["a"]}
        ]
    }
    found = neutral(resolved(models=MODELS, gateway=gateway).gateway)
    assert [model.name for model in found.models] == ["b", "a"]
