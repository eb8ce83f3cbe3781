"""Golden texts of `aistack cost`: a file with a stack and its prices, and beside it what is said of it.

The texts are written by `make golden` only, and read in review.
"""

import io
from contextlib import redirect_stdout
from pathlib import Path

from aistack.cli.parser import main

FOLDER = Path(__file__).parent


def cases() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def text(case: Path) -> str:
    """What `aistack cost` says of the file."""
    said = io.StringIO()
    with redirect_stdout(said):
        main(["cost", str(case)])
    return said.getvalue()


def golden(case: Path) -> Path:
    """Where it stands what it should say."""
    return case.with_suffix(".txt")
