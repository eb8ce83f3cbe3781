"""`make prices`: writes prices/default.yaml from the price map that LiteLLM packages.

The version is that of the adapter's image, so that both know the same models. Nothing of the package is run:
pip only downloads it, and one file is read out of it.
"""

import hashlib
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from zipfile import ZipFile

from aistack.cost.litellm import PRICE_MAP, Origin, book
from aistack.errors import AIStackError
from aistack.images import default_images

BOOK = Path(str(resources.files("aistack"))) / "prices" / "default.yaml"
TIMEOUT = 300.0
"""Seconds for the download."""


class DownloadError(AIStackError):
    """LiteLLM's package can't be had; the message has pip's own words."""


def main() -> int:
    version = default_images()["litellm"].version
    try:
        with tempfile.TemporaryDirectory() as folder:
            text = converted(downloaded(version, Path(folder)), version)
    except DownloadError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    BOOK.write_text(text)
    sys.stdout.write(f"{BOOK.name}: {len(text.splitlines())} lines from litellm=={version}\n")
    return 0


def downloaded(version: str, folder: Path) -> Path:
    """The wheel of this version. Wheels only: a source package would run code of its own."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--only-binary=:all:", f"--dest={folder}", f"litellm=={version}"]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)  # noqa: S603 - argv list, no shell
    except subprocess.TimeoutExpired:
        raise DownloadError(f"litellm=={version}: no answer within {TIMEOUT:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise DownloadError(f"litellm=={version}: {' '.join(error.stderr.split())}") from None
    return next(folder.glob("litellm-*.whl"))


def converted(wheel: Path, version: str) -> str:
    """The PriceBook of the wheel's price map, as of the day on which the wheel was built."""
    with ZipFile(wheel) as package:
        price_map = package.read(PRICE_MAP)
        year, month, day, *_ = package.getinfo(PRICE_MAP).date_time
    digest = hashlib.sha256(price_map).hexdigest()
    return book(price_map.decode(), Origin(version, digest, f"{year:04}-{month:02}-{day:02}"))


if __name__ == "__main__":
    sys.exit(main())
