"""Three ways to a cluster; each ends what it started and nothing else, and says what it lacks."""

from pathlib import Path

import pytest

from tests.controlplane import providers
from tests.controlplane.__main__ import main
from tests.controlplane.errors import ControlPlaneError, MissingProgram
from tests.controlplane.providers import Provided, Sizes

RECORD = """#!/bin/sh
echo "$(basename "$0") $*" >> {calls}
if [ "$*" = "get clusters" ]; then cat {clusters}; fi
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker, kind and kubectl that only note their calls; `clusters` lists what kind has."""
    (tmp_path / "clusters").touch()
    (tmp_path / "bin").mkdir()
    for tool in ("docker", "kind", "kubectl"):
        path = tmp_path / "bin" / tool
        path.write_text(RECORD.format(calls=tmp_path / "calls", clusters=tmp_path / "clusters"))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def calls(tools: Path) -> list[str]:
    return (tools / "calls").read_text().splitlines()


def test_an_existing_cluster_needs_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(ControlPlaneError, match=r"KUBECONFIG is .*absent: an existing cluster needs"):
        providers.up(tmp_path / "demo", "existing", Sizes())
    monkeypatch.delenv("KUBECONFIG")
    with pytest.raises(ControlPlaneError, match="KUBECONFIG is not set"):
        providers.up(tmp_path / "demo", "existing", Sizes())


def test_down_leaves_an_existing_cluster_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("{}")
    monkeypatch.setenv("KUBECONFIG", str(theirs))
    up = providers.up(tmp_path / "demo", "existing", Sizes())
    assert up == Provided("existing", str(theirs))
    assert providers.down(tmp_path / "demo")
    assert theirs.read_text() == "{}"
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("absent", ["docker", "kind", "kubectl"])
def test_kind_names_the_tool_that_is_missing(
    tools: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setenv("PATH", str(tools / "bin"))
    (tools / "bin" / absent).unlink()
    with pytest.raises(MissingProgram, match=f"{absent}: not found in PATH"):
        providers.up(tools / "demo", "kind", Sizes())


def test_kind_gets_accelerator_nodes_and_is_ended_with_them(tools: Path) -> None:
    up = providers.up(tools / "demo", "kind", Sizes())
    assert up == Provided("kind", str(tools / "demo/kubeconfig"))
    assert providers.down(tools / "demo")
    started, ended = calls(tools)[1:-2], calls(tools)[-2:]
    assert started[0].startswith("kind create cluster --name aistack-demo --kubeconfig=")
    assert started[2].startswith("docker run --detach --name aistack-demo-kwok --network kind")
    assert "--config=/kwok/pod-ready.yaml" in started[2]
    assert started[3].endswith("apply -f -")
    assert ended == ["docker rm --force aistack-demo-kwok", "kind delete cluster --name aistack-demo"]


def test_a_kind_cluster_of_somebody_else_is_neither_used_nor_ended(tools: Path) -> None:
    (tools / "clusters").write_text("aistack-demo\n")
    with pytest.raises(ControlPlaneError, match="was not started from"):
        providers.up(tools / "demo", "kind", Sizes())
    assert not providers.down(tools / "demo")
    assert calls(tools) == ["kind get clusters"]


def test_a_folder_with_other_files_is_refused_and_left_as_it_was(tools: Path) -> None:
    (tools / "thesis").mkdir()
    (tools / "thesis/chapter-1").write_text("It was a dark and stormy night.")
    with pytest.raises(ControlPlaneError, match="thesis holds other files; name a new or an empty folder"):
        providers.up(tools / "thesis", "kind", Sizes())
    assert not providers.down(tools / "thesis")
    assert (tools / "thesis/chapter-1").exists()


def test_up_follows_a_down_that_kept_the_folder(tools: Path) -> None:
    first = providers.up(tools / "demo", "kind", Sizes())
    assert providers.down(tools / "demo", keep=True)
    assert providers.up(tools / "demo", "kind", Sizes()) == first


def test_an_up_that_is_repeated_answers_with_the_first(tools: Path) -> None:
    first = providers.up(tools / "demo", "kind", Sizes())
    before = calls(tools)
    assert providers.up(tools / "demo", "kind", Sizes()) == first
    assert calls(tools) == before


@pytest.mark.parametrize("command", ["down", "status", "env"])
def test_where_nothing_is_up_every_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"nothing is up in {tmp_path}\n"
    assert tmp_path.exists()


def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert main(["up", "--existing", "--dir", str(tmp_path / "demo")]) == 2
    assert capsys.readouterr().err.startswith("error: KUBECONFIG is not set")
