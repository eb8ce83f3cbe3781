"""What can be typed after `aistack`, and what each of it runs.

A command's module is imported only when the command runs, so that `aistack check` doesn't wait for what only
the controller needs.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import shtab

from aistack import __version__
from aistack.cli.arguments import (
    Commands,
    add_bill,
    add_date,
    add_files,
    add_kubeconfig,
    add_log_format,
    add_output,
)
from aistack.cli.output import Exit, complain, emit
from aistack.cli.running import add_cache, add_spent, add_status, add_sync
from aistack.errors import AIStackError
from aistack.settings import Settings, read_settings


def main(argv: list[str] | None = None) -> int:
    """Runs one command; the exit code is an Exit, or 130 after Ctrl-C."""
    arguments = build_parser().parse_args(argv)
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except AIStackError as error:
        complain(str(error))
        return Exit.BAD_INPUT
    except BrokenPipeError:
        # The reader has seen enough (`aistack render … | head`); nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FINE
    except KeyboardInterrupt:
        return 130
    return code


def build_parser() -> argparse.ArgumentParser:
    # kubectl's name for a plugin is `kubectl aistack`; help and completion should say what was typed.
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    parser = argparse.ArgumentParser(
        prog="kubectl aistack" if plugin else "aistack",
        description="Governed AI systems on Kubernetes from one AIStack object.",
        epilog="Exit codes: 0 fine, 1 denied, 2 bad input, 3 warned (with --strict).",
    )
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    _check(commands)
    _facts(commands)
    _render(commands)
    _diagram(commands)
    _cost(commands)
    _prices(commands)
    _budget(commands)
    _audit(commands)
    add_status(commands)
    add_spent(commands)
    add_sync(commands)
    add_cache(commands)
    _controller(commands)
    _webhook(commands)
    _version(commands)
    _completion(commands)
    return parser


def _check(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="find every problem of stacks in files; needs no cluster",
        description="Finds every problem that the operator would find in the AIStacks of these files, and "
        "holds them to the AIPolicies among them.",
    )
    add_files(parser)
    policies = parser.add_argument(
        "--policies",
        action="append",
        default=[],
        metavar="FILE",
        help="AIPolicies and AIPolicyExceptions to hold the stacks to, or a folder of them; may be repeated",
    )
    policies.complete = shtab.FILE  # type: ignore[attr-defined]  # how shtab marks a file
    add_date(parser)
    add_output(parser, "text", "json", "yaml", "sarif", "junit", "markdown", "evidence", "oscal")
    parser.add_argument("--strict", action="store_true", help="exit with 3 when there are warnings")
    parser.add_argument(
        "--test",
        action="store_true",
        help="FILE is a folder of policies: run the fixtures in its folder tests",
    )
    parser.set_defaults(run=_run_check)


def _run_check(arguments: argparse.Namespace) -> int:
    from aistack.cli import check, fixtures

    if arguments.test:
        return fixtures.run(arguments.files)
    return check.run(
        arguments.files,
        arguments.catalog,
        arguments.policies,
        arguments.namespace,
        arguments.output,
        strict=arguments.strict,
        now=arguments.date,
    )


def _facts(commands: Commands) -> None:
    parser = commands.add_parser(
        "facts",
        help="print what policies can ask of stacks in files; needs no cluster",
        description="Prints the facts of the AIStacks of these files, as rules read them. docs/facts.md says "
        "what each is.",
    )
    add_files(parser)
    add_date(parser)
    add_output(parser, "text")
    parser.set_defaults(run=_run_facts)


def _run_facts(arguments: argparse.Namespace) -> int:
    from aistack.cli.facts import run

    return run(
        arguments.files,
        arguments.catalog,
        arguments.namespace,
        arguments.output,
        now=arguments.date,
    )


def _render(commands: Commands) -> None:
    parser = commands.add_parser(
        "render",
        help="print the objects that stacks become; needs no cluster",
        description="Prints what the controller would apply for the AIStacks of these files. "
        "The owner's uid stays empty: only a cluster knows it.",
    )
    add_files(parser)
    add_output(parser, "yaml", "json")
    parser.set_defaults(run=_run_render)


def _run_render(arguments: argparse.Namespace) -> int:
    from aistack.cli.render import run

    return run(arguments.files, arguments.catalog, arguments.namespace, arguments.output)


def _diagram(commands: Commands) -> None:
    parser = commands.add_parser(
        "diagram",
        help="draw stacks: who answers which route, and where; needs no cluster",
        description="Prints a flowchart of each AIStack of these files in Mermaid's language, which GitHub, "
        "GitLab and most wikis draw.",
    )
    add_files(parser)
    add_output(parser, "mermaid", "markdown")
    parser.set_defaults(run=_run_diagram)


def _run_diagram(arguments: argparse.Namespace) -> int:
    from aistack.cli.render import run_diagram

    return run_diagram(arguments.files, arguments.catalog, arguments.namespace, arguments.output)


def _cost(commands: Commands) -> None:
    parser = commands.add_parser(
        "cost",
        help="say what stacks in files would cost a month; needs no cluster",
        description="Prices the AIStacks of these files with the PriceBooks and AcceleratorClasses among "
        "them, and with the prices of tokens that come with the operator.",
    )
    add_files(parser)
    add_output(parser, "text", "json", "csv", "markdown")
    parser.add_argument("--strict", action="store_true", help="exit with 3 when a price is unknown")
    parser.add_argument(
        "--against",
        default="",
        metavar="WHAT",
        help="show what these files and the catalog change: git:REVISION of them, cluster, or other files; "
        "with -o markdown as a comment for a pull request",
    )
    add_kubeconfig(parser)
    parser.set_defaults(run=_run_cost)


def _run_cost(arguments: argparse.Namespace) -> int:
    from aistack.cli import cost

    given = (arguments.files, arguments.catalog, arguments.namespace, arguments.output)
    if arguments.output == ("csv" if arguments.against else "markdown"):
        complain("-o markdown shows a change, with --against; -o csv a cost, without it")
        return Exit.BAD_INPUT
    if arguments.against:
        against, kubeconfig = arguments.against, arguments.kubeconfig
        return cost.run_diff(*given, against=against, kubeconfig=kubeconfig, strict=arguments.strict)
    return cost.run(*given, strict=arguments.strict)


def _audit(commands: Commands) -> None:
    parser = commands.add_parser("audit", help="check the trail of the webhook's decisions")
    sorts = parser.add_subparsers(title="commands", metavar="command", required=True)
    verify = sorts.add_parser("verify", help="say whether a file of decisions is whole")
    verify.add_argument("file", metavar="FILE", help="what AISTACK_DECISIONS names")
    verify.add_argument(
        "--last", default="", metavar="DIGEST", help="the digest that its last record must have"
    )
    verify.set_defaults(run=_run_audit_verify)


def _run_audit_verify(arguments: argparse.Namespace) -> int:
    from aistack.cli import audit

    return audit.verify(arguments.file, arguments.last)


def _prices(commands: Commands) -> None:
    parser = commands.add_parser("prices", help="show the shipped prices, or make others of what was paid")
    sorts = parser.add_subparsers(title="commands", metavar="command", required=True)
    shipped = sorts.add_parser(
        "shipped",
        help="print the PriceBook that comes with the operator",
        description="For example: aistack prices shipped | kubectl apply --server-side --filename=-",
    )
    shipped.set_defaults(run=_run_prices_shipped)
    imported = sorts.add_parser(
        "import",
        help="print a PriceBook from a FOCUS file, or from what OpenCost says",
        description="With --map, prints a PriceBook with the newest unit prices of a FOCUS 1.x CSV file; "
        "docs/cost.md shows the map, which says which SKU is the price of what. Without, prints what cores, "
        "memory and volumes have cost by OpenCost. For example: "
        "aistack prices import http://localhost:9003 --window 7d",
    )
    imported.add_argument(
        "place",
        metavar="PLACE",
        help="a file, - for standard input, or the URL where OpenCost runs; a path after it is asked instead "
        "of /allocation",
    )
    imported.add_argument(
        "--map", default="", metavar="FILE", help="YAML, for a FOCUS file: what is which SKU"
    )
    imported.add_argument(
        "--catalog",
        action="append",
        default=[],
        metavar="FILE",
        help="AcceleratorClasses that the map names, to be printed with their new prices; may be repeated",
    )
    imported.add_argument(
        "--window", default="7d", help="the time that OpenCost is asked for by its URL (default: 7d)"
    )
    imported.add_argument("--currency", default="USD", help="that OpenCost is set to (default: USD)")
    imported.add_argument("--name", default="imported", help="the PriceBook's name (default: imported)")
    imported.set_defaults(run=_run_prices_import)


def _run_prices_shipped(_arguments: argparse.Namespace) -> int:
    from aistack.cli.prices import shipped

    return shipped()


def _run_prices_import(arguments: argparse.Namespace) -> int:
    from aistack.cli.prices import import_focus, import_opencost

    if arguments.map:
        return import_focus(arguments.place, arguments.map, arguments.catalog, arguments.name)
    return import_opencost(arguments.place, arguments.window, arguments.currency, arguments.name)


def _budget(commands: Commands) -> None:
    parser = commands.add_parser(
        "budget",
        help="show what budgets hold, and for which stacks",
        description="Shows of each AIBudget what is reserved, spent and left, with a bar for each stack. "
        "As CSV: what its stacks have really cost this month, in FOCUS 1.2.",
    )
    parser.add_argument("name", nargs="?", default="", help="the AIBudget's name (default: all)")
    add_kubeconfig(parser)
    add_output(parser, "text", "json", "yaml", "csv")
    add_bill(parser)
    parser.set_defaults(run=_run_budget)


def _run_budget(arguments: argparse.Namespace) -> int:
    from aistack.cli.budget import run

    which = {"stack": arguments.stack, "last_month": arguments.last_month}
    return run(arguments.name, arguments.kubeconfig, arguments.output, **which)


def _controller(commands: Commands) -> None:
    parser = commands.add_parser(
        "controller",
        help="run the operator's controller",
        description="Brings stacks to what they say. Settings come from the environment.",
    )
    add_log_format(parser)
    parser.set_defaults(run=_run_controller)


def _run_controller(arguments: argparse.Namespace) -> int:
    from aistack.runtime.process import run_controller

    run_controller(_settings(arguments))
    return Exit.FINE


def _webhook(commands: Commands) -> None:
    parser = commands.add_parser(
        "webhook",
        help="run the operator's admission webhook",
        description="Refuses what can't be served, may not run or isn't paid for. "
        "Settings come from the environment.",
    )
    add_log_format(parser)
    parser.set_defaults(run=_run_webhook)


def _run_webhook(arguments: argparse.Namespace) -> int:
    from aistack.cli.webhook import run_webhook

    run_webhook(_settings(arguments))
    return Exit.FINE


def _settings(arguments: argparse.Namespace) -> Settings:
    """The environment's, with what the command line says instead."""
    settings = read_settings()
    return replace(settings, log_format=arguments.log_format or settings.log_format)


def _version(commands: Commands) -> None:
    parser = commands.add_parser("version", help="print the version")
    parser.set_defaults(run=_run_version)


def _run_version(_arguments: argparse.Namespace) -> int:
    emit(f"aistack {__version__}\n")
    return Exit.FINE


def _completion(commands: Commands) -> None:
    parser = commands.add_parser(
        "completion",
        help="print a shell's completion script",
        description='For example in ~/.bashrc: eval "$(aistack completion bash)"',
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=_run_completion)


def _run_completion(arguments: argparse.Namespace) -> int:
    emit(shtab.complete(build_parser(), shell=arguments.shell) + "\n")
    return Exit.FINE
