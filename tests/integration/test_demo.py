"""The demonstration, as `make demo` runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.__main__ import FOLDER, main
from demo.kubectl import Kubectl
from tests.controlplane import providers
from tests.controlplane.errors import CommandFailed
from tests.controlplane.process import noted

ROOT = Path(__file__).parents[2]


def demo(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs it as a process of its own: what it starts outlives it."""
    environment = {name: value for name, value in os.environ.items() if name not in {"KUBECONFIG", "KIND"}}
    return subprocess.run(
        [sys.executable, "-m", "demo", command],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_brings_a_stack_to_ready_shows_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    try:
        up = demo("up", tmp_path)
        assert up.returncode == 0, up.stderr
        cluster = providers.provided(folder)
        assert cluster is not None
        refusal = refused_class(Kubectl.of(cluster), "h100")
        processes = [*noted(folder / "processes.json"), *noted(folder / "operator.json")]
        running = {each.name for each in processes if each.running()}
    finally:
        down = demo("down", tmp_path)

    assert running >= {"kube-apiserver", "controller", "webhook"}
    row = next(line.split() for line in up.stdout.splitlines() if line.startswith("care "))
    assert row[:5] == ["care", "support", "True", "Ready", "3/3"]
    assert "Deployment/support-llama" in up.stdout
    assert cost_of_all(up.stdout) == row[5], "the files cost what the status says"
    assert "flowchart LR" in up.stdout
    assert "make demo-down" in up.stdout
    assert "spec.models[llama].selfHosted.accelerator.class" in refusal
    assert down.returncode == 0, down.stderr
    assert [each.name for each in processes if each.running()] == []
    assert not folder.exists()


def cost_of_all(printed: str) -> str:
    """The expected cost a month, from the sum's row."""
    return next(line.split()[2] for line in printed.splitlines() if line.startswith("total "))


def refused_class(kubectl: Kubectl, name: str) -> str:
    """The words with which the webhook refuses an accelerator class that isn't there."""
    patch = f'[{{"op": "replace", "path": "/spec/models/0/selfHosted/accelerator/class", "value": "{name}"}}]'
    with pytest.raises(CommandFailed) as refused:
        kubectl("patch", "aistack", "support", "--namespace=care", "--type=json", f"--patch={patch}")
    return str(refused.value)


def test_ending_what_is_not_up_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["down"]) == 0
    assert "nothing is up" in capsys.readouterr().err


def test_a_kubeconfig_that_does_not_exist_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    assert main(["up"]) == 1
    assert f"KUBECONFIG is {tmp_path / 'gone'}" in capsys.readouterr().err
