"""Formats of others that we write, as their own schemas have them.

`oscal-assessment-results-1.0.4.json` is json/schema/oscal_assessment-results_schema.json of
https://github.com/usnistgov/OSCAL at v1.0.4, unchanged: a work of NIST, in the public domain (CC0 1.0).
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

OSCAL = "oscal-assessment-results-1.0.4.json"
CLASSES = {r"\\p{L}": r"[^\\W\\d_]", r"\\p{N}": r"\\d"}
"""Classes of characters that patterns in JSON have and Python's don't."""


@cache
def _validator(schema: str) -> Draft7Validator:
    text = (Path(__file__).parent / schema).read_text()
    for theirs, ours in CLASSES.items():
        text = text.replace(theirs, ours)
    return Draft7Validator(json.loads(text), format_checker=Draft7Validator.FORMAT_CHECKER)


def problems(document: Any, schema: str) -> list[str]:
    """What the schema doesn't take, with where it stands; [] for a valid document."""
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in _validator(schema).iter_errors(document)
    ]
