"""Where allowed phrases stand in a text. Runs inside LiteLLM, for content_filter.py.

A phrase stands there as whole words, in any case. It allows what is found within it, and nothing that reaches
beyond it: of john.help@example.com not help@example.com, of "tuna salad recipe" not "tuna salad".
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

Span = tuple[int, int]
"""Where something begins in a text, and where it has ended."""
EDGE = re.compile(r"(?!(?<=\w)\w)")
"""Not within a word."""
HIDDEN = "\ue000"
"""Stands for a letter that is not looked at: of Unicode's private use, so it is part of no word."""


class Waiting(NamedTuple):
    """What of a stream may become a phrase, and the letter before it."""

    before: str
    text: str


class Phrases:
    """Phrases that are allowed, and the words that are not: `*` in one stands for a letter or none."""

    nothing = Waiting("", "")
    """What waits at the beginning of a stream."""

    def __init__(self, allowed: Iterable[str], denied: Iterable[str] = ()) -> None:
        self._allowed = sorted({lower(phrase) for phrase in allowed})
        self._longest = max(map(len, self._allowed), default=0)
        longest_first = sorted(self._allowed, key=len, reverse=True)
        self._spans = re.compile(
            f"{EDGE.pattern}(?=({'|'.join(map(re.escape, longest_first))}){EDGE.pattern})"
        )
        self._denied = [re.compile(_pattern(word)) for word in denied]

    def beyond(self, text: str, found: Iterable[Span]) -> list[Span]:
        """What is found in a text and does not lie within one phrase."""
        spans = self._in(text)
        starts = [start for start, _ in spans]
        reach = [0, *accumulate((end for _, end in spans), max)]
        return [(start, end) for start, end in found if reach[bisect_right(starts, start)] < end]

    def hide(self, text: str) -> str:
        """The text without its phrases, letter by letter; a phrase that a word reaches into from outside
        stays, for that would not be found any more.
        """
        spans = self._in(text)
        if not spans:
            return text
        reached = bytearray(len(text))
        for start, end in self.beyond(text, self._words(lower(text))):
            reached[start:end] = b"\1" * (end - start)
        letters = list(text)
        for start, end in spans:
            if not any(reached[start:end]):
                letters[start:end] = HIDDEN * (end - start)
        return "".join(letters)

    def take(self, waiting: Waiting, text: str, *, last: bool) -> tuple[str, Waiting]:
        """What of a stream may be looked at when `text` comes, and what waits for more of it: the beginning
        of a phrase, or a whole one as long as its last word may go on.
        """
        known, said = waiting.before + waiting.text + text, len(waiting.before)
        end = len(known) if last else self._settled(lower(known), said)
        return known[said:end], Waiting(known[:end][-1:], known[end:])

    def _in(self, text: str) -> list[Span]:
        """In order; of those that begin together the longest, within which the others lie."""
        return [match.span(1) for match in self._spans.finditer(lower(text))]

    def _words(self, text: str) -> Iterator[Span]:
        """Also those that lie within others."""
        for pattern in self._denied:
            match = pattern.search(text)
            while match:
                yield match.span()
                match = pattern.search(text, match.start() + 1)

    def _settled(self, text: str, start: int) -> int:
        ends = range(max(start, len(text) - self._longest), len(text))
        begins = (at for at in ends if EDGE.match(text, at) and self._is_beginning(text[at:]))
        settled = next(begins, len(text))
        for first, end in reversed(self._in(text)):
            if start <= first < settled < end:
                settled = first
        return settled

    def _is_beginning(self, text: str) -> bool:
        at = bisect_left(self._allowed, text)
        return at < len(self._allowed) and self._allowed[at].startswith(text)


def lower(text: str) -> str:
    """In lower case, letter by letter: as long as before, and the same whatever comes after."""
    return text.replace("İ", "i").lower().replace("ς", "\N{GREEK SMALL LETTER SIGMA}")


def _pattern(word: str) -> str:
    """LiteLLM has made two letters of an İ."""
    return re.escape(lower(word)).replace(r"\*", ".?").replace("i\u0307", "i\u0307?")
