"""What the machine must have; a run that can't be made says so and fails, it is never skipped."""

import os
import platform
import shutil
from pathlib import Path

from tests.controlplane.errors import MissingProgram
from tests.e2e.files import CNI_PLUGINS
from tests.e2e.network import hierarchies

PACKAGES = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "nsenter": "util-linux",
    "readelf": "binutils",
    "runc": "runc",
    "unshare": "util-linux",
}
"""Program → the Debian package that has it."""
CONTROLLERS = ("cpu", "memory", "pids")


def check() -> None:
    """MissingProgram with all that is missing, and what to do."""
    found = missing()
    if found:
        raise MissingProgram("a real node can't be had here:\n" + "\n".join(f"- {each}" for each in found))


def missing() -> list[str]:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return [f"this is {platform.system()} on {platform.machine()}; it needs Linux on x86_64"]
    return [*_rights(), *_programs(), *_cgroups()]


def _rights() -> list[str]:
    return [] if os.geteuid() == 0 else ["you are not root; namespaces and cgroups need it: sudo make e2e"]


def absent_packages() -> list[str]:
    """Debian's packages whose programs are not here."""
    absent = {package for program, package in PACKAGES.items() if not shutil.which(program, path=_path())}
    if not (CNI_PLUGINS / "ptp").exists():
        absent.add("containernetworking-plugins")
    return sorted(absent)


def _programs() -> list[str]:
    absent = absent_packages()
    if not absent:
        return []
    return [f"programs are missing: apt-get install --no-install-recommends {' '.join(absent)}"]


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _cgroups() -> list[str]:
    """In version 1 a controller has a hierarchy of its own, in version 2 it is named in a file."""
    there = {folder.name for folder in hierarchies()}
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        there |= set(unified.read_text().split())
    absent = [controller for controller in CONTROLLERS if controller not in there]
    if absent:
        return [f"cgroup controllers are missing below /sys/fs/cgroup: {', '.join(absent)}"]
    if os.geteuid() == 0 and not all(os.access(folder, os.W_OK) for folder in hierarchies()):
        return ["/sys/fs/cgroup is read-only; in a container, run it with --privileged"]
    return []
