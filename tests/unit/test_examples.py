"""The examples are served as they stand."""

from pathlib import Path

import pytest
import yaml

from aistack.api import AcceleratorClass, AIStack, Reason
from aistack.catalog import Catalog
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.resolve import Resolution, resolve

EXAMPLES = Path(__file__).parents[2] / "examples"
SERVED = ("smallest.yaml", "support.yaml")


def objects(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def resolution(name: str) -> Resolution:
    classes = {
        each["metadata"]["name"]: AcceleratorClass.parse(each) for each in objects("accelerators.yaml")
    }
    stack = next(each for each in objects(name) if each["kind"] == "AIStack")
    return resolve(AIStack.parse(stack), Catalog(default_images(), classes))


@pytest.mark.parametrize("name", SERVED)
def test_every_name_in_it_leads_somewhere(name: str) -> None:
    assert resolution(name).problems == ()


@pytest.mark.parametrize("name", SERVED)
def test_it_is_warned_of_nothing_but_the_operators_own_images(name: str) -> None:
    found = {(each.path, each.reason) for each in resolution(name).warnings}
    assert found <= {("spec", Reason.NOT_PINNED)}


def test_every_price_says_where_it_is_from_and_of_when() -> None:
    for each in objects("accelerators.yaml"):
        price = AcceleratorClass.parse(each).spec.price
        assert price is not None
        assert price.source.startswith("https://")
        assert price.as_of
