"""The log reaches its sink by OTLP: what is known of each request, and nothing that anybody said."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509

from aistack.render.gateway.logsink import sink_name
from tests.gateway.certificates import Certificates
from tests.gateway.collector import Collector, Record
from tests.gateway.front import Front, key_file, managed
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted, resolved

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLAUDE = managed("claude", "http://claude.example/v1", key="provider")
SPEC: dict[str, Any] = {
    "models": [hosted("llama"), CLAUDE],
    "gateway": {
        "clients": [{"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}}],
        "routes": [
            {"name": "chat", "targets": [{"model": "llama"}]},
            {"name": "abroad", "targets": [{"model": "claude"}]},
        ],
        "logging": {
            "retention": "400d",
            "redact": ["PII"],
            "sink": {
                "endpoint": "https://logs.example/v1/logs",
                "secretKeyRef": {"name": "log-sink", "key": "authorization"},
                "region": "eu-central-1",
            },
        },
    },
}
FIRST, SECOND = "Bearer first-of-the-sink", "Bearer second-of-the-sink"


def sink_file(spec: dict[str, Any]) -> str:
    """Where the sink's secret is mounted."""
    sink = resolved(**spec).gateway.spec.logging.sink
    assert sink
    return f"sink/{sink_name(sink)}"


KEYS = {"clients/web": "key-of-web", key_file(CLAUDE): "key-of-provider", sink_file(SPEC): f"{FIRST}\n"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ca"), x509.DNSName("logs.example"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sink(certificates: Certificates) -> AsyncIterator[Collector]:
    found = Collector(certificates.context)
    await found.start()
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(ports: dict[str, int], certificates: Certificates, sink: Collector) -> AsyncIterator[Front]:
    places = {**ports, "logs.example": sink.port}
    async with Front(places, KEYS, certificates.authority) as front:
        await front.start(SPEC)
        yield front


async def arrived(front: Front, sink: Collector, bytes_in: int) -> Record:
    """The record of the request of this length, the last one."""

    def find() -> Record | None:
        mine = [record for record in sink.records if record.attributes["aistack.bytesIn"] == str(bytes_in)]
        return mine[-1] if mine else None

    found = await front.eventually(find, f"a record of a request of {bytes_in} bytes")
    assert isinstance(found, Record)
    return found


def body_of(model: str, length: int, **options: str) -> bytes:
    """By its length a request is found again."""
    fields = "".join(f'"{name}": {text}, ' for name, text in options.items())
    body = f'{{"model": "{model}", {fields}"messages": [{{"role": "user", "content": "my-question"}}]}}'
    return body.ljust(length).encode()


async def counted(front: Front, what: str) -> int:
    """How many records the sink has taken, or were dropped, as the loader tells it."""
    _, text = await front.status("/metrics")
    return sum(map(int, re.findall(rf"^aistack_sink_records_{what}_total\{{\}} (\d+)$", text, re.MULTILINE)))


@pytest.mark.parametrize(("model", "stream", "length"), [("chat", "false", 501), ("abroad", "true", 502)])
async def test_a_record_says_what_the_line_of_the_log_says(
    front: Front, sink: Collector, model: str, stream: str, length: int
) -> None:
    reply = await front.ask(None, raw=body_of(model, length, stream=stream), key="key-of-web")
    assert reply.status == 200
    line = await front.logged(bytesIn=length)
    record = await arrived(front, sink, length)
    time = datetime.fromisoformat(line.pop("time")).timestamp()
    assert record.nanoseconds / 1e9 == pytest.approx(time, abs=0.002)
    assert record.attributes == {
        f"aistack.{name}": "-" if value is None else str(value) for name, value in line.items()
    }
    assert (line["client"], line["model"], line["inputTokens"]) == ("web", model, 11)
    assert record.resource == {
        "service.name": "support-gateway",
        "aistack.namespace": "care",
        "aistack.stack": "support",
        "aistack.retention": "400d",
    }


async def test_nothing_that_anybody_wrote_or_must_keep_is_in_it(
    front: Front, sink: Collector, llama: StandIn
) -> None:
    """Neither on its way to the sink nor in the containers' output."""
    told = {"user-agent": "agent-of-anna", "x-request-id": "id-of-anna", "x-forwarded-for": "198.51.100.7"}
    said = {"stream": '"stream-of-anna"', "user": '"anna"'}
    await front.ask(None, "/v1/chat/completions?q=query-of-anna", raw=body_of("chat", 601), key="key-of-web")
    await front.ask(None, raw=body_of("chat", 602, **said), key="key-of-web", headers=told)
    await front.ask(None, raw=body_of("model-of-anna", 603), key="key-of-web", headers=told)
    llama.status, llama.words = 400, "answer-for-anna"
    await front.ask(None, raw=body_of("chat", 604), key="key-of-web", headers=told)
    records = [await arrived(front, sink, length) for length in (601, 602, 603, 604)]
    assert [record.attributes["aistack.status"] for record in records] == ["200", "400", "404", "400"]
    written = b"".join(sink.bodies).decode(errors="replace") + front.log("envoy") + front.log("run")
    for secret in ("anna", "my-question", "answered_by", "key-of-", "-of-the-sink", "198.51.100.7"):
        assert secret not in written


async def test_a_changed_secret_is_shown_without_a_restart(front: Front, sink: Collector) -> None:
    await front.ask("chat", key="key-of-web")
    await front.eventually(lambda: sink.headers, "something arrived")
    assert {headers["authorization"] for headers in sink.headers} == {FIRST}
    front.mount_keys({**KEYS, sink_file(SPEC): SECOND})

    async def second() -> bool:
        assert (await front.ask("chat", key="key-of-web")).status == 200
        return sink.headers[-1]["authorization"] == SECOND

    await front.eventually(second, "the second secret is shown")


async def test_a_sink_that_is_away_costs_no_request_and_what_it_misses_is_counted(
    front: Front, sink: Collector
) -> None:
    before = await counted(front, "dropped")
    await sink.stop()
    for _ in range(3):
        assert (await front.ask("chat", key="key-of-web")).status == 200

    async def dropped() -> bool:
        return await counted(front, "dropped") >= before + 3

    await front.eventually(dropped, "what is lost is counted")
    await sink.start()
    taken = await counted(front, "written")
    await front.ask(None, raw=body_of("chat", 701), key="key-of-web")
    await arrived(front, sink, 701)

    async def written() -> bool:
        return await counted(front, "written") > taken

    await front.eventually(written, "what arrives is counted")


async def test_a_pod_that_ends_has_sent_its_last_records(
    ports: dict[str, int], certificates: Certificates, sink: Collector
) -> None:

    async with Front({**ports, "logs.example": sink.port}, KEYS, certificates.authority) as front:
        await front.start(SPEC)
        await front.ask(None, raw=body_of("chat", 801), key="key-of-web")
        await front.session.close()
        front.loader.terminate()
        await front.loader.wait()
        front.envoy.kill()
        await arrived(front, sink, 801)
