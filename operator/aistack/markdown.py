"""Markdown out of what somebody else wrote."""

from xml.sax.saxutils import escape


def cell(text: str) -> str:
    """A table's cell: one line, and nothing of it is markup."""
    return escape(printable(text)).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")


def printable(text: str) -> str:
    """Without control characters: they sort before the space, which stands for them."""
    return "".join(max(letter, " ") for letter in text)
