"""What a pod says that exists in the API only: a server that answers at its address."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def answering(address: str, port: int, path: str, said: Callable[[], str]) -> Iterator[None]:
    """While the body runs, GET of this path is answered with what `said` gives then."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = said().encode()
            self.send_response(200 if self.path == path else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Every second one: not worth a line."""

    with ThreadingHTTPServer((address, port), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
