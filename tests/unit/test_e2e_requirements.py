"""A machine that can't run a node says all that is missing, and what to do about it."""

from pathlib import Path

import pytest

from tests.controlplane.errors import MissingProgram
from tests.e2e import __main__ as command_line
from tests.e2e import requirements


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Root on a Linux machine that has everything."""
    (tmp_path / "ptp").touch()
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda program, **_: f"/usr/bin/{program}")
    monkeypatch.setattr(requirements, "CNI_PLUGINS", tmp_path)
    monkeypatch.setattr(requirements, "_cgroups", list)
    return monkeypatch


def test_a_machine_with_everything_passes(linux: pytest.MonkeyPatch) -> None:
    assert linux
    assert requirements.missing() == []


def test_all_that_is_missing_is_said_at_once_with_its_packages(linux: pytest.MonkeyPatch) -> None:
    linux.setattr("os.geteuid", lambda: 1000)
    linux.setattr("shutil.which", lambda program, **_: None if program in ("nft", "runc") else "x")
    with pytest.raises(MissingProgram) as raised:
        requirements.check()
    assert "you are not root" in str(raised.value)
    assert "apt-get install --no-install-recommends nftables runc" in str(raised.value)


def test_another_system_is_told_what_it_takes(linux: pytest.MonkeyPatch) -> None:
    linux.setattr("platform.system", lambda: "Darwin")
    assert requirements.missing() == ["this is Darwin on x86_64; it needs Linux on x86_64"]


def test_the_command_ends_with_2_and_the_reason(
    linux: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    linux.setattr("os.geteuid", lambda: 1000)
    linux.setattr("tests.e2e.images.recipes", lambda: pytest.fail("nothing is built where nothing can run"))
    assert command_line.main(["run", f"--dir={tmp_path}"]) == 2
    assert "you are not root" in capsys.readouterr().err
