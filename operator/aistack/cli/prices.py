"""`aistack prices`: the shipped PriceBook, and one made of a bill or of what OpenCost measured."""

import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from aistack.api import PriceBook
from aistack.api.validation import problems
from aistack.cli.files import InputError
from aistack.cli.output import Exit, as_yaml, complain, emit
from aistack.cost import bill, opencost
from aistack.cost.bill import SkuMap
from aistack.cost.prices import shipped_text
from aistack.kinds import Manifest


def shipped() -> Exit:
    emit(shipped_text())
    return Exit.FINE


def import_focus(file: str, sku_map: str, name: str) -> Exit:
    """Prints the PriceBook of a FOCUS file; BillError and InputError say what can't be read."""
    mapped = _map(sku_map)
    try:
        skus = SkuMap.parse(mapped)
    except ValidationError as error:
        return _refused(sku_map, problems(error, mapped))
    return _print(bill.book(io.StringIO(_text(file), newline=""), skus, name, Path(file).name), file)


def import_opencost(file: str, currency: str, name: str) -> Exit:
    """Prints the PriceBook of OpenCost's answer; AllocationError and InputError say what can't be read."""
    try:
        document = json.loads(_text(file), parse_float=Decimal)
    except ValueError as error:
        raise InputError(f"{file}: not JSON: {error}") from None
    return _print(opencost.book(document, name, currency, Path(file).name), file)


def _print(manifest: Manifest, file: str) -> Exit:
    """A price that the API can't hold is the file's fault."""
    try:
        PriceBook.parse(manifest)
    except ValidationError as error:
        return _refused(file, problems(error, manifest))
    emit(as_yaml([manifest]))
    return Exit.FINE


def _refused(file: str, messages: list[str]) -> Exit:
    for message in messages:
        complain(f"{file}: {message}")
    return Exit.BAD_INPUT


def _map(file: str) -> dict[str, Any]:
    try:
        mapped = yaml.load(_text(file), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(mapped, dict):
        raise InputError(f"{file}: no map; write tokens, storage, compute and traffic")
    return mapped


def _text(file: str) -> str:
    """Without the mark that Windows' programs begin a file with: it would be a part of the first column."""
    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")).removeprefix("\ufeff")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text") from None
