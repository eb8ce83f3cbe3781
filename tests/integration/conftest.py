"""A controller that every test of this folder may share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import controllers
from tests.controllers import Stacks
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process
from tests.judged import Judged


@pytest.fixture(scope="module")
def controller(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with controllers.controller(installed, Path(tmp_path_factory.mktemp("controller"))) as process:
        yield process


@pytest.fixture
def judged(stacks: Stacks) -> Iterator[Judged]:
    """A stack's namespace, held to a policy that only reports."""
    found = Judged(stacks)
    found.held_to()
    yield found
    found.released()
