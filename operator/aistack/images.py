"""The default images of a stack's parts, from images.toml."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Image:
    """One container image: a full version tag, and a digest once `make pin-images` has looked it up."""

    repository: str
    tag: str
    digest: str | None = None

    @property
    def reference(self) -> str:
        """What a pod names: by digest where it's known, by tag else."""
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"

    @property
    def version(self) -> str:
        """The tag without its `v`: `0.33.0`."""
        return self.tag.removeprefix("v")


def default_images() -> Mapping[str, Image]:
    """Every default image by the name of its part, as in images.toml."""
    text = resources.files("aistack").joinpath("images.toml").read_text()
    return {part: Image(**fields) for part, fields in tomllib.loads(text).items()}


def version_in_tag(image: str) -> str | None:
    """`vllm/vllm-openai:v0.10.2` says its version; a digest doesn't."""
    match = re.search(r":v?([0-9]+\.[0-9]+\.[0-9]+)", image)
    return match[1] if match else None


def unpinned(images: Mapping[str, Image]) -> tuple[str, ...]:
    """The references without a digest: what runs behind a tag can change."""
    return tuple(sorted(image.reference for image in images.values() if not image.digest))
