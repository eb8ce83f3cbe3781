"""Formats of others that we write, as their own schemas have them.

`oscal-1.0.4.json` is NIST's schema of all OSCAL documents (a work of NIST, in the public domain), unchanged
as it stands in the Go module github.com/defenseunicorns/go-oscal v0.6.2.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

OSCAL = Path(__file__).parent / "oscal-1.0.4.json"
CLASSES = {r"\\p{L}": r"[^\\W\\d_]", r"\\p{N}": r"\\d"}
"""Classes of characters that patterns in JSON have and Python's don't."""


@cache
def _assessment_results() -> Draft7Validator:
    text = OSCAL.read_text()
    for theirs, ours in CLASSES.items():
        text = text.replace(theirs, ours)
    whole = json.loads(text)
    (root,) = (each for each in whole["oneOf"] if "assessment-results" in each["properties"])
    return Draft7Validator(
        {"definitions": whole["definitions"], **root}, format_checker=Draft7Validator.FORMAT_CHECKER
    )


def oscal_problems(document: Any) -> list[str]:
    """What the schema of assessment results doesn't take, with where it stands; [] for a valid document."""
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in _assessment_results().iter_errors(document)
    ]
