"""`aistack audit verify`: whether a trail of decisions is whole."""

from pathlib import Path

from rich.text import Text

from aistack.cli.files import InputError
from aistack.cli.output import Exit, show
from aistack.trail import BrokenChain, follow


def verify(file: str, last: str) -> Exit:
    """DENIED where it isn't; `last` is the digest that the last record must have, if one was noted."""
    try:
        with Path(file).open("rb") as lines:
            chain = follow(lines)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except BrokenChain as error:
        show(Text(f"{file}: {error}", "red"))
        return Exit.DENIED
    end = chain.end
    for sequence in chain.torn:
        show(Text(f"{file}: line {sequence} holds a record that a crash tore; the chain goes on", "yellow"))
    if last and last != end.digest:
        show(Text(f"{file}: ends with {end.digest}, not with {last}: records are missing at the end", "red"))
        return Exit.DENIED
    show(Text(f"{file}: {end.sequence - len(chain.torn)} decisions, unbroken; the last is {end.digest}"))
    return Exit.FINE
