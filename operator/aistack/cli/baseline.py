"""What files are compared with: other files, another revision of git, or the cluster."""

import asyncio
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from aistack.cli.files import SUFFIXES, Document, InputError, document, parsed, read
from aistack.connection import connect
from aistack.errors import AIStackError
from aistack.kinds import ACCELERATOR_CLASS, AISTACK, PRICE_BOOK, Kind
from aistack.kube import Kube

CLUSTER, REVISION = "cluster", "git:"


class BaselineError(AIStackError):
    """There is nothing to compare with; the message says why."""


def baseline(against: str, files: Sequence[str], namespace: str, kubeconfig: str) -> list[Document]:
    """`cluster`, `git:<revision>` for the same files as they were, or a path."""
    if against == CLUSTER:
        return asyncio.run(_in_cluster(kubeconfig))
    if against.startswith(REVISION):
        return list(_in_revision(against.removeprefix(REVISION), files, namespace))
    return read([against], namespace)


def earlier_catalog(against: str, catalog: Mapping[str, Sequence[Document]]) -> list[Document]:
    """What the paths of a catalog held at the revision. One that git doesn't keep is as it is now, and so are
    all of them where other files are compared with, or the cluster.
    """
    if not against.startswith(REVISION):
        return [each for found in catalog.values() for each in found]
    revision = against.removeprefix(REVISION)
    return [
        each
        for path, found in catalog.items()
        for each in (_in_revision(revision, [path], "") if _is_kept(path) else found)
    ]


def _is_kept(path: str) -> bool:
    """A path outside of the repository is an error to git."""
    try:
        return path != "-" and bool(_git("ls-files", "-z", "--", path))
    except BaselineError:
        return False


async def _in_cluster(kubeconfig: str) -> list[Document]:
    async with Kube(await connect(kubeconfig)) as kube:
        kinds = (AISTACK, ACCELERATOR_CLASS, PRICE_BOOK)
        return [each for kind in kinds for each in await _all(kube, kind)]


async def _all(kube: Kube, kind: Kind) -> list[Document]:
    return [document("the cluster", item, "") async for page in kube.pages(kind) for item in page.items]


def _in_revision(revision: str, files: Sequence[str], namespace: str) -> Iterator[Document]:
    """A file that was not there yet holds nothing, one that was moved what it held where it was. Folders are
    read as flat as they are now.
    """
    if "-" in files:
        raise InputError("standard input has no revision; name a file or a folder")
    root = Path(_git("rev-parse", "--show-toplevel").rstrip("\n"))
    moved = _moved(revision)
    for file in files:
        folder = Path(file).is_dir()
        pathspec = f"{file.rstrip('/')}/" if folder else file
        listed = _git(
            "ls-tree", "-z", "--name-only", "--full-name", "--end-of-options", revision, "--", pathspec
        )
        place = Path(file).resolve()
        came = [old for new, old in moved.items() if place in (root / new, (root / new).parent)]
        for name in dict.fromkeys((*_names(listed), *came)):
            if not folder or name.endswith(SUFFIXES):
                text = _git("show", "--end-of-options", f"{revision}:{name}")
                yield from parsed(f"{name} of {revision}", text, namespace)


def _moved(revision: str) -> Mapping[str, str]:
    """Where files are now → where they were, both from the repository's root."""
    renames = ("--no-relative", "--name-status", "--find-renames", "--diff-filter=R")
    changes = _git("diff", "-z", *renames, "--end-of-options", revision, "--")
    names = iter(_names(changes))
    return {new: old for _, old, new in zip(names, names, names, strict=True)}


def _names(said: str) -> list[str]:
    """git's words, each ended by NUL."""
    return [name for name in said.split("\0") if name]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  an argv list, and what was typed is no option
            ["git", *arguments],  # noqa: S607  the git that the reader uses
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise BaselineError("git: not found; install it, or compare with a folder") from None
    if done.returncode:
        raise BaselineError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
