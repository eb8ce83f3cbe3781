"""What can't be served is refused with the field, what is wrong with it, and what to write instead."""

import re

import pytest
from pydantic import ValidationError

from aistack.api import AIStack
from aistack.api.validation import problems
from aistack.kinds import Manifest
from aistack.resolve import resolve
from tests.bad_stacks import BAD_STACKS, BadStack, valid_stack
from tests.stacks import catalog

each_bad_stack = pytest.mark.parametrize("bad", BAD_STACKS, ids=lambda bad: bad.id)


def refusals(manifest: Manifest) -> tuple[str, list[str]]:
    """Who refuses the stack, and in which words."""
    try:
        stack = AIStack.parse(manifest)
    except ValidationError as error:
        return "schema", problems(error, manifest)
    return "names", [str(problem) for problem in resolve(stack, catalog()).problems]


def test_the_stack_that_the_rows_change_is_served() -> None:
    assert refusals(valid_stack()) == ("names", [])


@each_bad_stack
def test_it_is_refused_at_its_field_in_words_that_help(bad: BadStack) -> None:
    by, lines = refusals(bad.manifest())
    assert by == bad.by, lines
    at_the_field = [line for line in lines if line.startswith(f"{bad.path}: ")]
    assert at_the_field, f"nothing is said of {bad.path}: {lines}"
    assert any(bad.says in line for line in at_the_field), at_the_field


@each_bad_stack
def test_every_refusal_says_what_to_do_instead(bad: BadStack) -> None:
    _, lines = refusals(bad.manifest())
    assert all(re.search(r"\b(write|leave|remove|create)\b", line) for line in lines), lines


def test_every_row_is_named_once_and_says_why() -> None:
    assert len({bad.id for bad in BAD_STACKS}) == len(BAD_STACKS) >= 40
    assert all(bad.why for bad in BAD_STACKS)
