"""Kubernetes' own CEL types as plain values: a map of one entry, from the type to the value's text."""

from collections.abc import Mapping

Tagged = Mapping[str, str]


def untagged(value: Tagged, kind: str) -> str:
    """The text of a value of this kind; ValueError for a value of another."""
    found = dict(value)
    if kind not in found:
        raise ValueError(f"expected a {kind}, got {', '.join(found) or 'an empty map'}")
    return found[kind]
