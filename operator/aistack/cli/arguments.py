"""Arguments that several commands take."""

import argparse
from datetime import UTC, date, datetime, time
from typing import TypeAlias

import shtab

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_files(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument(
        "files", nargs="+", metavar="FILE", help="YAML or JSON, a folder of them, or - for standard input"
    )
    catalog = parser.add_argument(
        "--catalog",
        action="append",
        default=[],
        metavar="FILE",
        help="more files, read only for their AcceleratorClasses and PriceBooks; may be repeated",
    )
    parser.add_argument(
        "-n", "--namespace", default="default", help="of objects that name none (default: default)"
    )
    for argument in (files, catalog):
        argument.complete = shtab.FILE  # type: ignore[attr-defined]  # how shtab marks a file


def add_stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the AIStack's name")
    parser.add_argument("-n", "--namespace", default="default", help="its namespace (default: default)")
    add_kubeconfig(parser)


def add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", default="", help="default: $KUBECONFIG, else ~/.kube/config")


def add_date(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--date",
        type=_midnight,
        default=datetime.now(UTC),
        metavar="YYYY-MM-DD",
        help="judge as on this day (UTC), such as one on which a policy begins to deny; default today",
    )


def _midnight(day: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{day!r} is no day; write one such as 2027-12-02") from None


def add_output(parser: argparse.ArgumentParser, default: str, *others: str) -> None:
    formats = (default, *others) if others else (default, "json", "yaml")
    parser.add_argument(
        "-o", "--output", choices=formats, default=default, help=f"format (default: {default})"
    )


def add_bill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack",
        default="",
        metavar="NAMESPACE/NAME",
        help="with --output csv: of this stack alone, whether or not a budget counts it",
    )
    parser.add_argument("--last-month", action="store_true", help="with --output csv: of the month before")


def add_log_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-format", choices=("text", "json"), help="default: text on a terminal, JSON elsewhere"
    )
