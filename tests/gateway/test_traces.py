"""Spans of requests reach a collector, and models go on with the trace: never with what was said."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from aistack.catalog import Traces
from tests.gateway.collector import Collector, Span
from tests.gateway.front import Front, managed
from tests.gateway.stand_in import Asked, StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "what-nobody-else-is-to-read"  # noqa: S105 a prompt
WHOLE, STREAM, ABROAD = "1" * 32, "2" * 32, "3" * 32
CALLER = "00f067aa0ba902b7"
NOT_SAMPLED = f"00-{'5' * 32}-{CALLER}-00"
SERVER = 2
"""The kind of a server's span."""


def parent(trace: str) -> str:
    """A sampled traceparent; https://www.w3.org/TR/trace-context."""
    return f"00-{trace}-{CALLER}-01"


SPEC: dict[str, Any] = {
    "models": [hosted("llama"), managed("claude", "http://claude.example/v1")],
    "gateway": {
        "clients": [{"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}}],
        "routes": [
            {"name": "chat", "targets": [{"model": "llama"}]},
            {"name": "abroad", "targets": [{"model": "claude"}]},
        ],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    await found.start()
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(ports: dict[str, int], collector: Collector) -> AsyncIterator[Front]:
    async with Front(ports, {"clients/web": "key-of-web"}) as front:
        front.traces = Traces(f"http://127.0.0.1:{collector.port}/v1/traces", percent=100)
        await front.start(SPEC)
        yield front


async def ask(front: Front, model: str, traceparent: str, **options: Any) -> None:
    messages = [{"role": "user", "content": SECRET}]
    headers = {"traceparent": traceparent}
    reply = await front.ask(model, key="key-of-web", headers=headers, messages=messages, **options)
    assert reply.status == 200, reply.text


@dataclass(frozen=True)
class Seen:
    spans: list[Span]
    asked: dict[str, Asked]
    """What reached each model first."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seen(front: Front, collector: Collector, stand_ins: dict[str, StandIn]) -> Seen:
    """Requests of each sort, once their spans have arrived: Envoy sends them every five seconds."""
    for stand_in in stand_ins.values():
        stand_in.recover()
    await ask(front, "chat", NOT_SAMPLED)
    await ask(front, "chat", "none")
    stand_ins["llama"].recover()
    await ask(front, "chat", parent(WHOLE))
    await ask(front, "chat", parent(STREAM), stream=True)
    await ask(front, "abroad", parent(ABROAD))
    asked = {name: stand_ins[name].asked[0] for name in ("llama", "claude")}
    await front.eventually(lambda: len(collector.spans) >= 6, "two spans a request")
    return Seen(collector.spans, asked)


@pytest.mark.parametrize("trace", [WHOLE, STREAM])
async def test_a_span_says_who_asked_which_route_and_who_answered(seen: Seen, trace: str) -> None:
    [server] = [span for span in seen.spans if span.kind == SERVER and span.trace == trace]
    assert server.parent == CALLER
    ours = {name: text for name, text in server.attributes.items() if name.startswith("aistack.")}
    assert ours == {
        "aistack.namespace": "care",
        "aistack.stack": "support",
        "aistack.client": "web",
        "aistack.route": "chat",
        "aistack.target": "llama",
    }
    assert server.attributes["http.status_code"] == "200"


async def test_no_span_says_what_was_said_or_by_which_key(seen: Seen, collector: Collector) -> None:
    assert len(seen.spans) == 6
    said = b"".join(collector.bodies)
    assert SECRET.encode() not in said
    assert b"key-of-web" not in said


async def test_who_asks_for_no_trace_makes_none(seen: Seen) -> None:
    assert {span.trace for span in seen.spans} == {WHOLE, STREAM, ABROAD}


async def test_a_model_goes_on_with_the_trace_and_a_provider_learns_nothing_of_it(seen: Seen) -> None:
    _, trace, above, sampled = seen.asked["llama"].headers["traceparent"].split("-")
    assert (trace, sampled) == (WHOLE, "01")
    assert above in {span.id for span in seen.spans if span.trace == WHOLE}
    assert "traceparent" not in seen.asked["claude"].headers


async def test_a_collector_that_is_away_costs_no_request(
    front: Front, seen: Seen, collector: Collector, llama: StandIn
) -> None:
    assert seen.spans, "it was there"
    await collector.stop()
    for _ in range(3):
        await ask(front, "chat", parent(WHOLE))
    assert len(llama.asked) == 3
