"""The node's first process: mounts, sysctls, and the programs that it brings back when they end.

    python -m tests.e2e.init FOLDER

FOLDER/node.json says what to start. It runs in namespaces of its own, and reaps what containers leave behind.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.controlplane.errors import StartFailed

SYSCTLS = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/route_localnet": "1"}
CONTAINERD_WITHIN = 30.0  # seconds


def main(folder: Path) -> None:
    node = json.loads((folder / "node.json").read_text())
    # The descriptor is never closed: the lock lasts as long as this process, and with it every container.
    lock = os.open(Path(node["images"], "node.lock"), os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartFailed(f"another node uses the images in {node['images']}; end it first") from None
    prepare(folder, node["name"])
    supervise(folder, node["programs"], node["path"])


def prepare(folder: Path, name: str) -> None:
    """What a kubelet expects of its machine."""
    _run("mount", "--make-rshared", "/")
    _run("hostname", name)
    for path in ("/run/containerd", "/run/netns"):
        Path(path).mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "tmpfs", path)
    _run("mount", "--make-rshared", "/run/netns")
    # Without a nameserver a pull of an image that isn't here fails at once.
    _run("mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf")
    for source, target in (("kubelet", "/var/lib/kubelet"), ("pods", "/var/log/pods")):
        (folder / source).mkdir(exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", str(folder / source), target)
    for key, value in SYSCTLS.items():
        Path("/proc/sys", key).write_text(value)


def supervise(folder: Path, programs: dict[str, list[str]], path: str) -> None:
    """Starts the programs in their order and, until SIGTERM, starts again what ended, as systemd would."""
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")} | {
        "PATH": path
    }
    running: dict[int, str] = {}

    def start(name: str) -> None:
        running[_start(programs[name], folder / f"{name}.log", environment).pid] = name

    start("containerd")
    _wait_for_containerd()
    for name in programs:
        if name != "containerd":
            start(name)
    while not ending:
        for pid in _ended():
            if name := running.pop(pid, ""):
                print(f"{name} ended, starting it again", flush=True)
                time.sleep(1)
                start(name)
        time.sleep(0.2)


def _ended() -> list[int]:
    """Processes that ended since the last look; every orphan of the node is this process's child."""
    pids: list[int] = []
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return pids
        if pid == 0:
            return pids
        pids.append(pid)


def _start(argv: list[str], log: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )


def _wait_for_containerd() -> None:
    deadline = time.monotonic() + CONTAINERD_WITHIN
    while not Path("/run/containerd/containerd.sock").exists():
        if time.monotonic() > deadline:
            raise StartFailed("containerd made no socket; its log says why")
        time.sleep(0.1)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except StartFailed as error:
        sys.exit(str(error))
