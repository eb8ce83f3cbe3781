"""AWS Signature Version 4, from the side of the one who checks it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from aiohttp import web

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str
    token: str | None


def is_signed(request: web.Request, body: bytes, credentials: Credentials, region: str, service: str) -> bool:
    """Whether these credentials signed this request for this region and service."""
    found = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if not found or request.headers.get("x-amz-security-token") != credentials.token:
        return False
    time = request.headers["x-amz-date"]
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    canonical = _canonical(request, body, found["headers"])
    text = "\n".join(("AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return (found["key"], found["scope"], found["signature"]) == (credentials.access_key, scope, signature)


def _canonical(request: web.Request, body: bytes, signed: str) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed.split(";"))
    return "\n".join(
        (
            request.method,
            quote(request.rel_url.raw_path, safe="/~"),  # encoded once more than it was sent
            urlencode(sorted(request.query.items()), quote_via=quote),
            headers,
            signed,
            hashlib.sha256(body).hexdigest(),
        )
    )
