"""Reads manifests from files: the AIStacks in them, the AcceleratorClasses, and what is wrong with them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson
import yaml
from pydantic import ValidationError

from aistack.api import GROUP, TYPES, AcceleratorClass, PriceBook
from aistack.api.base import Model
from aistack.api.validation import problems
from aistack.errors import AIStackError
from aistack.kinds import OWN_KINDS, Manifest

MAX_BYTES = 8 * 1024 * 1024  # as the webhook's limit; the API server's own is 3 MiB
MAX_VALUES = 1_000_000  # after aliases are followed: a few hundred bytes of them can mean billions
MAX_DEPTH = 100
SUFFIXES = (".yaml", ".yml", ".json")
NAMESPACED = frozenset(kind.kind for kind in OWN_KINDS if kind.namespaced)

Offered = TypeVar("Offered", AcceleratorClass, PriceBook)


class InputError(AIStackError):
    """A file can't be read as manifests; the message names the file and says what is wrong."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file; of our own kinds it is either `parsed` or has `problems` that say why not."""

    file: str
    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    parsed: Model | None = None
    problems: tuple[str, ...] = ()
    line: int = 1
    """Where its document begins in the file, counted from 1."""

    @property
    def is_ours(self) -> bool:
        return bool(self.parsed or self.problems)

    @property
    def title(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name or '(no name)'}"


def read(paths: Sequence[str], namespace: str = "default") -> list[Document]:
    """Every object of the files and folders, in their order; `-` is standard input.

    `namespace` is where objects are that name none, as in `kubectl apply --namespace`.
    """
    return [each for path in paths for file, text in _texts(path) for each in parsed(file, text, namespace)]


def parsed(file: str, text: str, namespace: str) -> list[Document]:
    """Every object of one file's text; `file` is what messages call it."""
    return [
        replace(document(file, manifest, namespace), line=line)
        for line, where, value in _values(file, text)
        for manifest in _objects(value, where)
    ]


def values(path: str) -> list[Any]:
    """Every document of a file or folder that needs to be no Kubernetes object, as JSON."""
    return [value for file, text in _texts(path) for *_, value in _values(file, text)]


def accelerator_classes(documents: Sequence[Document]) -> Mapping[str, AcceleratorClass]:
    """The AcceleratorClasses among the documents, by name."""
    return _named(documents, AcceleratorClass)


def price_books(documents: Sequence[Document]) -> Mapping[str, PriceBook]:
    """The PriceBooks among the documents, by name."""
    return _named(documents, PriceBook)


def _named(documents: Sequence[Document], kind: type[Offered]) -> Mapping[str, Offered]:
    found = (document.parsed for document in documents if isinstance(document.parsed, kind))
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


def _values(file: str, text: str) -> Iterator[tuple[int, str, Any]]:
    """The documents of one file, each with its first line and the words for where it is; empty ones are
    passed over."""
    try:
        lines = _first_lines(file, text)
        loaded = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    for position, (line, value) in enumerate(zip(lines, loaded, strict=True), start=1):
        where = f"{file}, document {position}"
        if value is not None:
            yield line, where, _as_json(value, where)


def _first_lines(file: str, text: str) -> list[int]:
    """On which line the content of each document begins, counted from 1.

    Loading recurses in C: a tower of brackets would end the process, where this raises InputError.
    """
    depth, lines, begins = 0, list[int](), False
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if begins:
            lines.append(event.start_mark.line + 1 if event.start_mark else 1)
        begins = isinstance(event, yaml.DocumentStartEvent)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InputError(f"{file}: nested more than {MAX_DEPTH} levels deep; no manifest is")
    return lines


def _objects(value: Any, where: str) -> Iterator[Manifest]:
    """A List is taken apart."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise InputError(f"{where}: not a Kubernetes object; write its apiVersion, kind and metadata")
    items = value.get("items")
    if value["kind"].endswith("List") and isinstance(items, list):
        for item in items:
            yield from _objects(item, where)
    else:
        yield value


def _as_json(value: Any, where: str) -> Any:
    """The value as the API server would see it: a key is a string, a date is its text."""
    if not _is_bounded(value):
        raise InputError(f"{where}: more than {MAX_VALUES:,} values; split it, or write its aliases out")
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        raise InputError(f"{where}: {error}; write what JSON can hold") from None


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


def document(file: str, manifest: Manifest, namespace: str) -> Document:
    """One object; it is in `namespace` where it names none itself."""
    metadata = manifest.get("metadata")
    if isinstance(metadata, dict) and manifest["kind"] in NAMESPACED:
        metadata = {"namespace": namespace, **metadata}
        manifest = {**manifest, "metadata": metadata}
    known = metadata if isinstance(metadata, dict) else {}
    labels = known.get("labels")
    named = Document(
        file,
        manifest["kind"],
        known.get("namespace", ""),
        known.get("name", ""),
        labels if isinstance(labels, dict) else {},
    )
    if not str(manifest.get("apiVersion", "")).startswith(f"{GROUP}/"):
        return named
    if named.kind not in TYPES:
        unknown = f"kind: {GROUP} has no kind {named.kind!r}; write one of {', '.join(TYPES)}"
        return replace(named, problems=(unknown,))
    try:
        return replace(named, parsed=TYPES[named.kind].parse(manifest))
    except ValidationError as error:
        return replace(named, problems=tuple(problems(error, manifest)))
