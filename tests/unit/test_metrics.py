"""What the controller tells Prometheus and the kubelet."""

import asyncio

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from aistack.errors import SettingsError
from aistack.runtime.endpoint import endpoint
from aistack.runtime.metrics import StackStates, count_request


async def fetched(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


def stacks_counted(states: StackStates) -> dict[str, float]:
    """The samples as Prometheus would read them, by their labels."""
    registry = CollectorRegistry()
    registry.register(states)
    lines = generate_latest(registry).decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line.startswith("aistack_stacks{"))
    return {labels.removeprefix("aistack_stacks"): float(value) for labels, value in samples}


def test_stacks_are_counted_by_readiness_and_reason() -> None:
    states = StackStates()
    states.set(("care", "a"), True, "Ready")
    states.set(("care", "b"), False, "Unschedulable")
    states.set(("care", "c"), False, "Unschedulable")
    assert stacks_counted(states) == {
        '{ready="true",reason="Ready"}': 1.0,
        '{ready="false",reason="Unschedulable"}': 2.0,
    }
    states.set(("care", "b"), True, "Ready")
    states.forget(("care", "c"))
    assert stacks_counted(states) == {'{ready="true",reason="Ready"}': 2.0}
    states.clear()
    assert stacks_counted(states) == {}


def test_a_state_is_news_only_when_it_differs() -> None:
    states = StackStates()
    assert states.set(("care", "a"), False, "Starting")
    assert not states.set(("care", "a"), False, "Starting")
    assert states.set(("care", "a"), True, "Ready")


async def test_requests_are_shown_by_verb_and_code() -> None:
    count_request("apply", 201, 0.003)
    async with endpoint(0, lambda: True) as port:
        status, text = await fetched(port, "/metrics")
    assert status == 200
    assert 'aistack_api_requests_total{code="201",verb="apply"}' in text
    assert 'aistack_api_request_seconds_bucket{le="0.005",verb="apply"}' in text


async def test_a_process_is_alive_before_it_is_ready() -> None:
    ready = asyncio.Event()
    async with endpoint(0, ready.is_set) as port:
        assert (await fetched(port, "/healthz"))[0] == 200
        assert (await fetched(port, "/readyz"))[0] == 503
        ready.set()
        assert (await fetched(port, "/readyz"))[0] == 200
        assert (await fetched(port, "/else"))[0] == 404


async def test_a_port_that_is_taken_is_named_with_what_to_write() -> None:
    async with endpoint(0, lambda: True) as port:
        with pytest.raises(SettingsError, match=f"AISTACK_METRICS_PORT is {port}.*write a port that is free"):
            async with endpoint(port, lambda: True):
                pass
