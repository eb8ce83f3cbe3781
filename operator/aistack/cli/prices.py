"""`aistack prices`: the shipped PriceBook, and one made of a bill or of what OpenCost measured."""

import asyncio
import io
import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from pydantic import ValidationError
from yarl import URL

from aistack.api import TYPES, AcceleratorClass
from aistack.api.validation import problems
from aistack.cli import files
from aistack.cli.files import InputError, accelerator_classes
from aistack.cli.output import Exit, as_yaml, complain, emit, remark
from aistack.cost import bill, opencost
from aistack.cost.bill import SkuMap, accelerator_price
from aistack.cost.prices import shipped_text
from aistack.kinds import Manifest

PATIENCE = aiohttp.ClientTimeout(total=120)
"""OpenCost asks Prometheus for a window of weeks in a minute or two."""


def shipped() -> Exit:
    emit(shipped_text())
    return Exit.FINE


def import_focus(file: str, sku_map: str, catalog: Sequence[str], name: str) -> Exit:
    """Prints the PriceBook of a FOCUS file, and the AcceleratorClasses of the catalog with their new prices;
    BillError and InputError say what can't be read.
    """
    mapped = _map(sku_map)
    try:
        skus = SkuMap.parse(mapped)
    except ValidationError as error:
        return _refused(sku_map, problems(error, mapped))
    paid = bill.read(io.StringIO(_text(file), newline=""), Path(file).name)
    classes = accelerator_classes(files.read(catalog))
    if missing := skus.accelerators.keys() - classes.keys():
        told = (
            f"AcceleratorClass {min(missing)} is in no file of --catalog; name the file that it is written in"
        )
        raise InputError(f"{sku_map}: {told}")
    priced = [
        _with_price(classes[name], accelerator_price(paid, each)) for name, each in skus.accelerators.items()
    ]
    books = [bill.book(paid, skus, name)] if skus.model_fields_set != {"accelerators"} else []
    return _print([*books, *priced], file)


def _with_price(offered: AcceleratorClass, price: dict[str, str]) -> Manifest:
    """To be applied: of the metadata what somebody wrote."""
    written = offered.dump()
    metadata = {name: written["metadata"][name] for name in ("name", "labels", "annotations")}
    return {
        **written,
        "metadata": {name: value for name, value in metadata.items() if value},
        "spec": {**written["spec"], "price": {**_region(offered), **price}},
    }


def _region(offered: AcceleratorClass) -> dict[str, str]:
    """Where the price held before; a bill's SKU is that of one region."""
    before = offered.spec.price
    return {"region": before.region} if before and before.region else {}


def import_opencost(place: str, window: str, currency: str, name: str) -> Exit:
    """Prints the PriceBook of OpenCost's answer in a file, or from the URL where it runs; AllocationError and
    InputError say what can't be read.
    """
    if place.startswith(("http://", "https://")):
        place, text = asyncio.run(_asked(place, window))
        source = place.partition("://")[2]
    else:
        source, text = Path(place).name, _text(place)
    try:
        document = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise InputError(
            f"{place}: not JSON, as OpenCost answers: {error}; a FOCUS file needs --map"
        ) from None
    outcome = _print([opencost.book(document, name, currency, source)], place)
    remark(*opencost.left_out(document))
    return outcome


async def _asked(address: str, window: str) -> tuple[str, str]:
    """The address without what is secret in it, and the answer."""
    try:
        url = URL(address)
        url = (url.with_path("/allocation") if url.path == "/" else url).update_query(window=window)
        place = str(url.with_user(None).with_query(None))
        async with aiohttp.ClientSession(timeout=PATIENCE) as session, session.get(url) as answer:
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise InputError(f"OpenCost can't be asked: {error or 'no answer in two minutes'}") from None
    if answer.status != 200:
        raise InputError(f"{place}: {answer.status} {answer.reason}: {' '.join(text.split())[:200]}")
    return place, text


def _print(manifests: list[Manifest], file: str) -> Exit:
    """A price that the API can't hold is the file's fault."""
    for manifest in manifests:
        try:
            TYPES[manifest["kind"]].parse(manifest)
        except ValidationError as error:
            return _refused(file, problems(error, manifest))
    emit(as_yaml(manifests))
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
