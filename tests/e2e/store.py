"""What is kept from one run to the next: images, wheels, and the authority that the images trust."""

from datetime import timedelta
from pathlib import Path

from tests.controlplane import Authority, binaries

YEARS = timedelta(days=3650)
"""The base image holds the authority's certificate: a new one would build every image again."""


def store() -> Path:
    folder = binaries.cache_folder() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def authority() -> Authority:
    """Made once."""
    if not (store() / "authority.crt").exists():
        Authority.create("aistack-e2e", YEARS).pair.write(store(), "authority")
    return Authority.read(store(), "authority")
