"""What a real gateway counts is what the controller meters: each token once, over a restart of Envoy too."""

from typing import Any

import pytest

from aistack.observed import Pod
from aistack.runtime import fronts
from aistack.runtime.fronts import Fronts
from aistack.spending.counters import Counters, Series, increments, read_counters
from tests.gateway.front import HOST, Front, managed
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEC: dict[str, Any] = {
    "models": [managed("claude", "http://claude.example/v1")],
    "gateway": {"routes": [{"name": "chat", "targets": [{"model": "claude"}]}]},
}
PROMPT, ANSWER = (Series("", "chat", "claude", kind) for kind in ("prompt", "completion"))


async def test_each_token_is_metered_once_over_a_change_and_a_restart(
    ports: dict[str, int], claude: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Front(ports) as front, Fronts("/metrics", read_counters) as asking:
        await front.start(SPEC)
        monkeypatch.setattr(fronts, "PORT", front.loader_port)
        pod = Pod("front", "uid", "1", "gateway", "gateway", "", True, False, None, address=HOST)

        async def reads(before: Counters) -> Counters:
            """Once there is something new."""

            async def new() -> Counters | None:
                found = (await asking.answers([pod])).get("uid", {})
                return found if increments(before, found) else None

            found: Counters = await front.eventually(new, "something new is counted")
            return found

        await front.ask("chat")
        first = await reads({})
        assert (first[PROMPT], first[ANSWER]) == (11, 3)
        changed = {**SPEC, "gateway": {"routes": [{**SPEC["gateway"]["routes"][0], "retries": 0}]}}
        await front.change(changed)
        await front.ask("chat")
        second = await reads(first)
        assert increments(first, second) == first, "a change goes on counting"
        await front.restart_envoy(changed)
        await front.until_ready()
        await front.eventually(lambda: front.answered_by("chat"), "it answers again", tolerated=Exception)
        answered = len(claude.asked) - 2
        third = await reads({})
        assert increments(second, third) == {series: count * answered for series, count in first.items()}
