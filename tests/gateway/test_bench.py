"""The gateway's benchmark, as small as it goes: both Envoys answer, and their work is seen."""

from pathlib import Path

import aiohttp
import pytest

from bench import gateway
from bench.gateway import answering, bare, front, model, round_of


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_front_and_a_bare_envoy_are_measured_at_the_same_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: bool
) -> None:
    monkeypatch.setattr(gateway, "REQUESTS", {"bare": 40, "front": 40})
    async with (
        model() as port,
        aiohttp.ClientSession() as session,
        bare(port, tmp_path) as one,
        front(port) as other,
    ):
        for arm in (one, other):
            await answering(arm, session)
            await round_of(arm, session, stream=stream)
            assert len(arm.times) == 40
            assert min(arm.times) > 0
            assert gateway.cpu(arm.pid) > 0, "the kernel knows what it has computed since its start"
