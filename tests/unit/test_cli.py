"""The command line as a whole: help, completion, exit codes of the program itself."""

import argparse
import subprocess
import sys

import pytest

from aistack import __version__
from aistack.cli.parser import build_parser, main

COMMANDS = ("check", "render", "status", "controller", "webhook", "version", "completion")


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"    {command}" in said for command in COMMANDS)
    assert "0 fine, 1 denied, 2 bad input, 3 warned" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"aistack {command}" in capsys.readouterr().out


def test_no_command_and_an_unknown_one_are_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, words in ([], "required: command"), (["chekc"], "invalid choice: 'chekc'"):
        with pytest.raises(SystemExit, match="2"):
            main(argv)
        assert words in capsys.readouterr().err


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"aistack {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)


def test_as_a_plugin_it_speaks_of_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-aistack"])
    assert isinstance(build_parser(), argparse.ArgumentParser)
    assert build_parser().prog == "kubectl aistack"


def test_a_reader_that_stops_early_ends_it_quietly() -> None:
    """As `aistack render … | true` does."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "aistack", "render", "examples/smallest.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert writer.stdout is not None
    writer.stdout.close()
    _, said = writer.communicate(timeout=30)
    assert b"Traceback" not in said
    assert writer.returncode == 0
