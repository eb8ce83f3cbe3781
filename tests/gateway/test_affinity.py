"""What belongs together is answered by one replica, while that has room."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway.front import HOST, Front, free_ports
from tests.gateway.load import Load
from tests.gateway.names import names
from tests.gateway.stand_in import StandIn
from tests.gateway.test_telemetry import counted
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]
CLIENTS = ("web", "batch")
KEYS = {f"clients/{client}": f"{client}-key" for client in CLIENTS}
SESSIONS = [f"session-{number}" for number in range(60)]
BY_SESSION, BY_PREFIX = {"by": "Session"}, {"by": "Prefix"}


def route(name: str, *targets: str, **fields: Any) -> dict[str, Any]:
    """To llama, unless targets are named."""
    return {"name": name, "targets": [{"model": target} for target in targets or ("llama",)], **fields}


SPEC: dict[str, Any] = {
    "models": [hosted("llama", scaling={"max": 4}), *map(hosted, ("pair", "mistral", "gone"))],
    "gateway": {
        "clients": [{"name": name, "secretKeyRef": {"name": "keys", "key": name}} for name in CLIENTS],
        "routes": [
            route("sessions", affinity=BY_SESSION),
            route("named", affinity={**BY_SESSION, "header": "x-conversation"}),
            route("prefixes", affinity=BY_PREFIX),
            route("short", affinity={**BY_PREFIX, "prefixBytes": 200}),
            route("both", "llama", "mistral", affinity=BY_SESSION),
            route("pair", "pair", affinity=BY_SESSION),
            route("gone", "gone", fallbacks=["llama"], affinity=BY_SESSION),
            route("plain"),
        ],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running() -> AsyncIterator[dict[str, StandIn]]:
    """Four replicas of llama by their addresses, at one port as behind a headless Service."""
    [port] = free_ports(1)
    found = {host: StandIn(host, port, host) for host in ADDRESSES}
    for replica in found.values():
        await replica.start()
    yield found
    for replica in found.values():
        await replica.stop()


@pytest.fixture(autouse=True)
def replicas(running: dict[str, StandIn]) -> dict[str, StandIn]:
    """Every test begins with replicas that work."""
    for replica in running.values():
        replica.recover()
    return running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fronts(running: dict[str, StandIn], ports: dict[str, int]) -> AsyncIterator[tuple[Front, Front]]:
    [nobody] = free_ports(1)
    port = running[ADDRESSES[0]].port
    places = {**ports, "llama": port, "pair": port, "gone": nobody}
    async with (
        names(llama=ADDRESSES, pair=ADDRESSES[:2], mistral=[HOST], gone=[HOST]) as services,
        Front(places, KEYS, names_port=services.port) as one,
        Front(places, KEYS, names_port=services.port) as other,
    ):
        await asyncio.gather(one.start(SPEC), other.start(SPEC))
        yield one, other


@pytest.fixture
def front(fronts: tuple[Front, Front]) -> Front:
    return fronts[0]


async def by_session(front: Front, name: str, *, route: str = "sessions", client: str = "web") -> str:
    return await front.answered_by(route, key=f"{client}-key", **session(name))


def session(name: str) -> dict[str, Any]:
    return {"headers": {"x-session-id": name}}


async def homes(front: Front, **options: str) -> dict[str, str]:
    """Who answers each session."""
    return {name: await by_session(front, name, **options) for name in SESSIONS}


async def test_a_session_meets_the_same_replica_at_every_front(
    fronts: tuple[Front, Front], replicas: dict[str, StandIn]
) -> None:
    one, other = fronts
    found = await homes(one)
    assert found == await homes(other) == await homes(one)
    assert set(found.values()) == set(replicas), "and together they use all"


async def test_a_session_may_be_named_in_the_body_or_in_a_header_of_ones_own(front: Front) -> None:
    found = await homes(front)
    for name, home in found.items():
        assert await front.answered_by("sessions", key="web-key", prompt_cache_key=name) == home
        other = {"headers": {"x-conversation": name}, "prompt_cache_key": "another"}
        assert await front.answered_by("named", key="web-key", **other) == home


async def test_two_clients_may_call_their_sessions_the_same(front: Front) -> None:
    assert await homes(front) != await homes(front, client="batch")


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"route": "sessions"}, id="no session"),
        pytest.param({"route": "sessions", "headers": {"x-session-id": ""}}, id="an empty name"),
        pytest.param({"route": "sessions", "headers": {"x-conversation": "one"}}, id="another header"),
        pytest.param({"route": "sessions", "metadata": "prompt_cache_key"}, id="the name of a field"),
        pytest.param({"route": "sessions", "prompt_cache_key": None}, id="null"),
        pytest.param({"route": "plain", "headers": {"x-session-id": "one"}}, id="a route without"),
    ],
)
async def test_what_belongs_to_nothing_goes_where_the_fewest_requests_are(
    front: Front, replicas: dict[str, StandIn], asked: dict[str, Any]
) -> None:
    async with held(front, replicas) as begin:
        for _ in replicas:
            await begin(**asked)
        assert {len(replica.asked) for replica in replicas.values()} == {1}


@asynccontextmanager
async def held(front: Front, replicas: dict[str, StandIn]) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Begins requests, each when the one before has arrived; none is answered."""
    for replica in replicas.values():
        replica.asked.clear()
        replica.seconds_to_answer = 60
    begun: list[asyncio.Task[Any]] = []

    def arrived() -> int:
        return sum(len(replica.asked) for replica in replicas.values())

    async def begin(route: str = "sessions", **options: Any) -> None:
        before = arrived()
        begun.append(asyncio.create_task(front.ask(route, key="web-key", **options)))
        await front.eventually(lambda: arrived() > before, "it arrives")

    try:
        yield begin
    finally:
        for request in begun:
            request.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
    await front.eventually(lambda: front.under_way(0), "nobody waits any more")


