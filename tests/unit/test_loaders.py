"""The controller asks the loaders of pods what is live, for as long as it wants to know."""

import asyncio
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from aistack.observed import Awaited, Report
from aistack.runtime import loaders
from aistack.runtime.loaders import Loaders

STACK = ("care", "support")
HOST = "127.0.0.1"
GOOD = {"live": "1", "mounted": "1", "problem": "", "draining": False}


class Pod:
    """Stands in for a front's pod: its loader answers with what the test says."""

    def __init__(self) -> None:
        self.answer: Any = GOOD
        self.asked = 0

    async def live(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.answer)


@asynccontextmanager
async def listening(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/live", pod.live)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    monkeypatch.setattr(loaders, "PORT", runner.addresses[0][1])
    yield
    await runner.cleanup()


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


async def until_left_alone(pod: Pod) -> None:
    """Until nobody asks it for a while."""
    async with asyncio.timeout(10):
        before = -1
        while pod.asked != before:
            before = pod.asked
            await asyncio.sleep(0.3)


def awaited(version: str, news: str = "") -> Awaited:
    return Awaited("uid-a", HOST, version, news)


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(loaders, "LONGEST_WAIT", 0.05)


@pytest.fixture
def told() -> list[Set[tuple[str, str]]]:
    return []


async def test_a_loader_is_asked_until_the_version_is_live(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]]
) -> None:
    pod = Pod()
    async with listening(pod, monkeypatch), Loaders(told.append, patience=0.1) as asking:
        asking.ask(STACK, [awaited("2")])
        await eventually(lambda: pod.asked >= 2)
        assert asking.reports == {"uid-a": Report(live="1", mounted="1")}
        assert told == [{STACK}], "the same answer twice is no news"
        pod.answer = {"live": "2", "mounted": "2", "problem": ""}
        await eventually(lambda: len(told) == 2)
        assert asking.reports == {"uid-a": Report(live="2", mounted="2")}
        await until_left_alone(pod)


async def test_a_problem_is_asked_after_until_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]]
) -> None:
    pod = Pod()
    pod.answer = {"live": "1", "mounted": "1", "problem": "the key of client web is empty"}
    async with listening(pod, monkeypatch), Loaders(told.append, patience=10) as asking:
        asking.ask(STACK, [awaited("1")])
        await eventually(lambda: told)
        assert asking.reports["uid-a"].problem == "the key of client web is empty"
        pod.answer = {"live": "1", "mounted": "1", "problem": ""}
        await eventually(lambda: not asking.reports["uid-a"].problem)


async def test_a_key_that_turns_out_to_be_unusable_is_learnt_though_the_version_is_live(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]]
) -> None:
    pod = Pod()
    async with listening(pod, monkeypatch), Loaders(told.append, patience=10) as asking:
        asking.ask(STACK, [awaited("1", news="a")])
        await eventually(lambda: pod.asked >= 2)
        pod.answer = {"live": "1", "mounted": "1", "problem": "the key of client web is empty"}
        await eventually(lambda: asking.reports["uid-a"].problem)
        asking.ask(STACK, [awaited("1", news="b")])
        assert asking.reports["uid-a"].problem, "what it said stands until it says something else"
        pod.answer = {"live": "1", "mounted": "1", "problem": ""}
        await eventually(lambda: not asking.reports["uid-a"].problem)


@pytest.mark.parametrize(
    "answer",
    ["no JSON object", {"live": "1"}, None, {**GOOD, "problem": "x" * loaders.LARGEST}],
    ids=["a string", "half of it", "nothing", "too much"],
)
async def test_an_answer_that_is_none_counts_as_silence(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]], answer: Any
) -> None:
    pod = Pod()
    pod.answer = answer
    async with listening(pod, monkeypatch), Loaders(told.append, patience=10) as asking:
        asking.ask(STACK, [awaited("1")])
        await eventually(lambda: pod.asked >= 2)
        assert asking.reports == {}


async def test_a_pod_sends_the_operator_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]]
) -> None:
    class Elsewhere(Pod):
        async def live(self, request: web.Request) -> web.Response:
            self.asked += 1
            if request.query_string:
                return await super().live(request)
            raise web.HTTPFound("/live?elsewhere")

    pod = Elsewhere()
    async with listening(pod, monkeypatch), Loaders(told.append, patience=10) as asking:
        asking.ask(STACK, [awaited("1")])
        await eventually(lambda: pod.asked >= 3)
        assert asking.reports == {}


async def test_who_never_answers_is_said_to_be_silent_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]]
) -> None:
    async with listening(Pod(), monkeypatch):
        pass  # now nothing listens on its port
    async with Loaders(told.append, patience=0.1) as asking:
        asking.ask(STACK, [awaited("1")])
        await eventually(lambda: told)
        assert asking.reports == {"uid-a": Report(live="1", silent=True)}


async def test_what_a_loader_has_said_stands_when_it_falls_silent(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]]
) -> None:
    pod = Pod()
    pod.answer = {"live": "1", "mounted": "2", "problem": "Envoy refused routes.json"}
    async with listening(pod, monkeypatch), Loaders(told.append, patience=0.1) as asking:
        asking.ask(STACK, [awaited("2")])
        await eventually(lambda: told)
        pod.answer, before = None, pod.asked
        await eventually(lambda: pod.asked >= before + 2)
        assert asking.reports["uid-a"].problem == "Envoy refused routes.json"


async def test_what_nobody_waits_for_any_more_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, told: list[Set[tuple[str, str]]]
) -> None:
    pod = Pod()
    async with listening(pod, monkeypatch), Loaders(told.append, patience=10) as asking:
        asking.ask(STACK, [awaited("2")])
        await eventually(lambda: told)
        asking.ask(STACK, [])
        assert asking.reports == {}
        before = pod.asked
        await asyncio.sleep(0.3)
        assert pod.asked == before
