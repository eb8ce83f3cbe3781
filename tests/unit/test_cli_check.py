"""`aistack check` on files: what it finds, how it says so, and the exit code."""

import io
import json
from pathlib import Path

import pytest
import yaml

from aistack.cli.parser import main

EXAMPLES = Path("examples")
CATALOG = f"--catalog={EXAMPLES / 'accelerators.yaml'}"
STACK = """
apiVersion: aistack.dev/v1alpha1
kind: AIStack
metadata: {name: hello, namespace: care}
spec:
  models:
    - name: qwen
      selfHosted: {source: hf://a/b, revision: abc, accelerator: {class: CLASS}}
"""


def write(folder: Path, text: str, name: str = "stack.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_stack_that_can_be_served_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(EXAMPLES / "support.yaml"), CATALOG]) == 0
    assert "AIStack care/support" in capsys.readouterr().out


def test_warnings_count_only_with_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unpinned = write(tmp_path, STACK.replace("revision: abc, ", "").replace("CLASS", "cpu"))

    assert main(["check", unpinned]) == 0
    assert main(["check", unpinned, "--strict"]) == 3
    assert "spec.models[qwen].selfHosted.revision" in capsys.readouterr().out


def test_an_unknown_accelerator_is_denied_and_says_where_classes_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", write(tmp_path, STACK.replace("CLASS", "h100"))]) == 1

    said = capsys.readouterr().out
    assert "spec.models[qwen].selfHosted.accelerator.class" in said
    assert "'h100'" in said
    assert "--catalog FILE" in said


def test_a_class_in_the_same_files_is_known(tmp_path: Path) -> None:
    classes = (EXAMPLES / "accelerators.yaml").read_text()
    assert main(["check", write(tmp_path, f"{STACK.replace('CLASS', 'nvidia-l4')}---\n{classes}")]) == 0


def test_a_misspelt_field_is_bad_input_and_every_problem_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = STACK.replace("CLASS", "cpu").replace("source: hf://a/b", "sauce: hf://a/b")
    assert main(["check", write(tmp_path, broken + "  gatway: {}\n")]) == 2

    said = capsys.readouterr().out
    assert "AIStack care/hello" in said
    assert "spec.gatway" in said
    assert "spec.models[qwen].selfHosted.sauce" in said
    assert "spec.models[qwen].selfHosted.source" in said


def test_findings_come_as_json_and_yaml_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, STACK.replace("CLASS", "h100"))

    main(["check", path, "--output=json"])
    as_json = json.loads(capsys.readouterr().out)
    main(["check", path, "--output=yaml"])
    as_yaml = yaml.safe_load(capsys.readouterr().out)

    assert as_json == as_yaml
    assert as_json[0]["object"] == "AIStack care/hello"
    assert as_json[0]["problems"][0]["reason"] == "InvalidReference"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: [1", "not YAML", id="an open bracket"),
        pytest.param("just text", "not a Kubernetes object", id="a sentence"),
        pytest.param("metadata: {name: x}", "not a Kubernetes object", id="no kind"),
        pytest.param("kind: List\nitems: [3]", "not a Kubernetes object", id="a number in a List"),
        pytest.param("kind: AIStack\nspec: !!set {a, b}", "what JSON can hold", id="a set"),
        pytest.param("[" * 100_000, "nested more than 100 levels", id="a tower of brackets"),
        pytest.param(
            "\n".join(
                ["kind: AIStack", "a0: &a0 [x]"]
                + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
            ),
            "more than 1,000,000 values",
            id="a bomb of aliases",
        ),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_file_and_the_reason(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, text)

    assert main(["check", path]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}")
    assert words in said


@pytest.mark.parametrize("metadata", ["metadata: 3", "metadata: {name: [1]}", "1: {2: 3}"])
def test_odd_metadata_and_keys_are_problems_of_the_object(
    metadata: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, f"apiVersion: aistack.dev/v1alpha1\nkind: AIStack\n{metadata}\n")

    assert main(["check", path]) == 2
    assert "invalid" in capsys.readouterr().out


def test_a_kind_that_does_not_exist_names_those_that_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "apiVersion: aistack.dev/v1alpha1\nkind: AIStak\nmetadata: {name: x}\n")

    assert main(["check", path]) == 2
    assert "write one of" in capsys.readouterr().out


def test_a_missing_file_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "gone.yaml")]) == 2
    assert "gone.yaml: no such file" in capsys.readouterr().err


def test_a_folder_without_manifests_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    assert "no file in this folder" in capsys.readouterr().err


def test_a_folder_a_list_and_standard_input_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = STACK.replace("CLASS", "cpu")
    items = [yaml.safe_load(one), yaml.safe_load(one.replace("hello", "second"))]
    write(tmp_path, json.dumps({"apiVersion": "v1", "kind": "List", "items": items}), "list.json")
    monkeypatch.setattr("sys.stdin", io.StringIO(one.replace("hello", "third")))

    assert main(["check", str(tmp_path), "-"]) == 0

    said = capsys.readouterr().out
    assert all(f"AIStack care/{name}" in said for name in ("hello", "second", "third"))


def test_files_without_our_kinds_say_that_there_was_nothing_to_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", write(tmp_path, "apiVersion: v1\nkind: Namespace\nmetadata: {name: care}")]) == 0
    assert "nothing to check" in capsys.readouterr().out


def test_brackets_in_a_message_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", write(tmp_path, STACK.replace("CLASS", "h100").replace("qwen", "bold"))])
    assert "spec.models[bold].selfHosted" in capsys.readouterr().out
