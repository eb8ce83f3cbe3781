"""The few requests that starting a cluster needs, without the cost of a kubectl for each."""

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from .errors import RequestFailed


@dataclass(frozen=True)
class Client:
    server: str
    context: ssl.SSLContext

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def create(self, path: str, obj: dict[str, Any]) -> Any:
        return self.request("POST", path, obj)

    def request(self, verb: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The answer, parsed when it is JSON. RequestFailed for an error, OSError for none."""
        sent = urllib.request.Request(  # noqa: S310 - the server's address is ours and is https
            self.server + path,
            method=verb,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content_type},
        )
        try:
            with urllib.request.urlopen(sent, context=self.context, timeout=30) as answer:  # noqa: S310 - as above
                text, kind = answer.read(), answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            with error:
                raise RequestFailed(error.code, _reason(error.read().decode())) from None
        return json.loads(text) if kind == "application/json" else text.decode()


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError):
        return text
