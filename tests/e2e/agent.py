"""What a network plugin and a volume driver do on a real cluster: python -m tests.e2e.agent KUBECONFIG NETNS.

Twice a second: NetworkPolicies become nftables rules in the node's network namespace, and the folders of the
controller-manager's host-path volumes, which it makes for root only, are opened for pods of any user, as
fsGroup would do for a volume of a CSI driver.
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.controlplane.client import Client
from tests.controlplane.cluster import connect
from tests.controlplane.errors import RequestFailed
from tests.e2e.policy import ruleset

EVERY = 0.5  # seconds
VOLUMES = "/tmp/hostpath_pv/"  # noqa: S108 - compiled into kube-controller-manager


def main(kubeconfig: Path, namespace: Path) -> None:
    """Until the network namespace is gone."""
    client, applied = connect(kubeconfig.parent), ""
    while namespace.exists():
        try:
            open_volumes(client)
            wanted = rules(client)
            if wanted != applied:
                apply(wanted, namespace)
                applied = wanted
        except (OSError, RequestFailed) as error:
            print(time.strftime("%T"), error, flush=True)  # the API server is away; it is asked again
        time.sleep(EVERY)


def rules(client: Client) -> str:
    pods, namespaces, policies = (
        client.get(path)["items"]
        for path in (
            "/api/v1/pods",
            "/api/v1/namespaces",
            "/apis/networking.k8s.io/v1/networkpolicies",
        )
    )
    return ruleset(pods, namespaces, policies)


def apply(text: str, namespace: Path) -> None:
    done = subprocess.run(
        ["nsenter", f"--net={namespace}", "nft", "--file", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        print(f"nft refuses this:\n{text}\n{done.stderr}", flush=True)


def open_volumes(client: Client) -> None:
    for volume in client.get("/api/v1/persistentvolumes")["items"]:
        path = Path(volume["spec"].get("hostPath", {}).get("path", ""))
        if str(path).startswith(VOLUMES) and path.is_dir() and path.stat().st_mode & 0o777 != 0o777:
            path.chmod(0o777)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
