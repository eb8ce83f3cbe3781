"""Log lines for people and for machines."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from aistack.runtime.logs import about, set_up

logger = logging.getLogger("aistack.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    # set_up takes the handlers away, and closing pytest's own would end its capturing.
    root.handlers = []
    yield
    root.handlers, root.level = handlers, level


def test_a_json_line_names_the_stack_the_generation_and_the_run() -> None:
    stream = io.StringIO()
    set_up("json", "info", stream)
    with about(stack="care/support", generation=7, reconcile="ab12"):
        logger.info("applied %d objects", 3)
    logger.info("idle")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "applied 3 objects"
    assert (first["stack"], first["generation"], first["reconcile"]) == ("care/support", 7, "ab12")
    assert first["level"] == "info"
    assert "stack" not in second


def test_an_exception_stays_on_its_json_line() -> None:
    stream = io.StringIO()
    set_up("json", "info", stream)
    try:
        int("none")
    except ValueError:
        logger.exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("", io.StringIO(), True),
        ("", Terminal(), False),
        ("text", io.StringIO(), False),
        ("json", Terminal(), True),
    ],
    ids=["file", "terminal", "text asked for", "json asked for"],
)
def test_text_is_for_terminals_unless_asked_for(log_format: str, stream: io.StringIO, is_json: bool) -> None:
    set_up(log_format, "info", stream)
    logger.info("hello")
    assert stream.getvalue().startswith("{") == is_json


def test_colour_is_for_terminals_only() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        logging.getLogger().handlers = []
        set_up("text", "info", stream)
        with about(stack="care/support"):
            logger.warning("careful")
    assert "\x1b[33m" in terminal.getvalue()
    assert "\x1b" not in file.getvalue()
    assert file.getvalue().endswith("warning careful stack=care/support\n")


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    set_up("text", "warning", stream)
    logger.info("details")
    assert stream.getvalue() == ""
