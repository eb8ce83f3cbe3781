"""LiteLLM of the version that a stack runs, as its pod runs it: the rendered configuration and variables."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from aistack.images import default_images
from aistack.render.gateway.adapter import adapter_files
from aistack.render.gateway.adapter_pod import litellm
from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.site import POD, Site
from tests.controlplane import binaries
from tests.controlplane.progress import step
from tests.gateway.front import HOST, free_ports
from tests.stacks import resolved

NOTHING: Mapping[str, str] = {}
LOCK = Path(__file__).parents[2] / "requirements-litellm.lock"
STARTS_WITHIN = 120  # seconds; 15 are usual


@asynccontextmanager
async def adapter(
    spec: Mapping[str, Any],
    folder: Path,
    secrets: Mapping[str, str] = NOTHING,
    environment: Mapping[str, str] = NOTHING,
    site: Site = POD,
    *,
    behind: Mapping[str, str] = NOTHING,
) -> AsyncIterator[int]:
    """Its port. `secrets` are the values of Secrets by their keys; `environment` is what the cluster adds to
    the pod of an identity; `site` is where it finds the front and the cache; `behind` is text that is added
    to its programs by their names."""
    gateway = neutral(resolved(**spec).gateway)
    for name, text in adapter_files(gateway, site).items():
        (folder / name).write_text(text + behind.get(name, ""))
    (port,) = free_ports(1)
    variables = {each["name"]: _value(each, secrets) for each in litellm(gateway)["env"]}
    argv = [str(installed()), f"--config={folder}/config.yaml", f"--host={HOST}", f"--port={port}"]
    with (folder / "litellm.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *argv,
            "--num_workers=1",
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], **variables, "HOME": str(folder), **environment},
        )
    try:
        await _until_ready(port, process)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def installed() -> Path:
    """LiteLLM's program with what its image has besides, from PyPI into the cache when it isn't there."""
    locked = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home = binaries.cache_folder() / f"litellm-{default_images()['litellm'].version}-{locked}"
    whole = home / "whole"
    if not whole.exists():
        with binaries.only_builder_of(home, "LiteLLM"):
            if not whole.exists():
                _install(home)
                whole.touch()
    return home / "bin" / "litellm"


def _install(home: Path) -> None:
    with step("installing LiteLLM"):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        pip = (str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([*pip, "--require-hashes", "--requirement", str(LOCK)], check=True)


def _value(variable: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    if "value" in variable:
        return str(variable["value"])
    return secrets[variable["valueFrom"]["secretKeyRef"]["key"]]


async def _until_ready(port: int, process: asyncio.subprocess.Process) -> None:
    """As its pod is probed."""
    async with asyncio.timeout(STARTS_WITHIN), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, "LiteLLM has ended; litellm.log says why"
            try:
                async with session.get(f"http://{HOST}:{port}/health/readiness") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)
