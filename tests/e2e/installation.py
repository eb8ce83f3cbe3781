"""The operator in the cluster, by its Helm chart; what is set is which image, and nothing else."""

import json
import os
import subprocess
from pathlib import Path

from tests.controlplane import ControlPlane, binaries
from tests.controlplane.errors import CommandFailed

ROOT = Path(__file__).parents[2]
CHART = Path("charts/aistack")
NAMESPACE = "aistack-system"
UNREACHED = "failed calling webhook"  # the API server's words


def install(cluster: ControlPlane, image: str, root: Path = ROOT) -> None:
    """Installs a checkout's chart with an image that the node has; returns when all its pods are ready."""
    where = (f"--namespace={NAMESPACE}", "--create-namespace", "--wait", "--timeout=180s")
    if "aistack" in helm(cluster, "list", "--short", where[0]):  # an upgrade: Helm leaves CRDs as they are
        cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={root / 'crds'}")
    repository, _, tag = image.rpartition(":")
    chosen = (f"--set=image.repository={repository}", f"--set=image.tag={tag}")
    helm(cluster, "upgrade", "--install", "aistack", str(root / CHART), *where, *chosen)
    classes = ("apply", "--server-side", f"--filename={root / 'examples/accelerators.yaml'}")
    # The pods are ready a moment before their Service leads there.
    cluster.wait("the webhook is reached", lambda: UNREACHED not in cluster.kubectl(*classes, check=False))
    cluster.kubectl(*classes)


def helm(cluster: ControlPlane, *arguments: str) -> str:
    """What helm wrote. CommandFailed with its complaint, and the state of the operator's pods."""
    folder = cluster.folder / "helm"
    own = {f"HELM_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(
        [str(binaries.provide("helm")["helm"]), f"--kubeconfig={cluster.kubeconfig}", *arguments],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailed(f"helm {arguments[0]}: {done.stderr.strip()}\n{unready(cluster)}")
    return done.stdout


def unready(cluster: ControlPlane) -> str:
    """The operator's pods that are not ready, and their last words."""
    pods = json.loads(cluster.kubectl("get", "pods", f"--namespace={NAMESPACE}", "--output=json"))["items"]
    said = []
    for pod in pods:
        name = pod["metadata"]["name"]
        for container in pod["status"].get("containerStatuses", []):
            if not container["ready"]:
                said.append(f"{name}: {json.dumps(container['state'])}")
                where = (f"--namespace={NAMESPACE}", "--tail=10")
                said.append(cluster.kubectl("logs", name, *where, check=False))
    return "\n".join(said)
