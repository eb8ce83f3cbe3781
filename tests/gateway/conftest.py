"""Stand-ins for vLLM and a provider, and one front over them that most tests share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.gateway.chat_model import ChatModel
from tests.gateway.front import Front, key_file, managed
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

RESTING = '😴 100 % at rest: %REQ(authorization)%, "later"\n'.ljust(1024, "…")
"""The longest text that is allowed, with what a format or JSON would read otherwise."""


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stand_ins() -> AsyncIterator[dict[str, StandIn]]:
    servers = {name: StandIn(name) for name in ("llama", "mistral", "claude")}
    for server in servers.values():
        await server.start()
    yield servers
    for server in servers.values():
        await server.stop()


@pytest.fixture(scope="package")
def ports(stand_ins: dict[str, StandIn]) -> dict[str, int]:
    """Where models and the provider's host listen."""
    return {
        "llama": stand_ins["llama"].port,
        "mistral": stand_ins["mistral"].port,
        "minilm": stand_ins["mistral"].port,
        "claude.example": stand_ins["claude"].port,
    }


@pytest.fixture(autouse=True)
def well(stand_ins: dict[str, StandIn]) -> None:
    """Every test begins with stand-ins that work."""
    for server in stand_ins.values():
        server.recover()


@pytest.fixture
def llama(stand_ins: dict[str, StandIn]) -> StandIn:
    return stand_ins["llama"]


@pytest.fixture
def mistral(stand_ins: dict[str, StandIn]) -> StandIn:
    return stand_ins["mistral"]


@pytest.fixture
def claude(stand_ins: dict[str, StandIn]) -> StandIn:
    """Behind the provider, not in the cluster."""
    return stand_ins["claude"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def models() -> AsyncIterator[dict[str, ChatModel]]:
    """Behind the routes that are intercepted."""
    found = {name: ChatModel(name) for name in ("llama", "mistral")}
    for model in found.values():
        await model.start()
    yield found
    for model in found.values():
        await model.stop()


PROVIDER = managed("claude", "http://claude.example/api/v1", key="provider")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def front(ports: dict[str, int]) -> AsyncIterator[Front]:
    """Open to its namespace, with a route of each sort."""
    spec = {
        "models": [
            hosted("llama") | {"contextWindow": 1000},
            hosted("mistral"),
            hosted("minilm") | {"task": "embedding"},
            PROVIDER,
        ],
        "gateway": {
            "routes": [
                {
                    "name": "chat",
                    "targets": [{"model": "llama", "weight": 3}, {"model": "mistral", "weight": 1}],
                    "fallbacks": ["claude"],
                    "timeout": "5s",
                    "firstTokenTimeout": "400ms",
                },
                {
                    "name": "in-order",
                    "strategy": "ordered",
                    "targets": [{"model": "llama"}, {"model": "mistral"}],
                    "timeout": "2s",
                },
                {"name": "llama-first", "targets": [{"model": "llama"}], "fallbacks": ["mistral"]},
                {
                    "name": "mistral-off",
                    "targets": [{"model": "llama"}, {"model": "mistral", "weight": 0}],
                },
                {"name": "alone", "targets": [{"model": "llama"}], "retries": 0, "timeout": "2s"},
                {
                    "name": "resting",
                    "targets": [{"model": "llama"}],
                    "fallbacks": ["mistral"],
                    "retries": 0,
                    "timeout": "1s",
                    "firstTokenTimeout": "400ms",
                    "whenDown": {"message": RESTING},
                },
                {
                    "name": "any-length",
                    "targets": [{"model": "llama"}],
                    "longContextFallbacks": ["mistral", "claude"],
                    "timeout": "5s",
                },
                {"name": "brief", "targets": [{"model": "llama"}], "limits": {"maxOutputTokens": 100}},
                {
                    "name": "least-busy",
                    "strategy": "leastBusy",
                    "targets": [{"model": "llama"}, {"model": "mistral"}],
                    "fallbacks": ["claude"],
                    "timeout": "5s",
                },
                {"name": "provider", "targets": [{"model": "claude"}], "retries": 0},
                {"name": "embed", "targets": [{"model": "minilm"}]},
            ]
        },
    }
    async with Front(ports, {key_file(PROVIDER): "provider-key\n"}) as front:
        await front.start(spec)
        yield front
