"""A configuration changes while requests run, and none of them is lost; what is wrong never goes live."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aistack.observed import Awaited, Report
from aistack.runtime import loaders
from aistack.runtime.loaders import Loaders
from tests.gateway.front import HOST, Front, key_file, managed
from tests.gateway.load import Load
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLAUDE = managed("claude", "http://claude.example", key="provider")
TYPES = {
    "clusters.json": "envoy.config.cluster.v3.Cluster",
    "egress.json": "envoy.config.route.v3.RouteConfiguration",
    "routes.json": "envoy.config.route.v3.RouteConfiguration",
}


def broken(file: str, **fields: Any) -> dict[str, str]:
    """A file whose only resource lacks what it must have, and has `fields`."""
    name = file.removesuffix(".json")
    resource = {"@type": f"type.googleapis.com/{TYPES[file]}", "name": name, "virtual_hosts": [{"name": ""}]}
    if file == "clusters.json":
        resource = {"@type": resource["@type"], "name": "", "connect_timeout": "-1s"}
    return {file: json.dumps({"resources": [resource | fields]})}


def spec(*targets: str, models: list[dict[str, Any]], **route: Any) -> dict[str, Any]:
    """One route, `chat`, to `targets` with equal weights."""
    names = [{"model": name} for name in targets]
    return {"models": models, "gateway": {"routes": [{"name": "chat", "targets": names, **route}]}}


@asynccontextmanager
async def running(ports: dict[str, int], **options: Any) -> AsyncIterator[Front]:
    keys = {key_file(CLAUDE): "provider-key"}
    async with Front(ports, keys, **options) as front:
        yield front


async def test_changed_routes_models_and_providers_lose_no_request(ports: dict[str, int]) -> None:
    llama, mistral = hosted("llama"), hosted("mistral")
    async with running(ports) as front:
        await front.start(spec("llama", models=[llama]))
        load = Load(front)
        await load.until(50)
        for _ in range(3):
            await front.change(spec("mistral", models=[llama, mistral]))
            await load.until(20)
            await front.change(spec("claude", models=[CLAUDE], timeout="5s"))
            await load.until(20)
            await front.change(spec("llama", "claude", models=[llama, CLAUDE]))
            await load.until(20)
        await load.end()
    assert set(load.statuses) == {200}, load.answered
    assert set(load.answered) == {"llama", "mistral", "claude"}


async def test_the_new_route_answers_once_its_version_is_live(ports: dict[str, int]) -> None:
    models = [hosted("llama"), hosted("mistral")]
    async with running(ports) as front:
        await front.start(spec("llama", models=models))
        assert await front.answered_by("chat") == "llama"
        await front.change(spec("mistral", models=models))
        assert await front.answered_by("chat") == "mistral"


async def test_the_controller_learns_from_the_loader_what_is_live(
    ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [hosted("llama"), hosted("mistral")]
    async with running(ports) as front, Loaders(lambda _: None, patience=10) as asking:
        await front.start(spec("llama", models=models))
        monkeypatch.setattr(loaders, "PORT", front.loader_port)
        refused = front.mount(spec("mistral", models=models), **broken("routes.json"))
        asking.ask(("care", "support"), [Awaited("uid", HOST, refused)])
        await front.eventually(lambda: "uid" in asking.reports, "the loader was asked")
        await front.eventually(lambda: "refused" in asking.reports["uid"].problem, "its problem is known")
        assert asking.reports["uid"].mounted == refused != asking.reports["uid"].live

        version = front.mount(spec("mistral", models=models))
        asking.ask(("care", "support"), [Awaited("uid", HOST, version)])
        await front.eventually(
            lambda: asking.reports.get("uid") == Report(live=version, mounted=version), "it is live"
        )
        assert await front.answered_by("chat") == "mistral"

        front.mount_keys({"clients/web": ""})
        await front.eventually(lambda: "web is empty" in asking.reports["uid"].problem, "a bad key is known")


async def test_what_is_no_longer_used_is_removed(ports: dict[str, int]) -> None:
    async with running(ports, drain_seconds=0.5) as front:
        await front.start(spec("claude", models=[CLAUDE]))
        await front.change(spec("llama", models=[hosted("llama")]))
        front.mount_keys({})
        live = front.folder / "live"
        await front.eventually(lambda: not list(live.glob("provider-*")), "the provider's key is gone")
        assert "claude" not in (live / "clusters.json").read_text() + (live / "egress.json").read_text()


async def test_a_request_that_is_still_being_sent_goes_where_its_route_led(ports: dict[str, int]) -> None:
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "x" * 1000}]}).encode()
    changed = asyncio.Event()

    async def in_halves() -> AsyncIterator[bytes]:
        yield body[:500]
        await changed.wait()
        yield body[500:]

    async with running(ports) as front:
        await front.start(spec("llama", models=[hosted("llama")]))
        request = asyncio.create_task(front.ask("chat", raw=in_halves()))
        await front.eventually(lambda: front.under_way(1), "it is under way")
        await front.change(spec("mistral", models=[hosted("mistral")]))
        await asyncio.sleep(0.5)  # longer than the loader rests between two looks
        changed.set()
        reply = await request
    assert (reply.status, reply.json["answered_by"]) == (200, "llama")


async def test_a_request_that_is_under_way_may_still_fall_back_to_what_its_route_named(
    ports: dict[str, int], llama: StandIn, mistral: StandIn
) -> None:
    llama.seconds_to_answer = 30
    async with running(ports) as front:
        models = [hosted("llama"), CLAUDE]
        await front.start(spec("llama", models=models, fallbacks=["claude"], retries=0, timeout="2s"))
        request = asyncio.create_task(front.ask("chat"))
        await front.eventually(lambda: llama.asked, "it is under way")
        await front.change(spec("mistral", models=[hosted("mistral")]))
        assert (await request).json["answered_by"] == "claude"
    assert not mistral.asked


@pytest.mark.parametrize("file", TYPES)
@pytest.mark.parametrize("fields", [{}, {"no_such_field": 1}], ids=["invalid", "unreadable"])
async def test_a_configuration_that_envoy_refuses_changes_nothing(
    ports: dict[str, int], file: str, fields: dict[str, Any]
) -> None:
    models = [hosted("llama"), hosted("mistral")]
    async with running(ports) as front:
        await front.start(spec("llama", models=models))
        front.mount(spec("mistral", models=models), **broken(file, **fields))
        await front.until_problem(f"refused {file}")
        assert (await front.status("/ready"))[0] == 200
        assert await front.answered_by("chat") == "llama"
        metrics = (await front.status("/metrics"))[1]
        assert "aistack_loader_in_step 0" in metrics
        assert "aistack_loader_refusals_total 1" in metrics

        await front.change(spec("mistral", models=models))
        assert await front.answered_by("chat") == "mistral"
        assert "aistack_loader_in_step 1" in (await front.status("/metrics"))[1]


async def test_a_fresh_pod_with_a_configuration_that_envoy_refuses_is_not_ready(
    ports: dict[str, int],
) -> None:
    models = [hosted("llama")]
    async with running(ports) as front:
        front.mount(spec("llama", models=models), **broken("routes.json"))
        front.mount_keys({})
        await front.launch(spec("llama", models=models))
        await front.until_problem("refused routes.json")
        assert (await front.status("/ready"))[0] == 503
        await front.change(spec("llama", models=models))
        assert (await front.status("/ready"))[0] == 200


async def test_envoy_that_was_restarted_serves_what_was_live(ports: dict[str, int]) -> None:
    models = [hosted("llama"), hosted("mistral")]
    async with running(ports) as front:
        await front.start(spec("llama", models=models))
        await front.change(spec("mistral", models=models))
        await front.restart_envoy(spec("mistral", models=models))

        async def answers() -> bool:
            return await front.answered_by("chat") == "mistral"

        await front.eventually(answers, "Envoy answers again", tolerated=OSError)


async def test_a_loader_that_was_killed_costs_no_request_and_goes_on_where_it_was(
    ports: dict[str, int],
) -> None:
    models = [hosted("llama"), hosted("mistral")]
    async with running(ports) as front:
        await front.start(spec("llama", models=models))
        load = Load(front)
        await load.until(20)
        await front.restart_loader()
        await front.change(spec("mistral", models=models))
        await load.until(20)
        await load.end()
    assert set(load.statuses) == {200}, load.answered
    assert set(load.answered) == {"llama", "mistral"}


async def test_a_pod_that_ends_finishes_what_is_under_way(ports: dict[str, int], llama: StandIn) -> None:
    llama.seconds_to_answer = 1.5
    async with running(ports) as front:
        await front.start(spec("llama", models=[hosted("llama")]))
        request = asyncio.create_task(front.ask("chat"))
        await front.eventually(lambda: llama.asked, "the request is under way")
        front.loader.send_signal(signal.SIGTERM)
        await front.eventually(lambda: _unready(front), "the pod is no longer ready")
        reply = await request
        assert reply.status == 200
        assert reply.headers["connection"] == "close"
        assert await front.loader.wait() == 0


async def test_a_pod_that_ends_does_not_wait_forever(ports: dict[str, int], llama: StandIn) -> None:
    llama.seconds_to_answer = 30
    async with running(ports, drain_seconds=0.5) as front:
        await front.start(spec("llama", models=[hosted("llama")]))
        request = asyncio.create_task(front.ask("chat"))
        await front.eventually(lambda: llama.asked, "the request is under way")
        front.loader.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(front.loader.wait(), 20) == 0
        request.cancel()
        llama.seconds_to_answer = 0


async def _unready(front: Front) -> bool:
    return (await front.status("/ready"))[0] == 503
