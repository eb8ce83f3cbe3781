"""Everything together: a control plane, a node with its images, and the operator."""

from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import ControlPlane, binaries, providers
from tests.controlplane.cluster import PROCESSES, PROGRAMS
from tests.controlplane.process import noted
from tests.controlplane.progress import step
from tests.controlplane.providers import Sizes
from tests.e2e import images, node, requirements
from tests.e2e.installation import install
from tests.e2e.node import Node


@dataclass(frozen=True)
class World:
    cluster: ControlPlane
    node: Node


def up(folder: Path) -> World:
    """Brings up what isn't; builds first what is missing, which takes long the first time only."""
    requirements.check()
    binaries.provide(*PROGRAMS, *node.PROGRAMS, "helm")
    recipes = {recipe.name: recipe for recipe in images.recipes()}
    for recipe in recipes.values():
        images.build(recipe)
    providers.up(folder, "built", Sizes(nodes=0))
    cluster = connected(folder)
    if not running(folder):
        with step("starting the node"):
            new = node.start(cluster)
        images.load(new, [recipes["pause"], recipes["coredns"]])
        with step("the node joins the cluster"):
            node.join(new, cluster)
    world = World(cluster, Node.read(folder / node.NAME))
    images.load(world.node, list(recipes.values()))
    with step("installing the operator"):
        install(cluster, recipes["operator"].tag)
    return world


def down(folder: Path) -> bool:
    """Ends everything; False when nothing was up."""
    with step("ending the node and the control plane"):
        node.stop(folder / node.NAME)
        return providers.down(folder)


def running(folder: Path) -> bool:
    """Whether a node is up here, with all its processes."""
    processes = noted(folder / node.NAME / "processes.json")
    return len(processes) > 1 and all(process.running() for process in processes)


def connected(folder: Path) -> ControlPlane:
    """The control plane that runs in this folder."""
    return ControlPlane(folder, binaries.provide(*PROGRAMS), noted(folder / PROCESSES))
