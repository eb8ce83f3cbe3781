"""What can be typed about a stack that runs: `aistack status`, `spent`, `sync` and `cache`."""

import argparse

from aistack.cli.arguments import Commands, add_output, add_stack


def add_status(commands: Commands) -> None:
    parser = commands.add_parser(
        "status",
        help="show how a stack is, what was made for it, and why",
        description="Shows conditions, components, and each object with the field of the spec it comes from.",
    )
    add_stack(parser)
    add_output(parser, "text")
    parser.set_defaults(run=_run_status)


def _run_status(arguments: argparse.Namespace) -> int:
    from aistack.cli.status import run

    return run(arguments.namespace, arguments.name, arguments.kubeconfig, arguments.output)


def add_spent(commands: Commands) -> None:
    parser = commands.add_parser(
        "spent",
        help="show what a stack has really cost this month, by part, client or route",
        description="Shows what was metered. What a self-hosted model costs is shared out by the tokens that "
        "clients and routes have had of it; what nobody has used is nobody's.",
    )
    add_stack(parser)
    parser.add_argument("--by", choices=("component", "client", "route"), default="component")
    parser.add_argument("--last-month", action="store_true", help="of the month before")
    add_output(parser, "text", "json", "yaml", "csv")
    parser.set_defaults(run=_run_spent)


def _run_spent(arguments: argparse.Namespace) -> int:
    from aistack.cli.spent import run

    stack = f"{arguments.namespace}/{arguments.name}"
    which = {"by": arguments.by, "last_month": arguments.last_month}
    return run(stack, arguments.kubeconfig, arguments.output, **which)


def add_sync(commands: Commands) -> None:
    parser = commands.add_parser(
        "sync",
        help="make a stack take up changed keys at once",
        description="Says that Secrets of this stack have changed: its gateway takes up the new keys within "
        "seconds; by itself it would within 90.",
    )
    add_stack(parser)
    parser.set_defaults(run=_run_sync)


def _run_sync(arguments: argparse.Namespace) -> int:
    from aistack.cli.sync import run

    return run(arguments.namespace, arguments.name, arguments.kubeconfig)


def add_cache(commands: Commands) -> None:
    parser = commands.add_parser("cache", help="have kept answers given to nobody any more")
    sorts = parser.add_subparsers(title="commands", metavar="command", required=True)
    purge = sorts.add_parser(
        "purge",
        help="have the answers that a stack keeps given to nobody any more",
        description="Within seconds the gateway finds nothing that was kept before; it ends with its ttl.",
    )
    add_stack(purge)
    purge.add_argument("--route", default="", help="only what is kept of this route")
    purge.add_argument("--client", default="", help="only what is kept for this client alone (scope: Client)")
    purge.set_defaults(run=_run_purge)


def _run_purge(arguments: argparse.Namespace) -> int:
    from aistack.cli.cache import purge

    return purge(arguments.namespace, arguments.name, arguments.route, arguments.client, arguments.kubeconfig)
