"""What the environment says; the only reader of it."""

import os
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from aistack.errors import SettingsError

T = TypeVar("T")

AN_ADDRESS = "http://otel.monitoring.svc:4318/v1/traces"
LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the operator's programs run; each field's comment names its variable and default."""

    kubeconfig: str
    """KUBECONFIG: a kubeconfig file. Default: the pod's ServiceAccount, else ~/.kube/config."""
    namespace: str
    """AISTACK_NAMESPACE: where the operator runs and keeps its Lease. Default: aistack-system."""
    lease: str
    """AISTACK_LEASE: the Lease's name. Default: aistack-controller."""
    identity: str
    """AISTACK_IDENTITY: who holds the Lease. Default: the host's name and a random end."""
    workers: int
    """AISTACK_WORKERS: stacks reconciled at once, 1 to 64. Default: 16."""
    resync: float
    """AISTACK_RESYNC_SECONDS: how often everything is listed again, 10 to 86400. Default: 600."""
    reservation: float
    """AISTACK_RESERVATION_SECONDS: how long a budget waits for a spec that was admitted, 1 to 3600;
    longer than the API server's request timeout. Default: 90."""
    loader_patience: float
    """AISTACK_LOADER_SECONDS: how long a gateway's loader may be silent until its configuration counts as
    live without its word, 1 to 600. Default: 10."""
    metering: float
    """AISTACK_METERING_SECONDS: how often what stacks have cost is read, 1 to 3600. Default: 120."""
    traces: str
    """AISTACK_TRACES: where gateways send spans by OTLP over HTTP: the address of a collector, such as
    http://otel.monitoring.svc:4318/v1/traces. Default: nowhere (empty)."""
    traces_percent: float
    """AISTACK_TRACES_PERCENT: of how many requests that come without a trace, 0 to 100. Default: 10."""
    metrics_port: int
    """AISTACK_METRICS_PORT: where /metrics, /healthz and /readyz are; 0 is any. Default: 8080."""
    webhook_port: int
    """AISTACK_WEBHOOK_PORT: where the webhook listens; 0 is any. Default: 9443."""
    webhook_certificate: Path
    """AISTACK_WEBHOOK_CERTIFICATE: its certificate. Default: /etc/aistack/tls/tls.crt."""
    webhook_key: Path
    """AISTACK_WEBHOOK_KEY: the certificate's key. Default: /etc/aistack/tls/tls.key."""
    admission_policies: bool
    """AISTACK_ADMISSION_POLICIES: on or off: policies also become the API server's. Default: off."""
    decisions: Path | None
    """AISTACK_DECISIONS: a file to which the webhook appends every decision. Default: none."""
    log_format: str
    """AISTACK_LOG_FORMAT: text or json. Default: text on a terminal, json elsewhere (empty)."""
    log_level: str
    """AISTACK_LOG_LEVEL: debug, info, warning or error. Default: info."""


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. SettingsError names the variable and says what to write."""
    read = _Reader(os.environ if environment is None else environment)
    return Settings(
        kubeconfig=read.text("KUBECONFIG", ""),
        namespace=read.text("AISTACK_NAMESPACE", "aistack-system"),
        lease=read.text("AISTACK_LEASE", "aistack-controller"),
        identity=read.text("AISTACK_IDENTITY", f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"),
        workers=read.number("AISTACK_WORKERS", 16, int, 1, 64),
        resync=read.number("AISTACK_RESYNC_SECONDS", 600.0, float, 10, 86_400),
        reservation=read.number("AISTACK_RESERVATION_SECONDS", 90.0, float, 1, 3600),
        loader_patience=read.number("AISTACK_LOADER_SECONDS", 10.0, float, 1, 600),
        metering=read.number("AISTACK_METERING_SECONDS", 120.0, float, 1, 3600),
        traces=read.address("AISTACK_TRACES"),
        traces_percent=read.number("AISTACK_TRACES_PERCENT", 10.0, float, 0, 100),
        metrics_port=read.number("AISTACK_METRICS_PORT", 8080, int, 0, 65_535),
        webhook_port=read.number("AISTACK_WEBHOOK_PORT", 9443, int, 0, 65_535),
        webhook_certificate=Path(read.text("AISTACK_WEBHOOK_CERTIFICATE", "/etc/aistack/tls/tls.crt")),
        webhook_key=Path(read.text("AISTACK_WEBHOOK_KEY", "/etc/aistack/tls/tls.key")),
        admission_policies=read.choice("AISTACK_ADMISSION_POLICIES", "off", ("on", "off")) == "on",
        decisions=Path(name) if (name := read.text("AISTACK_DECISIONS", "")) else None,
        log_format=read.choice("AISTACK_LOG_FORMAT", "", LOG_FORMATS),
        log_level=read.choice("AISTACK_LOG_LEVEL", "info", LOG_LEVELS),
    )


class _Reader:
    """Reads variables; an empty one counts as not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def address(self, name: str) -> str:
        value = self.text(name, "")
        try:
            url = urlsplit(value)
            usable = url.scheme in {"http", "https"} and bool(url.hostname and url.path and url.port != 0)
        except ValueError:
            usable = False
        if value and not usable:
            raise SettingsError(f"{name} is {value!r}; write an address such as {AN_ADDRESS}")
        return value

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default).lower()
        if value != default and value not in choices:
            raise SettingsError(f"{name} is {value!r}; write one of {', '.join(choices)}")
        return value

    def number(self, name: str, default: T, parse: Callable[[str], T], low: float, high: float) -> T:
        text = self.text(name, "")
        try:
            value = parse(text) if text else default
        except ValueError:
            value = None
        if not isinstance(value, int | float) or not low <= value <= high:
            kind = "a whole number" if parse is int else "a number"
            raise SettingsError(f"{name} is {text!r}; write {kind} from {low} to {high}")
        return value
