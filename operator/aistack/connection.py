"""Where the API server is and who we are to it; the only module that imports `kubernetes`."""

import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
import yaml
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from aistack.errors import SettingsError

CREDENTIALS_SECONDS = 60.0
"""How long a token or certificate is used before its file is read again."""


@dataclass(slots=True)
class Credentials:
    """What the loaders of `kubernetes` fill in: the names are theirs."""

    host: str = ""
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    api_key: dict[str, str] = field(default_factory=dict)
    refresh_api_key_hook: Callable[["Credentials"], None] | None = None


class Connection:
    """Where the API server is and who we are to it. Rotated tokens and certificates are picked up."""

    def __init__(self, credentials: Credentials, reload: Callable[[], Awaitable[None]]) -> None:
        self.host = credentials.host.rstrip("/")
        self.proxy = credentials.proxy
        self.server_name = credentials.tls_server_name
        self.ssl = ssl.create_default_context()
        # Python 3.13 refuses authorities without a key identifier; Kubernetes' own clients don't.
        self.ssl.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not credentials.verify_ssl:
            self.ssl.check_hostname = False
            self.ssl.verify_mode = ssl.CERT_NONE
        self._credentials = credentials
        self._reload = reload
        self._load_certificates()
        self._fresh_until = time.monotonic() + CREDENTIALS_SECONDS

    async def headers(self) -> Mapping[str, str]:
        """The Authorization header; empty where a client certificate says who we are."""
        if time.monotonic() >= self._fresh_until:
            self._fresh_until = time.monotonic() + CREDENTIALS_SECONDS
            await self._reload()
            self._load_certificates()
        token = self._credentials.api_key.get("BearerToken")
        return {"Authorization": token.strip()} if token else {}

    def session(self, headers: Mapping[str, str]) -> aiohttp.ClientSession:
        """Connections to the server, as many as are asked for at once; the caller closes it."""
        connector = aiohttp.TCPConnector(ssl=self.ssl, limit=0, keepalive_timeout=90)
        return aiohttp.ClientSession(connector=connector, headers=headers, proxy=self.proxy)

    def expire(self) -> None:
        """The server took us for nobody: the next request reads the credentials again."""
        self._fresh_until = 0.0

    def _load_certificates(self) -> None:
        if self._credentials.ssl_ca_cert:
            self.ssl.load_verify_locations(self._credentials.ssl_ca_cert)
        if self._credentials.cert_file:
            self.ssl.load_cert_chain(self._credentials.cert_file, self._credentials.key_file)


async def connect(kubeconfig: str = "") -> Connection:
    """The connection that `kubeconfig` describes; without one, the pod's own, else ~/.kube/config.

    Exec plugins and token files are read again when they expire. SettingsError when there is none to use.
    """
    credentials = Credentials()
    try:
        if not kubeconfig and _in_cluster(credentials):
            return Connection(credentials, lambda: _reload_in_cluster(credentials))
        loader = await load_kube_config(kubeconfig or None, None, credentials, persist_config=False)
        return Connection(credentials, lambda: loader.load_and_set(credentials))
    except (AttributeError, TypeError) as error:
        # The loader takes the file's form for granted.
        raise _unusable(kubeconfig, "it does not have a kubeconfig's form") from error
    except (ConfigException, yaml.YAMLError, OSError) as error:
        raise _unusable(kubeconfig, " ".join(str(error).split())) from error


def _unusable(kubeconfig: str, why: str) -> SettingsError:
    where = kubeconfig or "~/.kube/config"
    return SettingsError(
        f"{where} leads to no API server: {why}; set KUBECONFIG to the file that `kubectl` uses"
    )


def _in_cluster(credentials: Credentials) -> bool:
    try:
        load_incluster_config(credentials)
    except ConfigException:
        return False
    return True


async def _reload_in_cluster(credentials: Credentials) -> None:
    if credentials.refresh_api_key_hook:
        credentials.refresh_api_key_hook(credentials)
