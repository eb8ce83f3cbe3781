"""Prometheus' text format; https://prometheus.io/docs/instrumenting/exposition_formats."""

import re

_LABEL = re.compile(r'(?<!\w)(\w+)="((?:[^"\\]|\\.)*)"')


def labels(text: str) -> dict[str, str]:
    """By name, of what stands between a line's braces."""
    return dict(_LABEL.findall(text))
