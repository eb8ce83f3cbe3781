"""The status server: /ready, /live, /metrics and /demand."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from loader.envoy import Admin, EnvoyDown
from loader.state import State


def serve(state: State, admin: Admin, port: int) -> ThreadingHTTPServer:
    """Answers in a thread of its own until `shutdown()`; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            status, kind, text = answer(state, admin, self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Probes come every two seconds: they are not worth a line."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def answer(state: State, admin: Admin, path: str) -> tuple[HTTPStatus, str, str]:
    """Status, content type and body."""
    if path == "/ready":
        status = HTTPStatus.OK if state.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", state.report()
    if path == "/live":
        return HTTPStatus.OK, "application/json", state.report()
    if path == "/metrics":
        return HTTPStatus.OK, "text/plain; version=0.0.4", state.metrics() + _requests(admin)
    if path == "/demand":
        return _demand(admin)
    return HTTPStatus.NOT_FOUND, "text/plain", "write /ready, /live, /metrics or /demand\n"


def _demand(admin: Admin) -> tuple[HTTPStatus, str, str]:
    """While Envoy is down nobody knows."""
    try:
        return HTTPStatus.OK, "application/json", json.dumps(admin.demand())
    except EnvoyDown as problem:
        return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{problem}\n"


def _requests(admin: Admin) -> str:
    """While Envoy is down only the loader's own metrics are there."""
    try:
        return admin.metrics()
    except EnvoyDown:
        return ""
