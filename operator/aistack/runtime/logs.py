"""Logs: one line an event, as text for people or JSON for machines, with the stack that it is about."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

import orjson

_about: ContextVar[Mapping[str, str | int]] = ContextVar("about", default=MappingProxyType({}))
COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}
RESET = "\x1b[0m"


@contextmanager
def about(**fields: str | int) -> Iterator[None]:
    """Everything logged inside names these fields: `stack`, `generation`, `reconcile`."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def set_up(log_format: str, level: str, stream: TextIO = sys.stderr) -> None:
    """Sends every logger to `stream`. An empty format is text on a terminal and JSON elsewhere."""
    terminal = stream.isatty()
    as_text = log_format == "text" or (not log_format and terminal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter(colour=terminal) if as_text else JSONFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the fields of `about`, its own, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_about.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class TextFormatter(logging.Formatter):
    """Time, level, message, and the fields of `about` at the end; coloured by level on a terminal."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower():7}"
        if self._colour and record.levelno in COLOURS:
            level = f"{COLOURS[record.levelno]}{level}{RESET}"
        fields = "".join(f" {name}={value}" for name, value in _about.get().items())
        line = f"{_time(record)} {level} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    """RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
