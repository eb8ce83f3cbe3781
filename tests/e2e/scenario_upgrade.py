"""The operator is upgraded from the commit before this one while a stack runs."""

import json
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from aistack.labels import NAME_LABEL
from tests.controlplane.progress import step
from tests.e2e import images
from tests.e2e.images import Recipe, operator
from tests.e2e.installation import ROOT, install
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack
from tests.e2e.world import World


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A checkout of the commit before this one; it takes a clone that has it."""
    packed = subprocess.run(["git", "archive", "HEAD^"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip("this clone is too shallow: git fetch --deepen=1")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def upgrade(world: World, image: Recipe, stack: Stack) -> None:
    """To an image, by the chart of its checkout; returns when the new controller has seen to the stack."""
    images.load(world.node, [image])
    with step(f"{image.name} is installed over the one that runs"):
        install(world.cluster, image.tag, image.context)
    stack.patch({"governance": {"owner": f"{image.name}@acme.example"}})
    stack.wait_until_ready()


def deployments(stack: Stack) -> dict[str, dict[str, Any]]:
    """Its Deployments' templates of pods, by part."""
    listed = json.loads(stack.kubectl("get", "deployments", "--output=json"))["items"]
    return {each["metadata"]["labels"][NAME_LABEL]: each["spec"]["template"] for each in listed}


def test_an_upgrade_restarts_no_pod_of_a_running_stack(
    hello: Stack, world: World, earlier: Path, seen: Seen
) -> None:
    """But those that the new version renders differently: they are rolled over, and no request notices."""
    upgrade(world, operator("operator-before", earlier), hello)
    templates = deployments(hello)
    pods = {part: hello.replicas(part) for part in templates}
    with hello.load("qwen") as load:
        upgrade(world, operator(), hello)
        load.goes_on()
    assert load.failed == []
    same = [part for part, template in deployments(hello).items() if template == templates[part]]
    seen(f"rendered as before: {same} of {list(templates)}")
    assert {part: hello.replicas(part) for part in same} == {part: pods[part] for part in same}
