"""Reads manifests from files: the AIStacks in them, the AcceleratorClasses, and what is wrong with them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from aistack.api import GROUP, AcceleratorClass, AIBudget, AIPolicy, AIPolicyException, AIStack, PriceBook
from aistack.api.base import Model
from aistack.api.validation import problems
from aistack.errors import AIStackError
from aistack.kinds import Manifest

MAX_BYTES = 8 * 1024 * 1024  # as the webhook's limit; the API server's own is 3 MiB
MAX_VALUES = 1_000_000  # after aliases are followed: a few hundred bytes of them can mean billions
SUFFIXES = (".yaml", ".yml", ".json")
TYPES: Mapping[str, type[Model]] = {
    kind.__name__: kind
    for kind in (AIStack, AIBudget, AIPolicy, AIPolicyException, AcceleratorClass, PriceBook)
}


class InputError(AIStackError):
    """A file can't be read as manifests; the message names the file and says what is wrong."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file; of our own kinds it is either `parsed` or has `problems` that say why not."""

    file: str
    kind: str
    namespace: str
    name: str
    parsed: Model | None = None
    problems: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        return bool(self.parsed or self.problems)

    @property
    def title(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name or '(no name)'}"


def read(paths: Sequence[str]) -> list[Document]:
    """Every object of the files and folders, in their order; `-` is standard input."""
    return [
        _document(file, manifest)
        for path in paths
        for file, text in _texts(path)
        for manifest in _manifests(file, text)
    ]


def accelerator_classes(documents: Sequence[Document]) -> Mapping[str, AcceleratorClass]:
    """The AcceleratorClasses among the documents, by name."""
    found = (document.parsed for document in documents if isinstance(document.parsed, AcceleratorClass))
    return {each.metadata.name: each for each in found}


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "standard input", sys.stdin.read()
        return
    found = Path(path)
    files = sorted(each for each in found.iterdir() if each.suffix in SUFFIXES) if found.is_dir() else [found]
    if not files:
        raise InputError(f"{path}: no file in this folder ends with {', '.join(SUFFIXES)}")
    for file in files:
        yield str(file), _text(file)


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file}: larger than {MAX_BYTES // 1024 // 1024} MiB; split it")
        return file.read_text()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None


def _manifests(file: str, text: str) -> Iterator[Manifest]:
    """The objects of one file; a List is taken apart, empty documents are passed over."""
    try:
        loaded = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{file}: nested too deeply") from None
    for position, value in enumerate(loaded, start=1):
        if value is None:
            continue
        where = f"{file}, document {position}"
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise InputError(f"{where}: not a Kubernetes object; it needs apiVersion, kind and metadata")
        if not _is_bounded(value):
            raise InputError(f"{where}: more than {MAX_VALUES:,} values; write aliases out or split the file")
        yield from value.get("items") or [] if value["kind"].endswith("List") else [value]


def _is_bounded(value: Any) -> bool:
    left, waiting = MAX_VALUES, [value]
    while waiting and left > 0:
        left -= 1
        taken = waiting.pop()
        if isinstance(taken, dict):
            waiting.extend(taken.values())
        elif isinstance(taken, list):
            waiting.extend(taken)
    return not waiting


def _document(file: str, manifest: Manifest) -> Document:
    metadata = manifest.get("metadata") or {}
    named = Document(file, manifest["kind"], metadata.get("namespace", ""), metadata.get("name", ""))
    if not str(manifest.get("apiVersion", "")).startswith(f"{GROUP}/"):
        return named
    if named.kind not in TYPES:
        unknown = f"kind: {GROUP} has no kind {named.kind!r}; write one of {', '.join(TYPES)}"
        return replace(named, problems=(unknown,))
    try:
        return replace(named, parsed=TYPES[named.kind].parse(manifest))
    except ValidationError as error:
        return replace(named, problems=tuple(problems(error, named.kind, named.name)))
