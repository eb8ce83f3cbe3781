"""`aistack render`: what the controller would apply, from files alone."""

import json

import pytest
import yaml

from aistack.cli.parser import main
from aistack.kinds import kind_of

CATALOG = "--catalog=examples/accelerators.yaml"


def test_support_becomes_objects_in_the_order_in_which_they_are_applied(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["render", "examples/support.yaml", CATALOG]) == 0

    manifests = list(yaml.safe_load_all(capsys.readouterr().out))
    kinds = [manifest["kind"] for manifest in manifests]
    assert kinds.index("ServiceAccount") < kinds.index("Service") < kinds.index("Deployment")
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"care"}
    assert all(kind_of(manifest) for manifest in manifests)


def test_json_is_one_list_with_the_same_objects(capsys: pytest.CaptureFixture[str]) -> None:
    main(["render", "examples/support.yaml", CATALOG])
    as_yaml = list(yaml.safe_load_all(capsys.readouterr().out))
    main(["render", "examples/support.yaml", CATALOG, "--output=json"])
    as_json = json.loads(capsys.readouterr().out)
    assert as_json["kind"] == "List"
    assert as_json["items"] == as_yaml


def test_yaml_is_written_out_without_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    main(["render", "examples/support.yaml", CATALOG])
    assert "*id00" not in capsys.readouterr().out


def test_the_namespace_is_that_of_the_command_when_the_stack_names_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["render", "examples/smallest.yaml", "--namespace=lab"])
    rendered = yaml.safe_load_all(capsys.readouterr().out)
    assert {manifest["metadata"]["namespace"] for manifest in rendered} == {"lab"}


def test_a_stack_that_can_not_be_served_prints_its_problems_and_no_object(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["render", "examples/support.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "nvidia-l4" in printed.err


def test_files_without_a_stack_are_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "examples/accelerators.yaml"]) == 2
    assert "no AIStack" in capsys.readouterr().err
