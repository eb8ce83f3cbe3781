"""Every golden case is rendered to what its folder says, and Kubernetes takes it as it stands."""

from pathlib import Path

import pytest

from aistack.kinds import CHILD_KINDS, kind_of
from tests.golden import cases, expected, manifests, texts

each_case = pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)


@each_case
def test_a_stack_is_rendered_to_its_golden_files(case: Path) -> None:
    rendered, golden = texts(case), expected(case)
    assert rendered.keys() == golden.keys(), "objects came or went: run `make golden` and read the difference"
    for name, text in rendered.items():
        assert text == golden[name], f"{name} changed: run `make golden` and read the difference"


@each_case
def test_rendering_twice_gives_the_same_objects(case: Path) -> None:
    assert manifests(case) == manifests(case)


@each_case
def test_configuration_stands_before_what_mounts_it(case: Path) -> None:
    order = [CHILD_KINDS.index(kind_of(manifest)) for manifest in manifests(case)]
    assert order == sorted(order)


@each_case
def test_no_two_objects_of_a_kind_share_a_name(case: Path) -> None:
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests(case)]
    assert len(names) == len(set(names))
