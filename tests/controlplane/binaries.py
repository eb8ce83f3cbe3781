"""Where the programs come from: $KUBEBUILDER_ASSETS, the cache, or a build from the Go modules here.

The cache is $AISTACK_CACHE, by default ~/.cache/aistack, and holds `<family>-<version>/<program>`.
A build needs Go and a module proxy, and no container registry.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BuildFailed, MissingProgram
from .progress import say, step

MODULES = Path(__file__).parent
STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True)
class Program:
    """One executable: which family (a Go module of this folder) it belongs to, and its package in it."""

    name: str
    family: str
    version: str
    package: str

    @property
    def cached(self) -> Path:
        """Where its build is kept, whether it is there yet or not."""
        return cache_folder() / f"{self.family}-{self.version}" / self.name


def versions() -> dict[str, str]:
    """Family → version."""
    return {family: entry["version"] for family, entry in _table()["family"].items()}


def oldest_go() -> tuple[int, int]:
    major, minor = _table()["go"].split(".")
    return int(major), int(minor)


def names() -> list[str]:
    """Every program that can be had."""
    return sorted(_programs())


def provide(*wanted: str) -> dict[str, Path]:
    """Name → executable, building only what is neither in $KUBEBUILDER_ASSETS nor in the cache.

    MissingProgram when something has to be built and there is no Go, BuildFailed when it doesn't compile.
    """
    return {name: _provide(_programs()[name]) for name in wanted}


def cache_folder() -> Path:
    return Path(os.environ.get("AISTACK_CACHE") or Path.home() / ".cache/aistack")


def _table() -> dict[str, Any]:
    return tomllib.loads((MODULES / "versions.toml").read_text())


def _programs() -> dict[str, Program]:
    return {
        name: Program(name, family, entry["version"], package)
        for family, entry in _table()["family"].items()
        for name, package in entry["programs"].items()
    }


def _provide(wanted: Program) -> Path:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / wanted.name).is_file():
        return Path(assets) / wanted.name
    if not wanted.cached.is_file():
        go = _go(wanted)
        with only_builder_of(wanted.cached, f"{wanted.name} v{wanted.version}"):
            if not wanted.cached.is_file():  # the builder that was waited for may have made it
                _build(wanted, go)
    return wanted.cached


def _go(wanted: Program) -> str:
    """The path of a Go that is new enough."""
    needed = "{}.{}".format(*oldest_go())
    remedy = (
        f"{wanted.name} {wanted.version} has to be built: install Go {needed} or newer (https://go.dev/dl/), "
        f"or set KUBEBUILDER_ASSETS to a folder that holds {wanted.name}"
    )
    go = shutil.which("go")
    if go is None:
        raise MissingProgram(f"go: not found in PATH; {remedy}")
    seen = subprocess.run(
        [go, "env", "GOVERSION"], cwd="/", capture_output=True, text=True, check=True
    ).stdout
    version = re.match(r"go(\d+)\.(\d+)", seen)
    if version and (int(version[1]), int(version[2])) < oldest_go():
        raise MissingProgram(f"go: {go} is {seen.strip()}, too old; {remedy}")
    return go


@contextmanager
def only_builder_of(cached: Path, name: str) -> Iterator[None]:
    """Two processes that need the same thing in the cache make it once: the second waits, and says so."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    with cached.with_name(f"{cached.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that is building {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(wanted: Program, go: str) -> None:
    """Compiles to a name of this process's own, then renames: nobody ever sees half a program."""
    unfinished = wanted.cached.with_suffix(f".{os.getpid()}")
    argv = [go, "build", "-trimpath", "-ldflags", _linker_flags(), "-o", str(unfinished), wanted.package]
    try:
        with step(f"building {wanted.name} v{wanted.version}"):
            _compile(wanted, argv)
        unfinished.rename(wanted.cached)
    finally:
        unfinished.unlink(missing_ok=True)


def _compile(wanted: Program, argv: list[str]) -> None:
    built = subprocess.run(
        argv,
        cwd=MODULES / wanted.family,
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        last = "\n".join(built.stderr.splitlines()[-20:])
        raise BuildFailed(f"{wanted.name} v{wanted.version} did not build:\n{last}")


def _linker_flags() -> str:
    """Without a stamped version, /version is no semantic version, and feature gates follow it."""
    version = versions()["kubernetes"]
    major, minor, _ = version.split(".")
    stamps = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    return " ".join(
        ["-s -w", *(f"-X {pkg}.{key}={value}" for pkg in STAMPED for key, value in stamps.items())]
    )
