"""What several tests of this folder begin with."""

from collections.abc import AsyncIterator

import pytest

from tests.metered import Front, serving


@pytest.fixture
async def front(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    found = Front()
    async with serving(found.metrics, monkeypatch):
        yield found
