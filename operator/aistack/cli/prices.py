"""`aistack prices`: the shipped PriceBook, and one made of a bill."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from aistack.api import PriceBook
from aistack.api.validation import problems
from aistack.cli.files import InputError
from aistack.cli.output import Exit, as_yaml, complain, emit
from aistack.cost.bill import SkuMap, book
from aistack.cost.prices import shipped_text


def shipped() -> Exit:
    emit(shipped_text())
    return Exit.FINE


def import_focus(file: str, sku_map: str, name: str) -> Exit:
    """Prints the PriceBook of a FOCUS file; BillError and InputError say what can't be read."""
    mapped = _map(sku_map)
    try:
        manifest = book(_text(file).splitlines(), SkuMap.parse(mapped), name, Path(file).name)
    except ValidationError as error:
        return _refused(sku_map, problems(error, mapped))
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
    try:
        return Path(file).read_text()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text") from None
