"""How a managed model is reached: the address that its endpoint names, and where its key is."""

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from aistack.api.base import KeyRef
from aistack.resolved import ManagedModel

OPENAI = "https://api.openai.com/v1"


class Address(NamedTuple):
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Provider:
    """A direct provider's endpoint, in parts."""

    tls: bool
    address: Address
    authority: str
    """The Host header."""
    path: str
    """What stands before `/chat/completions`; an endpoint without a path means `/v1`."""

    @property
    def host_is_ip(self) -> bool:
        try:
            ipaddress.ip_address(self.address.host)
        except ValueError:
            return False
        return True


def key_of(model: ManagedModel) -> KeyRef | None:
    """Where the provider's key is; None for a provider without one, or with the pod's identity."""
    return model.managed.credentials.secret_key_ref if model.managed.credentials else None


def binding(place: object, reference: KeyRef | None) -> str:
    """A digest of the place that is called, in JSON, and of where the key is that goes there.

    What carries it in its name never changes half: an address and a key that change together reach a pod one
    after the other, and the old key must not go to the new address, nor the new key to the old one.
    """
    key = (reference.name, reference.key) if reference else ()
    return hashlib.sha256(json.dumps([place, key]).encode()).hexdigest()[:8]


def provider_of(model: ManagedModel) -> Provider:
    return provider_at(model.managed.endpoint or OPENAI)


def provider_at(endpoint: str) -> Provider:
    """`https://host/api/v1` as an OpenAI client takes it for its base URL."""
    url = urlsplit(endpoint)
    tls = url.scheme == "https"
    return Provider(
        tls=tls,
        address=Address(url.hostname or "", url.port or (443 if tls else 80)),
        authority=url.netloc.rpartition("@")[2],
        path=url.path.rstrip("/") or "/v1",
    )
