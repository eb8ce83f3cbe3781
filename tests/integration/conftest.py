"""A controller that every test of this folder may share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import controllers
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process


@pytest.fixture(scope="module")
def controller(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with controllers.controller(installed, Path(tmp_path_factory.mktemp("controller"))) as process:
        yield process
