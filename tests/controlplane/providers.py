"""Three ways to a cluster for the demonstration, behind one function that answers with a kubeconfig.

built     the control plane of this package (the default)
kind      a kind cluster, with kwok in a container beside it for the accelerator nodes
existing  the cluster of $KUBECONFIG, to which nothing is done

`provider.json` in the folder says which it was, so that `down` ends what `up` started and nothing else.
"""

import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from . import binaries, cluster, components, objects
from .cluster import PROCESSES
from .errors import CommandFailed, ControlPlaneError, MissingProgram
from .process import noted
from .progress import say, step

KIND_CLUSTER = "aistack-demo"
KWOK_CONTAINER = "aistack-demo-kwok"
MARK = ".controlplane"


Name = Literal["built", "kind", "existing"]


@dataclass(frozen=True)
class Sizes:
    """How many accelerator nodes, how many pods each holds, and whether etcd waits for the disk."""

    nodes: int = 2
    pods: int = 1000
    fsync: bool = False


@dataclass(frozen=True)
class Provided:
    """A cluster that is up: who provided it, and how it is reached."""

    provider: Name
    kubeconfig: str


def up(folder: Path, provider: Name, sizes: Sizes) -> Provided:
    """Brings a cluster up, or answers with the one that already runs in this folder.

    What has ended by itself there, or was started by an `up` that was killed, is cleared away first.
    """
    already = provided(folder)
    if already is not None and all(each.running() for each in noted(folder / PROCESSES)):
        return already
    if down(folder):
        say(f"what was up in {folder} has ended; starting anew")
    _claim(folder)
    if provider == "existing":
        kubeconfig = _existing()
    elif provider == "kind":
        kubeconfig = _kind(folder, sizes)
    else:
        kubeconfig = _built(folder, sizes)
    up_now = Provided(provider, str(kubeconfig))
    (folder / "provider.json").write_text(json.dumps(asdict(up_now)))
    return up_now


def provided(folder: Path) -> Provided | None:
    """What `up` brought up in this folder and `down` has not ended."""
    path = folder / "provider.json"
    return Provided(**json.loads(path.read_text())) if path.exists() else None


def down(folder: Path, *, keep: bool = False) -> bool:
    """Ends what `up` started in this folder, and the folder unless `keep`; False when that is nothing."""
    was = provided(folder)
    if was is None and not (folder / PROCESSES).exists():
        return False
    if was is None or was.provider == "built":  # an `up` that was killed has not said yet which it is
        cluster.stop(folder)
    elif was.provider == "kind":
        _run("docker", "rm", "--force", KWOK_CONTAINER)
        _run("kind", "delete", "cluster", "--name", KIND_CLUSTER)
    (folder / "provider.json").unlink(missing_ok=True)
    if not keep:
        shutil.rmtree(folder)
    return True


def _claim(folder: Path) -> None:
    """Marks the folder as one that `down` may remove; one that holds anything else is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / MARK).exists():
        raise ControlPlaneError(f"{folder} holds other files; name a new or an empty folder with --dir")
    (folder / MARK).touch()


def _built(folder: Path, sizes: Sizes) -> Path:
    binaries.provide(*cluster.PROGRAMS)
    with step("starting the control plane"):
        return cluster.start(folder, **asdict(sizes)).kubeconfig


def _existing() -> Path:
    given = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if not given or not Path(given).is_file():
        raise ControlPlaneError(
            f"KUBECONFIG is {given or 'not set'}: an existing cluster needs the path of its kubeconfig there"
        )
    return Path(given).absolute()


def _kind(folder: Path, sizes: Sizes) -> Path:
    """kind's own node runs pods for real; kwok plays the accelerator nodes, as in the control plane here."""
    for tool in ("docker", "kind", "kubectl"):
        if shutil.which(tool) is None:
            raise MissingProgram(f"{tool}: not found in PATH; a kind cluster needs docker, kind and kubectl")
    if KIND_CLUSTER in _run("kind", "get", "clusters").split():
        raise ControlPlaneError(
            f"kind has a cluster {KIND_CLUSTER} that was not started from {folder}: end it with "
            f"`kind delete cluster --name {KIND_CLUSTER}`, or use it with KUBECONFIG and --existing"
        )
    kubeconfig = folder / "kubeconfig"
    with step("starting a kind cluster"):
        _run("kind", "create", "cluster", "--name", KIND_CLUSTER, f"--kubeconfig={kubeconfig}", "--wait=180s")
        try:
            _play_nodes(folder)
            listed = {
                "apiVersion": "v1",
                "kind": "List",
                "items": objects.accelerator_nodes(sizes.nodes, sizes.pods),
            }
            _run("kubectl", f"--kubeconfig={kubeconfig}", "apply", "-f", "-", stdin=json.dumps(listed))
        except BaseException:
            _run("docker", "rm", "--force", KWOK_CONTAINER)
            _run("kind", "delete", "cluster", "--name", KIND_CLUSTER)
            raise
    return kubeconfig


def _play_nodes(folder: Path) -> None:
    """Runs kwok in a container on kind's network, with the same stages."""
    mounted, inside = folder.absolute() / "kwok", Path("/kwok")
    shutil.copytree(components.STAGES, mounted, dirs_exist_ok=True)
    internal = _run("kind", "get", "kubeconfig", "--name", KIND_CLUSTER, "--internal")
    (mounted / "kubeconfig").write_text(internal)
    image = f"registry.k8s.io/kwok/kwok:v{binaries.versions()['kwok']}"
    where = ("--name", KWOK_CONTAINER, "--network", "kind", "--volume", f"{mounted}:{inside}:ro")
    argv = components.kwok(inside / "kubeconfig", "127.0.0.1:10247", stages=inside)
    _run("docker", "run", "--detach", *where, image, *argv)


def _run(*argv: str, stdin: str | None = None) -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(argv[:3])}: {done.stderr.strip()}")
    return done.stdout
