"""Affinity: what it means, what it can't be written for, and that nobody else notices it."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from aistack.api import AIStack
from aistack.render.gateway.demand import sleepers
from aistack.render.gateway.front import front_files
from aistack.render.gateway.neutral import Prefix, Session, neutral
from aistack.resolve import Resolution, resolve
from tests.stacks import catalog, hosted, resolved, stack

CLAUDE = {"name": "claude", "managed": {"provider": "openai", "model": "large"}}
MINILM = {**hosted("minilm"), "task": "embedding"}
SCALED = hosted(scaling={"max": 3})


def route(name: str = "chat", target: str = "llama", **fields: Any) -> dict[str, Any]:
    return {"name": name, "targets": [{"model": target}], **fields}


def resolution(*models: dict[str, Any], **fields: Any) -> Resolution:
    routes = [route(**{"affinity": {"by": "Session"}, **fields})]
    written = stack(models=list(models) or [SCALED], gateway={"routes": routes})
    return resolve(AIStack.parse(written), catalog())


def files(*routes: dict[str, Any]) -> dict[str, Any]:
    gateway = resolved(models=[SCALED, hosted("mistral")], gateway={"routes": list(routes)}).gateway
    return {name: json.loads(text) for name, text in front_files(neutral(gateway)).items()}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"by": "Session"}, Session("x-session-id")),
        ({"by": "Session", "header": "x-talk"}, Session("x-talk")),
        ({"by": "Prefix"}, Prefix(65536)),
        ({"by": "Prefix", "prefixBytes": 4096}, Prefix(4096)),
    ],
)
def test_what_is_not_said_has_a_default(written: dict[str, Any], meant: Session | Prefix) -> None:
    [found] = neutral(resolved(gateway={"routes": [route(affinity=written)]}).gateway).routes
    assert found.affinity == meant


def test_routes_without_it_and_the_listeners_stay_as_they_are() -> None:
    plain = route("plain")
    before, after = files(plain, route()), files(plain, route(affinity={"by": "Prefix"}))
    assert before["bootstrap.json"] == after["bootstrap.json"], "no pod is renewed"
    assert before["egress.json"] == after["egress.json"]
    assert [
        each
        for each in before["clusters.json"]["resources"]
        if each not in after["clusters.json"]["resources"]
    ] == []

    def entries(rendered: dict[str, Any]) -> list[Any]:
        [configuration] = rendered["routes.json"]["resources"]
        [host] = configuration["virtual_hosts"]
        return [entry for entry in host["routes"] if not entry["name"].startswith("chat")]

    assert entries(before) == entries(after)


def test_a_model_is_asked_by_affinity_once_and_then_its_least_busy_replica() -> None:
    affine = route(affinity={"by": "Session"}, fallbacks=["mistral"], retries=3)
    clusters = {each["name"]: each for each in files(affine)["clusters.json"]["resources"]}
    lists = [
        [member["name"] for member in cluster["cluster_type"]["typed_config"]["clusters"]]
        for name, cluster in clusters.items()
        if name.startswith("attempts")
    ]
    assert ["affine-llama", "model-llama", "model-llama", "affine-mistral"] in lists
    assert ["model-llama", "model-llama", "model-llama", "model-mistral"] in lists
    differing = {"name", "load_assignment", "load_balancing_policy"}
    alike = [
        {name: value for name, value in clusters[each].items() if name not in differing}
        for each in ("affine-llama", "model-llama")
    ]
    assert alike[0] == alike[1], "healthy and ejected are the same in both"


def test_who_comes_by_affinity_is_counted_for_a_model_at_zero() -> None:
    gateway = resolved(
        models=[hosted(scaling={"min": 0})], gateway={"routes": [route(affinity={"by": "Session"})]}
    ).gateway
    [sleeper] = sleepers(gateway)
    assert "cluster.affine-llama.upstream_rq_active" in sleeper.under_way
    clusters = json.loads(front_files(neutral(gateway))["clusters.json"])["resources"]
    lists = [each["name"] for each in clusters if each["name"].startswith("attempts")]
    assert {f"cluster.{name}.upstream_rq_completed" for name in lists} <= sleeper.counted


def test_a_gateway_full_of_it_fits_into_its_config_map() -> None:
    routes = [route(f"route-{number}", affinity={"by": "Prefix"}) for number in range(64)]
    gateway = resolved(gateway={"routes": routes}).gateway
    assert sum(map(len, front_files(neutral(gateway)).values())) < 1024 * 1024


@pytest.mark.parametrize(
    ("models", "fields", "words"),
    [
        ((), {"strategy": "leastBusy"}, "write another strategy"),
        ((MINILM,), {"target": "minilm"}, "task is embedding; leave it out"),
        ((CLAUDE,), {"target": "claude"}, "only its provider knows"),
    ],
    ids=["the least busy is asked", "no chats", "nobody chooses"],
)
def test_where_it_has_no_effect_it_is_refused(
    models: tuple[dict[str, Any], ...], fields: dict[str, Any], words: str
) -> None:
    [problem] = resolution(*models, **fields).problems
    assert problem.path == "spec.gateway.routes[chat].affinity"
    assert words in problem.message


@pytest.mark.parametrize(
    ("models", "fields", "count"),
    [
        ((hosted(),), {}, 1),
        ((SCALED,), {}, 0),
        ((hosted(), hosted("mistral", scaling={"max": 2})), {"fallbacks": ["mistral"]}, 0),
        ((CLAUDE, SCALED), {"target": "claude", "fallbacks": ["llama"]}, 0),
    ],
    ids=["one replica", "several", "several of a fallback", "a provider first"],
)
def test_one_replica_to_choose_from_is_a_warning(
    models: tuple[dict[str, Any], ...], fields: dict[str, Any], count: int
) -> None:
    found = resolution(*models, **fields)
    assert not found.problems
    assert [warning.path for warning in found.warnings if "second replica" in warning.message] == [
        "spec.gateway.routes[chat].affinity"
    ] * count


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"by": "Prefix", "header": "x-talk"},
        {"by": "Session", "prefixBytes": 4096},
        {"by": "Session", "header": "X-Talk"},
        {"by": "Session", "header": "x-aistack-client"},
        {"by": "Session", "header": "authorization"},
        {"by": "Prefix", "prefixBytes": 1},
    ],
)
def test_what_can_not_be_meant_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="affinity"):
        resolution(affinity=written)


def test_as_many_routes_as_a_stack_may_have_fit_into_a_config_map() -> None:
    """Each with all that makes its entries many and long."""
    models = [{**SCALED, "contextWindow": 8000}, {**CLAUDE, "contextWindow": 200_000}]
    long: dict[str, Any] = {
        "longContextFallbacks": ["claude"],
        "affinity": {"by": "Prefix"},
        "firstTokenTimeout": "5s",
    }
    routes = [route(f"route-{number}", **long) for number in range(64)]
    gateway = resolved(models=models, gateway={"routes": routes}).gateway
    assert sum(map(len, front_files(neutral(gateway)).values())) < 1024 * 1024
