"""The operator's controller and webhook as processes of this machine, each as its own ServiceAccount."""

import http.client
import json
import ssl
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from demo.kubectl import Kubectl
from tests.controlplane.certificates import write_private
from tests.controlplane.errors import StartFailed
from tests.controlplane.process import Process, as_shown, end, launch, note, noted

NAMESPACE = "aistack-system"
READY_WITHIN = 30.0  # seconds; 2 are usual
VALID_FOR = "48h"  # nobody renews the tokens of these processes


@dataclass(frozen=True)
class Program:
    """One of the operator's two programs: it says on `port` when it is ready.

    With an `authority` (a PEM file) it does so over TLS.
    """

    name: str
    port: int
    settings: Mapping[str, str]
    authority: Path | None = None


def start(folder: Path, kubectl: Kubectl, *programs: Program) -> None:
    """Starts the programs, instead of those of an earlier run; returns when all are ready.

    StartFailed, with the end of its log, when one ends or isn't ready in time.
    """
    stop(folder)
    with ExitStack() as undo:
        running = [_launch(program, folder, kubectl, undo) for program in programs]
        for program, process in zip(programs, running, strict=True):
            _wait(program, process)
        undo.pop_all()
    note(_noted(folder), [as_shown(process) for process in running])


def stop(folder: Path) -> None:
    """Ends the programs that `start` noted in this folder."""
    for process in noted(_noted(folder)):
        end(process)
    _noted(folder).unlink(missing_ok=True)


def tails(folder: Path) -> str:
    """The last lines of each program's log."""
    return "\n".join(f"the end of {each.log}:\n{each.tail()}" for each in noted(_noted(folder)))


def _launch(program: Program, folder: Path, kubectl: Kubectl, undo: ExitStack) -> Process:
    kubeconfig = _kubeconfig(f"aistack-{program.name}", folder, kubectl)
    argv = [sys.executable, "-m", "aistack", program.name, "--log-format=text"]
    settings = {**program.settings, "KUBECONFIG": str(kubeconfig)}
    process = launch(program.name, argv, folder / f"{program.name}.log", program.port, settings)
    undo.callback(end, process)
    return process


def _noted(folder: Path) -> Path:
    return folder / "operator.json"


def _kubeconfig(account: str, folder: Path, kubectl: Kubectl) -> Path:
    """The administrator's kubeconfig with a ServiceAccount's token in place of the administrator."""
    token = kubectl("create", "token", account, f"--namespace={NAMESPACE}", f"--duration={VALID_FOR}")
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
    for user in config["users"]:
        user["user"] = {"token": token.strip()}
    path = folder / f"{account}.kubeconfig"
    write_private(path, json.dumps(config).encode())
    return path


def _wait(program: Program, process: Process) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not _is_ready(program):
        if not process.running() or time.monotonic() > deadline:
            how = "is not ready" if process.running() else "has ended"
            raise StartFailed(f"the {program.name} {how}; the end of {process.log}:\n{process.tail()}")
        time.sleep(0.1)


def _is_ready(program: Program) -> bool:
    if program.authority:
        trusted = ssl.create_default_context(cafile=program.authority)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "localhost", program.port, timeout=2, context=trusted
        )
    else:
        connection = http.client.HTTPConnection("localhost", program.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
