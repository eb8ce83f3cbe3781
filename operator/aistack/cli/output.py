"""How a command answers: exit codes, text in colour on a terminal only, JSON and YAML for programs."""

import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, TextIO

import orjson
import yaml
from rich.console import Console, RenderableType
from rich.text import Text

PIPE_WIDTH = 4096  # columns; more than a message has


class Exit(IntEnum):
    """The exit codes of every command."""

    FINE = 0
    DENIED = 1
    BAD_INPUT = 2
    WARNED = 3


def show(*lines: RenderableType) -> None:
    """Writes to standard output."""
    _print(sys.stdout, lines)


def remark(*lines: RenderableType) -> None:
    """Writes to standard error what isn't part of the answer."""
    _print(sys.stderr, lines)


def complain(message: str) -> None:
    remark(f"error: {message}")


def columns(rows: Sequence[Sequence[str | Text]]) -> list[Text]:
    """The rows with their cells one below the other, two spaces apart; nothing trails a line."""
    texts = [[Text.assemble(cell) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        for cell, width in zip(row, widths, strict=True):
            cell.pad_right(width - cell.cell_len)
        line = Text("  ").join(cell for cell, width in zip(row, widths, strict=True) if width)
        line.rstrip()
        lines.append(line)
    return lines


def emit(text: str) -> None:
    """Writes a text to standard output exactly as it is."""
    sys.stdout.write(text)


def write(document: Any, output: str) -> None:
    """Writes one JSON-shaped value as `json` or `yaml`."""
    emit(as_json(document) if output == "json" else as_yaml([document]))


def as_json(document: Any) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_yaml(documents: list[Any]) -> str:
    """The documents in their own order of fields, several divided by ---."""
    return yaml.dump_all(documents, Dumper=_PlainDumper, sort_keys=False, width=110, allow_unicode=True)


class _PlainDumper(yaml.CSafeDumper):
    """Writes a value out each time it occurs, where YAML would write an alias, and a text line by line."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_PlainDumper.add_representer(str, _PlainDumper.represent_text)


def _print(stream: TextIO, lines: Iterable[RenderableType]) -> None:
    """Brackets in a line are no markup, and where nobody reads along nothing is cut or wrapped."""
    console = Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
        width=None if stream.isatty() else PIPE_WIDTH,
    )
    for line in lines:
        console.print(line)