def says(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


FIRST = {
    "words": [says("user", "Hello {}")],
    "a system prompt before them": [says("system", "Be brief. " * 500), says("user", "Hello {}")],
    "braces and quotes in them": [
        says("system", 'Say }} or "role": "user" {{'),
        says("user", 'Hello {} }{{ [ \\" {{'),
    ],
    "pieces": [says("user", [{"type": "text", "text": "Hello {}"}, {"type": "text", "text": "}"}])],
    "the role behind them": [{"content": "Hello {} {{", "role": "user"}],
    "more than counts": [says("user", "Hello {} " + "and so on " * 10_000)],
}
LATER = [
    {"content": "Hi }", "refusal": None, "role": "assistant"},
    says("user", [{"type": "text", "text": "Tell me more"}]),
    says("assistant", None, tool_calls=[{"function": {"name": "look", "arguments": "{}"}}]),
    says("tool", "found", tool_call_id="1"),
]


@pytest.mark.parametrize("first", FIRST.values(), ids=list(FIRST))
async def test_the_turns_of_a_conversation_meet_the_same_replica(
    fronts: tuple[Front, Front], first: list[dict[str, Any]]
) -> None:
    found = set()
    for number in range(30):
        begin = json.loads(json.dumps(first).replace("Hello {}", f"Hello {number}"))
        turns = [begin, [*begin, *LATER[:2]], [*begin, *LATER]]
        asked = [
            await front.answered_by("prefixes", key=f"{client}-key", messages=turn, temperature=length)
            for front, client in zip(fronts, CLIENTS, strict=True)
            for length, turn in enumerate(turns)
        ]
        assert len(set(asked)) == 1, number
        found.add(asked[0])
    assert len(found) > 1, "other conversations meet other replicas"


async def test_what_begins_alike_stays_together_as_far_as_one_wants(front: Front) -> None:
    """Below the length of the system prompt nothing else counts, above it each conversation is its own."""
    for route, together in (("short", True), ("prefixes", False)):
        answers = [
            await front.answered_by(
                route, key="web-key", messages=[says("system", "Be brief. " * 50), says("user", str(number))]
            )
            for number in range(40)
        ]
        assert (len(set(answers)) == 1) is together
        stories = [
            await front.answered_by(
                route,
                path="/v1/completions",
                key="web-key",
                raw=json.dumps({"model": route, "prompt": f"{'Once upon a time ' * 20}{number}"}),
            )
            for number in range(40)
        ]
        assert (len(set(stories)) == 1) is together


async def test_a_large_body_has_a_beginning_too(front: Front) -> None:
    tools = [{"type": "function", "function": {"name": "f", "description": "x" * 3_000_000}}]
    for number in range(5):
        asked = {"model": "prefixes", "messages": [says("user", f"Hello {number}")]}
        home = await front.answered_by("prefixes", key="web-key", messages=asked["messages"])
        large = io.BytesIO(json.dumps({"tools": tools, **asked}).encode())
        assert await front.answered_by("prefixes", key="web-key", raw=large) == home


async def test_a_hot_session_takes_no_more_than_its_part(front: Front, replicas: dict[str, StandIn]) -> None:
    """Others help out, and another session still meets its own replica."""
    found = await homes(front)
    hot = SESSIONS[0]
    quiet = next(name for name, home in found.items() if home != found[hot])
    async with held(front, replicas) as begin:
        for _ in range(16):
            await begin(**session(hot))
        parts = {name: len(replica.asked) for name, replica in replicas.items()}
        assert max(parts.values()) <= 6, "a fourth of 17 with a quarter more, and then one"
        assert parts[found[hot]] >= 4, "its own replica comes first"
        await begin(**session(quiet))
        assert len(replicas[found[quiet]].asked) == parts[found[quiet]] + 1


async def test_what_a_replica_fails_another_one_answers_even_where_that_is_busier(
    front: Front, replicas: dict[str, StandIn]
) -> None:
    """One that fails at once has no requests: by the bound on load it alone would be asked, over and over.
    The least busy replica, which is asked then, may by chance be the same once more.
    """
    found = await homes(front, route="pair")
    failing, other = (replicas[address] for address in ADDRESSES[:2])
    of_other = [name for name, home in found.items() if home == other.name]
    of_failing = next(name for name, home in found.items() if home == failing.name)
    async with held(front, replicas) as begin:
        for name in of_other[:5]:
            await begin("pair", **session(name))
        assert len(other.asked) == 5, "one more would be too much for it"
        failing.status = 503
        await begin("pair", **session(of_failing))
        await front.eventually(lambda: len(other.asked) == 6, "the other one is asked")
        assert len(failing.asked) <= 2


async def test_a_session_stays_with_its_target(front: Front) -> None:
    found = await homes(front, route="both")
    assert found == await homes(front, route="both")
    assert {home == "mistral" for home in found.values()} == {True, False}


async def test_without_a_healthy_replica_a_fallback_answers_and_a_session_stays_together_there(
    fronts: tuple[Front, Front],
) -> None:
    one, other = fronts
    assert await homes(one, route="gone") == await homes(other, route="gone") == await homes(one)


async def test_the_log_says_that_a_request_went_by_affinity(front: Front) -> None:
    body = json.dumps({"model": "sessions", "messages": [], "prompt_cache_key": "known by its length" * 7})
    await front.ask(None, raw=body, key="web-key")
    assert (await front.logged(bytesIn=len(body)))["route"] == "sessions.affine"


async def test_affinity_comes_changes_and_goes_without_a_lost_request(
    running: dict[str, StandIn],
) -> None:
    def spec(**fields: Any) -> dict[str, Any]:
        return {"models": SPEC["models"][:1], "gateway": {"routes": [route("chat", **fields)]}}

    async with (
        names(llama=ADDRESSES) as services,
        Front({"llama": running[ADDRESSES[0]].port}, names_port=services.port) as front,
    ):
        await front.start(spec())
        load = Load(front)
        await load.until(50)
        for affinity in (BY_SESSION, BY_PREFIX, {**BY_PREFIX, "prefixBytes": 100}):
            await front.change(spec(affinity=affinity))
            await load.until(50)
        await front.change(spec())
        await load.until(50)
        await load.end()
        assert load.statuses.keys() == {200}


async def test_a_replica_that_goes_moves_its_own_sessions_and_gets_them_back(
    fronts: tuple[Front, Front], replicas: dict[str, StandIn]
) -> None:
    """Stands last: the other pools with this replica may learn later that it is back."""
    one, other = fronts
    before = await homes(one)
    gone = replicas[before[SESSIONS[0]]]
    await gone.stop()
    assert moved(before, await homes(one)) <= {gone.name}, "others are asked at once"

    async def agreed() -> bool:
        found = await homes(one)
        return gone.name not in found.values() and found == await homes(one) == await homes(other)

    await one.eventually(agreed, "both fronts know that it is gone")
    assert moved(before, await homes(one)) == {gone.name}
    await gone.start()

    async def back() -> bool:
        return before == await homes(one) == await homes(other)

    await one.eventually(back, "its sessions are back")


def moved(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Whose sessions went elsewhere; one or two in a thousand of the others' may, so two count for none."""
    counts = Counter(home for name, home in before.items() if after[name] != home)
    return {home for home, count in counts.items() if count > 2}


@pytest.mark.parametrize(
    ("route", "session"),
    [("sessions", {}), ("sessions", {"prompt_cache_key": "talk"}), ("prefixes", {}), ("plain", {})],
)
async def test_a_stream_that_its_client_leaves_is_estimated_all_the_same(
    front: Front, replicas: dict[str, StandIn], route: str, session: dict[str, str]
) -> None:
    for replica in replicas.values():
        replica.events = ('{"choices": [{"index": 0, "delta": {"content": "It"}}]}',)

    async def estimated() -> int:
        return await counted(front, "aistack_estimated_answers_total", route=route)

    before = await estimated()
    await front.leave(route, after=1, key="web-key", **session)

    async def more() -> bool:
        return await estimated() == before + 1

    await front.eventually(more, "it is estimated", seconds=5)
