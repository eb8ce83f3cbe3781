"""A stack's picture: what is drawn is what happens, and a name is never more than a label."""

from typing import Any

import pytest

from aistack.cli.parser import main
from aistack.diagram import diagram
from tests.stacks import hosted, resolved

CATALOG = "--catalog=examples/accelerators.yaml"


def drawn(route: dict[str, Any], **gateway: Any) -> list[str]:
    """The picture of a stack with the models a, b and c, and one route."""
    models = [hosted(name) for name in ("a", "b", "c")]
    stack = resolved(models=models, gateway={"routes": [{"name": "chat", **route}], **gateway})
    return [line.strip() for line in diagram(stack).splitlines()]


def targets(*models: str, **weights: int) -> list[dict[str, Any]]:
    plain = [{"model": model} for model in models]
    return [*plain, *({"model": model, "weight": weight} for model, weight in weights.items())]


def test_a_single_target_gets_everything() -> None:
    assert "route0 --> model0" in drawn({"targets": targets("a")})


def test_weights_are_shares_and_a_weight_of_0_is_no_way() -> None:
    lines = drawn({"targets": targets(a=2, b=1, c=0)})
    assert 'route0 -- "66.7 %" --> model0' in lines
    assert 'route0 -- "33.3 %" --> model1' in lines
    assert not any(line.endswith("model2") for line in lines)


def test_an_order_is_numbered_and_what_was_asked_before_is_no_fallback() -> None:
    route = {"strategy": "ordered", "targets": targets("b", "a"), "fallbacks": ["a", "c"]}
    lines = drawn(route)
    assert [line for line in lines if line.startswith("route0 -")] == [
        'route0 -- "1." --> model1',
        'route0 -- "2." --> model0',
        'route0 -. "fallback" .-> model2',
    ]


def test_the_queue_stands_before_the_last_answer() -> None:
    lines = drawn({"targets": targets("a"), "whenDown": {"message": "resting"}}, queue={"maxDepth": 7})
    assert 'queue["queue: up to 7 requests wait"]' in lines
    assert [line for line in lines if line.startswith("route0 -.")] == [
        'route0 -. "when all fail" .-> queue',
        'route0 -. "after 10m in the queue" .-> text0>"a text of the stack"]',
    ]


def test_a_client_that_may_not_use_a_route_is_not_named_at_it() -> None:
    key = {"secretKeyRef": {"name": "keys", "key": "web"}}
    clients = [{"name": "web", "routes": ["other"], **key}, {"name": "batch", **key}]
    routes = [{"name": name, "targets": targets("a")} for name in ("chat", "other")]
    picture = diagram(resolved(models=[hosted("a")], gateway={"routes": routes, "clients": clients}))
    assert 'clients(["web, batch"])' in picture
    assert 'gateway -- "batch" --> route0' in picture
    assert "gateway --> route1" in picture


def test_what_a_provider_serves_is_drawn_where_it_is() -> None:
    claude = {"provider": "bedrock", "model": 'eu."claude"', "region": "eu-central-1"}
    stack = resolved(models=[{"name": "claude", "managed": claude}])
    picture = diagram(stack)
    assert 'subgraph provider0["bedrock, eu-central-1"]' in picture
    assert 'model0["claude<br>eu.#quot;claude#quot;"]' in picture
    assert "route0 --> to_model0" in picture, "through the adapter"
    assert "to_model0 --> model0" in picture


def test_the_command_draws_each_stack_of_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", "examples/support.yaml", CATALOG, "--output=markdown"]) == 0
    assert capsys.readouterr().out.startswith("## care/support\n\n```mermaid\nflowchart LR\n")


def test_a_stack_that_can_not_be_served_is_not_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", "examples/support.yaml"]) == 1
    printed = capsys.readouterr()
    assert not printed.out
    assert "no AcceleratorClass is named 'nvidia-l4'" in printed.err
