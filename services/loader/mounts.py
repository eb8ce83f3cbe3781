"""What the pod has mounted: the configuration that the operator rendered, and the keys of the Secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATION = ("clusters.json", "egress.json", "routes.json", "version")


class BadMount(Exception):
    """What is mounted can't be used; the message says what, never a key."""


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of the pod."""

    config: Path
    """The mounted ConfigMap."""
    keys: Path
    """The mounted Secrets: `clients/<client>`, `providers/<model>/<name of the key in Envoy>` and
    `sink/<its name in Envoy>`; may be absent."""
    live: Path
    """In memory: where Envoy reads its files and listens for the loader."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The mounts at one moment. Keys are not shown."""

    files: Mapping[str, str]
    clients: Mapping[str, str] = field(repr=False)
    """Client name → key."""
    providers: Mapping[str, str] = field(repr=False)
    """Name of a provider's key in Envoy → key."""
    sink: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The same of the log sink's; empty where it wants none."""

    @property
    def version(self) -> str:
        """The operator's digest of the configuration."""
        return self.files["version"]


def read_version(places: Places) -> str:
    """The operator's digest of the mounted configuration, also where a key is unusable; else BadMount."""
    try:
        return (_current(places.config) / "version").read_text()
    except OSError as error:
        raise _absent(error) from error


def read_mounts(places: Places) -> Snapshot:
    """Reads both mounts; BadMount names what is missing or unusable.

    The kubelet changes a mount by pointing `..data` to a new folder: whoever follows that link once reads
    either the old content or the new one, never parts of both. It removes the old one, though, and a folder
    that vanishes looks like one without keys.
    """
    found = _current(places.config)
    key_root = _current(places.keys)
    try:
        files = {name: (found / name).read_text() for name in CONFIGURATION}
        of_clients, of_providers, of_sink = (
            sorted(key_root.glob(name)) for name in ("clients/*", "providers/*/*", "sink/*")
        )
        clients = {path.name: _key(path, f"client {path.name}") for path in of_clients}
        providers = {path.name: _key(path, f"provider {path.parent.name}") for path in of_providers}
        sink = {path.name: _secret(path, "the secret of the log sink") for path in of_sink}
    except OSError as error:
        raise _absent(error) from error
    if (_current(places.config), _current(places.keys)) != (found, key_root):
        raise BadMount("the mounts changed while they were read")
    _refuse_shared(clients)
    return Snapshot(files, clients, providers, sink)


def _absent(error: OSError) -> BadMount:
    return BadMount(f"{error.filename}: {error.strerror}")


def _current(mount: Path) -> Path:
    data = mount / "..data"
    return data.resolve() if data.is_symlink() else mount


def _key(path: Path, owner: str) -> str:
    name = f"the key of {owner}"
    key = _secret(path, name)
    if " " in key:
        raise BadMount(f"{name} has spaces in it; write one without into its Secret")
    return key


def _secret(path: Path, name: str) -> str:
    """What can be the value of a header."""
    try:
        secret = path.read_bytes().decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise BadMount(f"{name} is not ASCII; write another one into its Secret") from error
    if not secret:
        raise BadMount(f"{name} is empty; write one into its Secret")
    if not secret.isprintable():
        raise BadMount(f"{name} has control characters in it; write one without into its Secret")
    return secret


def _refuse_shared(clients: Mapping[str, str]) -> None:
    owners: dict[str, str] = {}
    for client, key in clients.items():
        other = owners.setdefault(key, client)
        if other != client:
            raise BadMount(f"clients {other} and {client} have the same key; give each its own")
