"""What several tests of this folder begin with."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from aistack.runtime import fronts
from tests.metered import Front


@pytest.fixture
async def front(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    found, app = Front(), web.Application()
    app.router.add_get("/metrics", found.metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setattr(fronts, "PORT", runner.addresses[0][1])
    yield found
    await runner.cleanup()
