"""A node's place on this machine: its network namespace, its addresses and its cgroups.

Pods are routed one by one (CNI's ptp), so that everything between them passes the node's forward hook, where
the NetworkPolicies stand. This machine has routes to the pods and to the Services: the API server calls
webhooks by their Service.
"""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.components import SERVICE_RANGE
from tests.controlplane.errors import CommandFailed, StartFailed

CGROUPS = Path("/sys/fs/cgroup")
INTERNET = "198.51.100.0/24"  # RFC 5737, for documentation: an address that no network has, and not private
EMPTY_WITHIN = 15.0  # seconds that the processes of a dying PID namespace may take


@dataclass(frozen=True)
class Network:
    """Everything that is named after the node's number on this machine, 1 to 249."""

    number: int

    @property
    def name(self) -> str:
        """Of the network namespace, of the cable's end outside, and of the cgroups."""
        return f"aistack-{self.number}"

    @property
    def namespace(self) -> Path:
        return Path("/run/netns", self.name)

    @property
    def outside(self) -> str:
        """This machine, as the node sees it; the API server is forwarded there."""
        return f"10.201.{self.number}.1"

    @property
    def node(self) -> str:
        return f"10.201.{self.number}.2"

    @property
    def pods(self) -> str:
        return f"10.202.{self.number}.0/24"

    @property
    def internet(self) -> str:
        """Where the node believes the internet to be."""
        return f"198.51.100.{self.number}"


def free_network() -> Network:
    """The first number that no other node of this machine has."""
    used = _numbers()
    return Network(next(number for number in range(1, 250) if number not in used))


def abandoned() -> list[Network]:
    """Networks without a process in them: their nodes were killed, and their routes stand in the way."""
    networks = map(Network, sorted(_numbers()))
    return [network for network in networks if not _ip("netns", "pids", network.name).strip()]


def _numbers() -> set[int]:
    """Of all nodes of this machine."""
    return {int(number) for number in re.findall(r"\baistack-(\d+)\b", _ip("netns", "list"))}


def create(network: Network) -> None:
    """CommandFailed with ip's words, among others when another node has the route to the Services."""
    name, inside = network.name, ("-n", network.name)
    _ip("netns", "add", name)
    _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("addr", "add", f"{network.outside}/30", "dev", name)
    _ip("addr", "add", f"{network.internet}/32", "dev", name)
    _ip("link", "set", name, "up")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "addr", "add", f"{network.node}/30", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    # No default route: what is outside is unreachable at once, not after a time-out.
    _ip(*inside, "route", "add", INTERNET, "via", network.outside)
    _ip("route", "add", network.pods, "via", network.node)
    _ip("route", "add", SERVICE_RANGE, "via", network.node)
    for hierarchy in hierarchies():
        _make_cgroup(hierarchy, network.name)


def remove(network: Network) -> None:
    """Also what a start that failed has left. StartFailed when processes hold a cgroup."""
    for argv in (("netns", "del", network.name), ("link", "del", network.name)):
        try:
            _ip(*argv)
        except CommandFailed:
            continue  # it was not there any more
    deadline = time.monotonic() + EMPTY_WITHIN
    while left := [folder for hierarchy in hierarchies() for folder in _below(hierarchy / network.name)]:
        if time.monotonic() > deadline:
            raise StartFailed(f"cgroups with processes are left: {', '.join(map(str, left[:3]))}")
        for folder in left:
            _try_to_remove(folder)
        time.sleep(0.05)


def hierarchies() -> list[Path]:
    """One a controller in version 1, the only one in version 2."""
    if not CGROUPS.is_dir():
        return []
    several = [folder for folder in CGROUPS.iterdir() if (folder / "cgroup.procs").exists()]
    return [CGROUPS] if (CGROUPS / "cgroup.controllers").exists() else several


def _make_cgroup(hierarchy: Path, name: str) -> None:
    """A group of its own, so that the kubelets of two nodes don't delete each other's pods' groups."""
    group = hierarchy / name
    group.mkdir(exist_ok=True)
    for file in ("cpuset.cpus", "cpuset.mems"):  # version 1 leaves them empty, and then nothing may run
        if hierarchy.name.startswith("cpuset") and (group / file).exists():
            (group / file).write_text((hierarchy / file).read_text())


def _below(folder: Path) -> list[Path]:
    """The folder and all below it, the deepest first."""
    return [Path(path) for path, _, _ in os.walk(folder, topdown=False)]


def _try_to_remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # busy for a moment after its processes ended


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
