"""What holds for the repository as a whole."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from aistack.images import default_images
from aistack.kinds import ADMISSION_KINDS, CHILD_KINDS, OWN_KINDS

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-litellm.lock")
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
CODE = [name for name in TRACKED if name.endswith(".py") and (ROOT / name).exists()]


def test_the_operator_folder_is_no_package() -> None:
    """With an __init__.py it would shadow the standard library's `operator`, and Python would not start."""
    assert (ROOT / "operator/aistack/__init__.py").exists()
    assert not (ROOT / "operator/__init__.py").exists()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_pins_every_package_by_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    pins = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, flags=re.MULTILINE)
    unhashed = [
        name for name in pins if not re.search(rf"^{re.escape(name)}==.*\\\n +--hash=", text, re.MULTILINE)
    ]
    assert pins
    assert unhashed == []


def test_what_runs_is_tested_in_the_same_versions() -> None:
    runs, tested = (
        set(re.findall(r"^[a-z0-9][a-z0-9._-]*==[^ ;]+", (ROOT / lock).read_text(), flags=re.MULTILINE))
        for lock in LOCKS[:2]
    )
    assert runs - tested == set()


def test_litellm_is_tested_in_the_version_that_stacks_run() -> None:
    version = default_images()["litellm"].version
    assert f"\nlitellm=={version} " in (ROOT / "requirements-litellm.lock").read_text()


def test_files_fit_in_the_head() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in CODE}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_module_is_named_for_everything_and_nothing() -> None:
    vague = {"utils", "util", "helpers", "common", "manager", "misc"}
    assert [name for name in CODE if vague & set(Path(name).with_suffix("").parts)] == []


def test_nothing_names_a_folder_of_somebodys_machine() -> None:
    home = re.compile(r"(?<![\w.])/(work|home/\w+|Users/\w+|root)/")
    texts = {name: (ROOT / name) for name in TRACKED if not name.endswith((".sum", ".lock", ".wasm", ".png"))}
    found = {name for name, path in texts.items() if path.is_file() and home.search(path.read_text())}
    assert found == set()


def roles() -> dict[str, list[dict[str, list[str]]]]:
    documents = yaml.safe_load_all((ROOT / "charts/aistack/templates/roles.yaml").read_text())
    return {document["metadata"]["name"]: document["rules"] for document in documents}


def test_the_operator_asks_for_no_right_that_opens_others() -> None:
    for rules in roles().values():
        for rule in rules:
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
            assert {"bind", "escalate", "impersonate"} & set(rule["verbs"]) == set()
            assert {"secrets", "pods/exec", "pods/attach", "nodes/proxy"} & set(rule["resources"]) == set()


def granted_to(role: str) -> dict[tuple[str, str], set[str]]:
    return {
        (group, resource): set(rule["verbs"])
        for rule in roles()[role]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_right_to_write_admission_policies_stands_alone() -> None:
    verbs = {"list", "create", "patch", "delete"}
    assert granted_to("aistack-admission-policies") == {
        (kind.group, kind.plural): verbs for kind in ADMISSION_KINDS
    }


def test_the_controller_may_do_what_it_does_with_every_kind() -> None:
    granted = granted_to("aistack-controller")
    for kind in CHILD_KINDS:
        assert granted[kind.group, kind.plural] >= {"list", "watch", "create", "patch", "delete"}, kind.kind
    for kind in OWN_KINDS:
        assert granted[kind.group, kind.plural] == {"get", "list", "watch"}, kind.kind


def test_the_demonstration_has_every_secret_that_its_example_names() -> None:
    secrets = yaml.safe_load_all((ROOT / "demo/secrets.yaml").read_text())
    there = {(secret["metadata"]["name"], key) for secret in secrets for key in secret["stringData"]}
    example = (ROOT / "examples/support.yaml").read_text()
    named = set(re.findall(r"secretKeyRef: \{name: ([\w-]+), key: ([\w-]+)\}", example))
    assert named
    assert named == there


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    explained = set(re.findall(r"^([a-z][a-z0-9-]*):.*## \w", makefile, re.MULTILINE))
    assert set(phony[1].split()) - explained == {"python"}
