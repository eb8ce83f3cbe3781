"""What every scenario is given."""

import pytest

from tests.e2e.running import WORLD
from tests.e2e.world import World


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """A control plane, a node, and the operator installed; `python -m tests.e2e run` brings it up."""
    return request.config.stash[WORLD]
