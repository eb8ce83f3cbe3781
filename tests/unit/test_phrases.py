"""Allowed phrases in texts and streams: what reaches beyond them is found as ever."""

import re
from collections.abc import Iterator
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from aistack.render.gateway.phrases import HIDDEN, Phrases, Span, lower

EMAIL = re.compile(r"[\w.]+@[\w.]+\w")


def denies(words: list[str], text: str) -> bool:
    """As deniedWords does: in any case, also within longer words."""
    return any(word in lower(text) for word in words)


def places(word: str, text: str) -> Iterator[Span]:
    return ((at, at + len(word)) for at in range(len(text)) if lower(text).startswith(word, at))


def allowed_in(phrases: list[str], text: str) -> list[Span]:
    """Where a phrase stands as whole words."""
    found = (place for phrase in phrases for place in places(lower(phrase), text))
    return [
        (start, end)
        for start, end in found
        if not is_within_a_word(text, start) and not is_within_a_word(text, end)
    ]


def is_within_a_word(text: str, at: int) -> bool:
    return bool(re.fullmatch(r"\w\w", text[max(at - 1, 0) : at + 1]))


few = st.text("abB .@", min_size=1, max_size=6)
phrases = st.lists(few, max_size=4)
denied = st.lists(few.map(lower), max_size=3)
texts = st.text("abAB .@", max_size=40)


@given(phrases, denied, texts)
@example(["tuna salad"], ["tuna salad recipe"], "A tuna salad recipe")
@example(["project tuna", "tuna salad"], ["tuna"], "project tuna salad")
@example(["ana"], ["ana"], "banana")
def test_a_denied_word_is_refused_unless_each_stands_within_a_phrase(
    allowed: list[str], words: list[str], text: str
) -> None:
    spans = allowed_in(allowed, text)
    outside = [
        (start, end)
        for word in words
        for start, end in places(word, text)
        if not any(first <= start and end <= last for first, last in spans)
    ]
    hidden = Phrases(allowed, words).hide(text)
    assert denies(words, hidden) == bool(outside)
    assert Phrases(allowed, words).beyond(text, outside) == outside


@given(phrases, denied, texts)
def test_only_letters_of_phrases_are_hidden_each_in_its_place(
    allowed: list[str], words: list[str], text: str
) -> None:
    hidden = Phrases(allowed, words).hide(text)
    assert len(hidden) == len(text)
    changed = {at for at, letter in enumerate(hidden) if letter != text[at]}
    assert {hidden[at] for at in changed} <= {HIDDEN}
    assert changed <= {at for start, end in allowed_in(allowed, text) for at in range(start, end)}


@given(phrases, texts.flatmap(lambda text: st.tuples(st.just(text), st.lists(st.integers(0, len(text))))))
@example(["a b"], ("xa b", [2, 3]))
@example(["@", "a"], ("@A", [1]))
@example([" a", "  "], ("  A", [2]))
def test_a_stream_waits_for_what_may_become_a_phrase_and_for_nothing_else(
    allowed: list[str], chunked: tuple[str, list[int]]
) -> None:
    """However a text comes, what has gone on has the phrases that the whole has, none of them in part."""
    text, cuts = chunked
    known = Phrases(allowed)
    waiting, said, come = Phrases.nothing, "", ""
    for first, last in pairwise(sorted({0, *cuts, len(text)})):
        now, waiting = known.take(waiting, text[first:last], last=False)
        said, come = said + now, text[:last]
        assert said + waiting.text == come
        assert all(end <= len(said) for start, end in allowed_in(allowed, text) if start < len(said))
        assert [each for each in allowed_in(allowed, said) if each not in allowed_in(allowed, text)] == []
        assert not waiting.text or may_become(allowed, come, len(said))
    rest, waiting = known.take(waiting, "", last=True)
    assert (said + rest, waiting.text) == (text, "")


def may_become(allowed: list[str], text: str, at: int) -> bool:
    """Or is one, and another may begin within it."""
    begins = any(lower(phrase).startswith(lower(text[at:])) for phrase in allowed)
    is_one = any(start == at for start, _ in allowed_in(allowed, text))
    return (begins or is_one) and not is_within_a_word(text, at)


@given(st.text(), st.text())
@example("ΟΔΟΣ", "Δ")
@example("İ", "stanbul")
def test_lower_case_is_a_matter_of_each_letter(first: str, second: str) -> None:
    assert lower(first) + lower(second) == lower(first + second)
    assert len(lower(first)) == len(first)


def test_what_reaches_beyond_an_address_is_another_address() -> None:
    allowed = Phrases(["help@acme.com"])

    def found(text: str) -> list[str]:
        spans = [match.span() for match in EMAIL.finditer(text)]
        return [text[start:end] for start, end in allowed.beyond(text, spans)]

    assert found("Write to HELP@acme.com, or help@acme.com.") == []
    for other in ("john.help@acme.com", "help@acme.com.uk", "help@acme.community"):
        assert found(f"Write to {other}, not help@acme.com") == [other]


def test_a_letter_that_has_two_in_lower_case_hides_no_word() -> None:
    """LiteLLM's lower case of a denied İ has a dot of its own, and a client may write either."""
    known = Phrases(["tower"], ["İstanbul tower".lower()])
    for text in ("İstanbul tower", "i\u0307stanbul tower", "istanbul tower"):
        assert known.hide(text) == text
    assert known.hide("the tower") == f"the {HIDDEN * 5}"


def test_a_wildcard_of_a_denied_word_reaches_into_a_phrase() -> None:
    assert Phrases(["b c"], ["a*b"]).hide("a b c") == "a b c"
    assert Phrases(["b c"], ["a*b"]).hide("e b c") == f"e {HIDDEN * 3}"
