"""A controller that every test of this folder may share, and the stacks of a test's own namespace."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import controllers
from tests.controllers import Stacks
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process
from tests.stacks import accelerator_class


@pytest.fixture(scope="session")
def installed(cluster: ControlPlane) -> ControlPlane:
    """The operator's rights and the accelerator class nvidia-l4."""
    controllers.install(cluster)
    cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(accelerator_class()))
    return cluster


@pytest.fixture(scope="module")
def controller(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with controllers.controller(installed, Path(tmp_path_factory.mktemp("controller"))) as process:
        yield process


@pytest.fixture
def stacks(installed: ControlPlane, namespace: str) -> Stacks:
    return Stacks(installed, namespace)
