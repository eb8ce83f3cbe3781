"""What scenarios are given."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.running import SEEN, WORLD, Seen
from tests.e2e.stacks import Stack, example, namespace
from tests.e2e.world import World


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """A control plane, a node, and the operator installed; `python -m tests.e2e run` brings it up."""
    return request.config.stash[WORLD]


@pytest.fixture(scope="session")
def one_for_all(world: World) -> Iterator[Stack]:
    """The stack behind `hello`: to start a vLLM takes a minute."""
    with namespace(world.cluster, "hello"):
        yield Stack(world.cluster, "hello", "hello")


@pytest.fixture
def hello(one_for_all: Stack) -> Stack:
    """examples/smallest.yaml as it stands, Ready, whatever an earlier scenario did to it."""
    one_for_all.apply(example("smallest"))
    one_for_all.wait_until_ready()
    return one_for_all


@pytest.fixture
def seen(record_property: Callable[[str, object], None]) -> Seen:
    """Writes what was measured, or what a user reads, into the report."""
    return lambda what: record_property(SEEN, what)
