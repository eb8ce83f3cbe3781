"""`make pin-images`: writes into images.toml the digest that each tag has in its registry now.

Asks through crane or skopeo, whichever is installed, with the credentials that they have. A digest is only
ever one that a registry answered.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from aistack.errors import AIStackError
from aistack.images import Image, default_images

IMAGES = Path(__file__).with_name("images.toml")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TIMEOUT = 60.0
"""Seconds for one registry to answer."""

COMMANDS: Mapping[str, Callable[[str], list[str]]] = {
    "crane": lambda reference: ["digest", reference],
    "skopeo": lambda reference: ["inspect", "--no-tags", "--format", "{{.Digest}}", f"docker://{reference}"],
}
"""Tools that know registries, and how each is asked for the digest of a tag."""


class PinError(AIStackError):
    """A digest can't be looked up; the message names the image and the tool's own words."""


def main() -> int:
    """Pins what can be looked up; 1 when something can't."""
    try:
        lookup = registry_lookup()
    except PinError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    digests: dict[str, str] = {}
    for part, image in default_images().items():
        try:
            digests[part] = lookup(image)
            sys.stdout.write(f"{image.repository}:{image.tag} is {digests[part]}\n")
        except PinError as error:
            sys.stderr.write(f"{error}\n")
    IMAGES.write_text(pinned(IMAGES.read_text(), digests))
    return 0 if digests.keys() == default_images().keys() else 1


def registry_lookup() -> Callable[[Image], str]:
    """The lookup through the first tool found; PinError when there is none."""
    for tool, arguments in COMMANDS.items():
        if path := shutil.which(tool):
            return lambda image: _ask([path, *arguments(f"{image.repository}:{image.tag}")], image)
    raise PinError(f"none of {', '.join(COMMANDS)} is installed; install one to look up digests")


def _ask(command: list[str], image: Image) -> str:
    reference = f"{image.repository}:{image.tag}"
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)  # noqa: S603 - argv list, no shell
    except subprocess.TimeoutExpired:
        raise PinError(f"{reference}: no answer within {TIMEOUT:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise PinError(f"{reference}: {' '.join(error.stderr.split()) or 'no answer'}") from None
    digest = answer.stdout.strip()
    if not DIGEST.fullmatch(digest):
        raise PinError(f"{reference}: {digest!r} is no digest")
    return digest


def pinned(text: str, digests: Mapping[str, str]) -> str:
    """The text of images.toml with these digests, by part; comments and other parts stay as they are."""
    lines: list[str] = []
    part = ""
    for line in text.splitlines():
        if heading := re.fullmatch(r"\[([\w-]+)\]\s*", line):
            part = heading[1]
        if part in digests and re.match(r"digest\s*=", line):
            continue
        lines.append(line)
        if part in digests and re.match(r"tag\s*=", line):
            lines.append(f'digest = "{digests[part]}"')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
