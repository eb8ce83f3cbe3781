"""What changes in a gateway is live at once, and no request under way notices it."""

from typing import Any

from aistack.labels import SYNC_ANNOTATION
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example

LIVE_WITHIN = 60.0  # seconds


def with_gateway(**gateway: Any) -> dict[str, Any]:
    """examples/smallest.yaml with a gateway."""
    stack = example("smallest")
    stack["spec"]["gateway"] = gateway
    return stack


def answers(stack: Stack, model: str, status: int, **wish: Any) -> float:
    """How long it took until every replica of the gateway answered so, in seconds."""

    def each() -> set[int]:
        replicas = stack.replicas("gateway").values()
        return {stack.ask(model, of=replica.address, **wish)["status"] for replica in replicas}

    what = f"{model} is answered {status}"
    return eventually(lambda: each() == {status}, lambda: f"{what}: {each()}\n{stack.story()}", LIVE_WITHIN)


def routes(*names: str) -> list[dict[str, Any]]:
    """Ways to the same model."""
    return [{"name": name, "targets": [{"model": "qwen"}]} for name in names]


def test_a_route_comes_and_goes_under_load_without_a_failed_request(hello: Stack, seen: Seen) -> None:
    hello.apply(with_gateway(routes=routes("chat")))
    hello.wait_until_ready()
    answers(hello, "chat", 200)
    model = hello.replicas("qwen")
    with hello.load("chat") as load:
        hello.apply(with_gateway(routes=routes("chat", "talk")))
        took = answers(hello, "talk", 200)
        hello.wait_until_ready()
        load.goes_on()
        hello.apply(with_gateway(routes=routes("chat")))
        answers(hello, "talk", 404)
        load.goes_on()
    assert load.failed == []
    assert hello.replicas("qwen") == model, "a route starts no model anew"
    seen(f"the new route answered after {took:.1f} s; {len(load.answers)} requests, none failed")


def test_a_new_client_is_let_in_under_load_without_a_failed_request(hello: Stack) -> None:
    first, second = (hello.client_key(name, f"key-of-{name}") for name in ("first", "second"))
    hello.apply(with_gateway(clients=[first]))
    hello.wait_until_ready()
    answers(hello, "qwen", 401)
    answers(hello, "qwen", 200, key="key-of-first")
    with hello.load("qwen", key="key-of-first") as load:
        assert hello.ask("qwen", key="key-of-second")["status"] == 401
        hello.apply(with_gateway(clients=[first, second]))
        answers(hello, "qwen", 200, key="key-of-second")
        hello.wait_until_ready()
        load.goes_on()
    assert load.failed == []


def test_a_changed_key_is_live_within_seconds_of_a_sync(hello: Stack, seen: Seen) -> None:
    hello.apply(with_gateway(clients=[hello.client_key("web", "the-old-key")]))
    hello.wait_until_ready()
    answers(hello, "qwen", 200, key="the-old-key")
    hello.client_key("web", "the-new-key")
    hello.kubectl("annotate", "aistack", hello.name, f"{SYNC_ANNOTATION}=now", "--overwrite")
    took = answers(hello, "qwen", 401, key="the-old-key") + answers(hello, "qwen", 200, key="the-new-key")
    seen(f"the old key was refused, and the new one let in, after {took:.1f} s")
