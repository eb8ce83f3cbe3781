"""The command line: run, up, down, status, packages."""

import argparse
import sys
from pathlib import Path

from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.process import noted
from tests.controlplane.progress import say
from tests.e2e import node, requirements, world
from tests.e2e.running import run


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 fine, 1 a test failed or nothing is up, 2 it can't be done (and why)."""
    options = _parser().parse_args(argv)
    folder = options.dir.absolute()
    try:
        if options.command == "run":
            return run(folder, options.report, options.tests, keep=options.keep)
        if options.command == "up":
            up = world.up(folder)
            say(f"kubeconfig: {up.cluster.kubeconfig}")
            return 0
        if options.command == "down":
            return 0 if world.down(folder) else 1
        if options.command == "packages":
            print(*requirements.absent_packages())
            return 0
        return _status(folder)
    except ControlPlaneError as error:
        say(f"error: {error}")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e", description="The operator's stacks on a real node of this machine."
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--dir", type=Path, default=Path(".e2e"), help="its folder (default: .e2e)")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    tests = commands.add_parser("run", parents=[where], help="up, the scenarios, a report, down")
    tests.add_argument("--keep", action="store_true", help="leave everything up in the end")
    tests.add_argument("--report", type=Path, default=Path("e2e-report.md"), help="where the report goes")
    tests.add_argument("tests", nargs="*", help="files of scenarios (default: all)")
    commands.add_parser("up", parents=[where], help="start everything, building first what is missing")
    commands.add_parser("down", parents=[where], help="end what `up` started, and nothing else")
    commands.add_parser("status", parents=[where], help="show what runs; exit code 1 when not all of it")
    commands.add_parser("packages", parents=[where], help="list the Debian packages that are missing")
    return parser


def _status(folder: Path) -> int:
    processes = [
        process
        for path in (folder / "processes.json", folder / node.NAME / "processes.json")
        for process in noted(path)
    ]
    for process in processes:
        state = f"up {process.age()}" if process.running() else f"ended, see {process.log}"
        print(f"{process.name:24} pid {process.pid:<8} {state}")
    return 0 if processes and all(process.running() for process in processes) else 1


if __name__ == "__main__":
    sys.exit(main())
