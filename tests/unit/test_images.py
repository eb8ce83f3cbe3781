"""The default images, and how their digests are looked up."""

import re
import stat
from pathlib import Path

import pytest

from aistack import pin_images
from aistack.images import Image, default_images, unpinned

DIGEST = f"sha256:{'a' * 64}"
TEXT = """# Why it's here.

[vllm]
repository = "docker.io/vllm/vllm-openai"
tag = "v0.33.0"

[envoy]
repository = "docker.io/envoyproxy/envoy"
tag = "v1.40.0" # kept
digest = "sha256:old"
"""


def test_every_part_has_a_whole_version_or_a_commit_as_its_tag() -> None:
    assert default_images().keys() == {
        *("vllm", "vllm-cpu", "envoy", "loader", "litellm"),
        *("queue", "ratelimit", "redis", "vectors"),
    }
    for image in default_images().values():
        assert re.fullmatch(r"v?[0-9]+\.[0-9]+\.[0-9]+|[0-9a-f]{8}", image.tag), image
        assert image.digest is None or pin_images.DIGEST.fullmatch(image.digest), image


def test_an_image_is_named_by_its_digest_where_one_is_known() -> None:
    assert Image("example.com/a", "v1.2.3").reference == "example.com/a:v1.2.3"
    assert Image("example.com/a", "v1.2.3", DIGEST).reference == f"example.com/a@{DIGEST}"
    assert Image("example.com/a", "v1.2.3").version == "1.2.3"


def test_what_is_named_by_tag_only_is_known() -> None:
    images = {"a": Image("example.com/a", "v1.2.3"), "b": Image("example.com/b", "v1.2.3", DIGEST)}
    assert unpinned(images) == ("example.com/a:v1.2.3",)


def test_digests_are_written_below_the_tags_and_nothing_else_changes() -> None:
    pinned = pin_images.pinned(TEXT, {"vllm": DIGEST, "envoy": DIGEST})
    assert pinned.count(f'digest = "{DIGEST}"') == 2
    assert "sha256:old" not in pinned
    without = [line for line in pinned.splitlines() if not line.startswith("digest")]
    assert without == [line for line in TEXT.splitlines() if not line.startswith("digest")]


def test_a_part_that_was_not_looked_up_stays_as_it_is() -> None:
    assert pin_images.pinned(TEXT, {}) == TEXT


def install(folder: Path, tool: str, script: str) -> None:
    """Puts a stand-in for a registry tool onto the path."""
    program = folder / tool
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs, with a copy of images.toml to write to beside it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    copy = tmp_path / "images.toml"
    copy.write_text(pin_images.IMAGES.read_text())
    monkeypatch.setattr(pin_images, "IMAGES", copy)
    return programs


def test_without_a_tool_it_says_what_to_install(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert path.exists()
    assert pin_images.main() == 1
    assert "crane, skopeo" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["crane", "skopeo"])
def test_either_tool_pins_every_image(path: Path, tool: str) -> None:
    install(path, tool, f"echo {DIGEST}")
    assert pin_images.main() == 0
    assert pin_images.IMAGES.read_text().count(DIGEST) == len(default_images())


def test_an_image_that_no_registry_knows_leaves_the_others_pinned(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(path, "crane", f'case "$2" in *loader*) echo "not found" >&2; exit 1;; esac\necho {DIGEST}')
    assert pin_images.main() == 1
    assert pin_images.IMAGES.read_text().count(DIGEST) == len(default_images()) - 1
    assert "loader:v0.1.0: not found" in capsys.readouterr().err


def test_an_answer_that_is_no_digest_is_never_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(path, "crane", "echo latest")
    before = pin_images.IMAGES.read_text()
    assert pin_images.main() == 1
    assert pin_images.IMAGES.read_text() == before
    assert "'latest' is no digest" in capsys.readouterr().err
