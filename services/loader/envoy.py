"""Envoy's admin interface, on a socket in the pod's memory volume."""

import http.client
import socket
from pathlib import Path

WAITING = "^cluster%5C.waiting-[^.]*%5C.upstream_rq_active$"
"""Requests that wait for a model that is at zero, or are answered after they have."""
LOGS = "^access_logs%5C.open_telemetry_access_log%5C.logs_(written|dropped)$"
"""What of the log its sink has taken, and what is lost."""
OURS = {
    "envoy_aistack_": "aistack_",
    "envoy_cluster_upstream_rq_active": "aistack_waiting_requests",
    "envoy_access_logs_open_telemetry_access_log_logs_written": "aistack_sink_records_written_total",
    "envoy_access_logs_open_telemetry_access_log_logs_dropped": "aistack_sink_records_dropped_total",
}
"""Names of metrics, by Envoy's."""
DEMAND = "^cluster%5C.(attempts|models?|waiting)-[^.]*%5C.upstream_rq_(active|completed|total)$"


class EnvoyDown(Exception):
    """Envoy's admin interface doesn't answer."""


class Admin:
    """Asks one Envoy; every method raises EnvoyDown when it doesn't answer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ready(self) -> bool:
        """Whether Envoy has started its listeners."""
        return self._request("GET", "/ready")[0] == http.client.OK

    def stats(self, prefixes: list[str]) -> dict[str, str]:
        """The statistics with these names, and those below them, as text."""
        pattern = "|".join(f"^{prefix.replace('.', '%5C.')}" for prefix in prefixes)
        _, text = self._request("GET", f"/stats?filter={pattern}")
        pairs = (line.partition(": ") for line in text.splitlines())
        return {name: value.strip().strip('"') for name, _, value in pairs}

    def metrics(self) -> str:
        """What Envoy counts of requests, in Prometheus' text format; its own prefix is left out."""
        _, text = self._request("GET", f"/stats/prometheus?filter=^aistack|{WAITING}|{LOGS}")
        for name, ours in OURS.items():
            text = text.replace(name, ours)
        return text.replace('{envoy_cluster_name="waiting-', '{model="')

    def demand(self) -> dict[str, int]:
        """The statistics of models by which it is known that somebody asks for them."""
        _, text = self._request("GET", f"/stats?usedonly&filter={DEMAND}")
        pairs = (line.partition(": ") for line in text.splitlines())
        return {name: int(value) for name, _, value in pairs}

    def begin_drain(self) -> None:
        """From now on every answer asks its client to close the connection."""
        self._request("POST", "/healthcheck/fail")

    def _request(self, method: str, path: str) -> tuple[int, str]:
        connection = _SocketConnection(self._path)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise EnvoyDown(f"Envoy's admin interface does not answer: {error}") from error
        finally:
            connection.close()


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
