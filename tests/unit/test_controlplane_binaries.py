"""The control plane's programs: one place for versions, found before built, built once, clear without Go."""

import re
import threading
from pathlib import Path

import pytest

from tests.controlplane import binaries
from tests.controlplane.errors import BuildFailed, MissingProgram

FAMILIES = {
    "kubernetes": "k8s.io/kubernetes",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kwok": "sigs.k8s.io/kwok",
    "helm": "helm.sh/helm/v4",
    "containerd": "github.com/containerd/containerd/v2",
    "kubeproxy": "k8s.io/kubernetes",
    "coredns": "github.com/coredns/coredns",
    "ratelimit": "github.com/envoyproxy/ratelimit",
}
ETCD, KWOK = (f"{family}-{binaries.versions()[family]}" for family in ("etcd", "kwok"))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH that holds only what the test puts into tmp_path/bin."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("AISTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def go(folder: Path, build: str, version: str = "go1.26.8") -> None:
    """A Go that says its version and, asked to build, runs `build` with the output's path in $output."""
    find_output = 'while [ "$1" != -o ]; do shift; done; output=$2'
    executable(folder / "bin/go", f'if [ "$1" = env ]; then echo {version}; exit; fi\n{find_output}\n{build}')


def test_the_versions_agree_with_what_the_modules_require() -> None:
    assert binaries.versions().keys() == FAMILIES.keys()
    for family, version in binaries.versions().items():
        required = (binaries.MODULES / family / "go.mod").read_text()
        assert re.search(
            rf"^\s*{re.escape(FAMILIES[family])} v{re.escape(version)}\b", required, re.MULTILINE
        ), family


def test_every_module_is_content_with_the_oldest_go_that_is_promised() -> None:
    for family in binaries.versions():
        declared = re.search(
            r"^go (\d+)\.(\d+)", (binaries.MODULES / family / "go.mod").read_text(), re.MULTILINE
        )
        assert declared is not None
        assert (int(declared[1]), int(declared[2])) <= binaries.oldest_go(), family


def test_a_program_in_kubebuilder_assets_is_used_without_a_build(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = executable(folders / "assets/etcd", "exit 0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(own.parent))
    assert binaries.provide("etcd") == {"etcd": own}


def test_what_kubebuilder_assets_lacks_is_built(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = executable(folders / "assets/etcd", "exit 0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(own.parent))
    go(folders, 'echo built > "$output"')
    found = binaries.provide("etcd", "kwok")
    assert found == {"etcd": own, "kwok": folders / f"cache/{KWOK}/kwok"}
    assert found["kwok"].read_text() == "built\n"


def test_without_go_the_error_names_what_to_install(folders: Path) -> None:
    with pytest.raises(MissingProgram, match=r"install Go 1\.26 or newer .* or set KUBEBUILDER_ASSETS"):
        binaries.provide("etcd")
    assert not (folders / f"cache/{ETCD}/etcd").exists()


def test_a_go_that_is_too_old_is_named_with_its_version(folders: Path) -> None:
    go(folders, "exit 1", version="go1.22.1")
    with pytest.raises(MissingProgram, match=r"bin/go is go1\.22\.1, too old; .* install Go 1\.26"):
        binaries.provide("etcd")


def test_a_failed_build_shows_the_compilers_last_lines_and_leaves_nothing(folders: Path) -> None:
    go(folders, 'echo half > "$output"; echo "undefined: x" >&2; exit 1')
    with pytest.raises(BuildFailed, match=r"etcd v[\d.]+ did not build:\nundefined: x"):
        binaries.provide("etcd")
    assert [path.name for path in (folders / f"cache/{ETCD}").iterdir()] == ["etcd.lock"]


def test_two_at_once_build_once_and_the_second_says_that_it_waits(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(
        folders,
        f'echo >> {folders}/builds; while [ ! -e {folders}/go-on ]; do :; done; echo built > "$output"',
    )
    second_waits = threading.Event()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        second_waits.set()

    monkeypatch.setattr(binaries, "say", say)
    builders = [threading.Thread(target=binaries.provide, args=("etcd",)) for _ in range(2)]
    for builder in builders:
        builder.start()
    waited = second_waits.wait(timeout=20)
    (folders / "go-on").touch()
    for builder in builders:
        builder.join()
    assert waited
    assert said == [f"waiting for another process that is building etcd v{binaries.versions()['etcd']}"]
    assert (folders / "builds").read_text() == "\n"
    assert (folders / f"cache/{ETCD}/etcd").read_text() == "built\n"
