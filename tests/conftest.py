"""What every test may ask for: a control plane, started once and only on demand, and a namespace in it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import controllers
from tests.controllers import Stacks
from tests.controlplane import ControlPlane, control_plane
from tests.controlplane.definitions import wait_until_served
from tests.stacks import accelerator_class

# How long an example takes says more of what else the machine does than of the code. The same examples each
# time: a change is judged by what it changed. `pytest --hypothesis-profile=explore` looks for new ones.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("aistack", TIMELESS, derandomize=True)
settings.register_profile("explore", TIMELESS, max_examples=2_000, print_blob=True)
settings.load_profile("aistack")

CRDS = Path(__file__).parents[1] / "crds"


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """A control plane with two accelerator nodes and the CRDs of crds/.

    Building what is missing shows its progress. After a failed test the folder with the logs is kept.
    """
    shown = request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled
    with ExitStack() as ending:
        with shown():
            cluster = ending.enter_context(control_plane(keep=lambda: request.session.testsfailed > 0))
        if any(CRDS.glob("*.yaml")):
            cluster.kubectl("apply", "--server-side", f"--filename={CRDS}")
            wait_until_served(cluster.kubectl, "crd", "--all")
        yield cluster
        with shown():
            ending.close()


@pytest.fixture
def namespace(cluster: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own, ready for pods; it is deleted without waiting for its end."""
    cluster.check()
    name = f"test-{secrets.token_hex(4)}"
    cluster.client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    cluster.wait(f"{name} has its ServiceAccount", lambda: bool(cluster.client.get(account)))
    yield name
    cluster.client.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def installed(cluster: ControlPlane) -> ControlPlane:
    """The operator's rights and the accelerator class nvidia-l4."""
    controllers.install(cluster)
    cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(accelerator_class()))
    return cluster


@pytest.fixture
def stacks(installed: ControlPlane, namespace: str) -> Stacks:
    """The stacks of a test's own namespace."""
    return Stacks(installed, namespace)
