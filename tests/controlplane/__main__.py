"""The command line: up, down, status, env, build."""

import argparse
import shlex
import sys
from pathlib import Path

from . import binaries, providers
from .cluster import PROCESSES, PROGRAMS
from .errors import ControlPlaneError
from .process import noted
from .progress import say


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 fine, 1 nothing is up or a process has ended, 2 it can't be done (and why)."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
    except ControlPlaneError as error:
        say(f"error: {error}")
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.controlplane", description="A real Kubernetes control plane on this machine."
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--dir", type=Path, default=Path(".demo"), help="its folder (default: .demo)")
    commands = parser.add_subparsers(required=True, metavar="command")

    up = commands.add_parser("up", parents=[where], help="start it, building first what is missing")
    up.set_defaults(command=_up)
    provider = up.add_mutually_exclusive_group()
    provider.add_argument("--kind", action="store_true", help="use kind and Docker")
    provider.add_argument("--existing", action="store_true", help="use the cluster of $KUBECONFIG")
    up.add_argument("--nodes", type=int, default=2, help="accelerator nodes (default: 2)")
    up.add_argument("--pods", type=int, default=1000, help="pods that fit on a node (default: 1000)")
    up.add_argument("--fsync", action="store_true", help="let etcd wait for the disk, for benchmarks")

    down = commands.add_parser("down", parents=[where], help="end what `up` started, and nothing else")
    down.set_defaults(command=_down)
    down.add_argument("--keep", action="store_true", help="keep the folder with its logs")

    status = commands.add_parser(
        "status", parents=[where], help="show what runs; exit code 1 when not all of it"
    )
    status.set_defaults(command=_status)

    env = commands.add_parser("env", parents=[where], help="print the lines that a shell needs, for eval")
    env.set_defaults(command=_env)

    build = commands.add_parser("build", help="build programs into the cache, by default what `up` needs")
    build.set_defaults(command=_build)
    build.add_argument(
        "programs", nargs="*", type=_program, metavar="program", help=", ".join(binaries.names())
    )
    return parser


def _program(name: str) -> str:
    """Not `choices`, which in Python 3.11 refuse it when no program is named."""
    if name not in binaries.names():
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(binaries.names())}")
    return name


def _up(options: argparse.Namespace) -> int:
    provider: providers.Name = "kind" if options.kind else "existing" if options.existing else "built"
    sizes = providers.Sizes(options.nodes, options.pods, options.fsync)
    up = providers.up(options.dir.absolute(), provider, sizes)
    say(f"kubeconfig: {up.kubeconfig}")
    return 0


def _down(options: argparse.Namespace) -> int:
    if not providers.down(options.dir.absolute(), keep=options.keep):
        say(f"nothing is up in {options.dir}")
        return 1
    return 0


def _status(options: argparse.Namespace) -> int:
    up = providers.provided(options.dir.absolute())
    if up is None:
        say(f"nothing is up in {options.dir}")
        return 1
    print(f"provider {up.provider}, kubeconfig {up.kubeconfig}")
    processes = noted(options.dir.absolute() / PROCESSES)
    running = [process.running() for process in processes]
    for process, runs in zip(processes, running, strict=True):
        state = (
            f"pid {process.pid}, port {process.port}, up {process.age()}"
            if runs
            else f"ended, see {process.log}"
        )
        print(f"{process.name:24} {state}")
    return 0 if all(running) else 1


def _env(options: argparse.Namespace) -> int:
    up = providers.provided(options.dir.absolute())
    if up is None:
        say(f"nothing is up in {options.dir}")
        return 1
    print(f"export KUBECONFIG={shlex.quote(up.kubeconfig)}")
    if up.provider == "built":
        print(f'export PATH={shlex.quote(str(binaries.provide("kubectl")["kubectl"].parent))}:"$PATH"')
    return 0


def _build(options: argparse.Namespace) -> int:
    for name, path in binaries.provide(*options.programs or PROGRAMS).items():
        print(f"{name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
