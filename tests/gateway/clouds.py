"""The clouds' hosts as the adapter sees them: each speaks its provider's protocol, and lets nobody in who
doesn't prove who he is in its own way. Written from the providers' public references.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.gateway import sigv4
from tests.gateway.certificates import Certificates
from tests.gateway.eventstream import encoded
from tests.gateway.front import HOST
from tests.gateway.stand_in import USAGE, Asked

ANSWER = "Good day."
"""What every provider answers, for 11 tokens and 3."""
WORDS = "not in this way"
"""What a model says with any other status."""
KEY = "key-of-acme"
REGION = "eu-central-1"
SESSION = sigv4.Credentials("ASIAFORTESTS", "secret-of-the-session", "token-of-the-session")
ROLE = "arn:aws:iam::123456789012:role/caller"
IDENTITY = "token-of-the-service-account"
"""What a cluster writes into the pods of a ServiceAccount that a cloud knows."""
TENANT = "11111111-2222-3333-4444-555555555555"
ENTRA, GOOGLE = "https://login.microsoftonline.com", "https://oauth2.googleapis.com/token"
ENTRA_TOKEN, GOOGLE_TOKEN = "token-of-entra", "ya29.token-of-google"
ACCOUNT = "caller@acme.iam.gserviceaccount.com"
SSE, EVENT_STREAM = "text/event-stream", "application/vnd.amazon.eventstream"
VECTOR = [0.25, -0.5]
Handler = Callable[["Clouds", web.Request], Awaitable[web.StreamResponse]]


class Clouds:
    """All hosts on one port, behind a proxy that leads every name there; `authority` signed for them."""

    def __init__(self, folder: Path) -> None:
        self._certificates = Certificates(folder, *map(x509.DNSName, HOSTS))
        self.authority = self._certificates.authority
        self.asked: list[Asked] = []
        """Each path is behind its host."""
        self.refusal = 0
        """A status that every model answers with, who has proved who he is."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def service_account(self) -> str:
        """The JSON of a key of Google's."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        fields = {"type": "service_account", "project_id": "acme", "private_key_id": "1"}
        return json.dumps(
            {**fields, "private_key": private.decode(), "client_email": ACCOUNT, "token_uri": GOOGLE}
        )

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0, ssl_context=self._certificates.context).start()
        metadata = web.Application()
        metadata.router.add_get("/{path:.*}", self._metadata)
        self._node = web.AppRunner(metadata, access_log=None, shutdown_timeout=0.1)
        await self._node.setup()
        await web.TCPSite(self._node, HOST, 0).start()
        self.metadata = f"{HOST}:{self._node.addresses[0][1]}"
        self._proxy = await asyncio.start_server(self._lead, HOST, 0)
        self.proxy = f"http://{HOST}:{self._proxy.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._proxy.close()
        await self._node.cleanup()
        await self._runner.cleanup()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A proxy's CONNECT, whatever host it names."""
        await reader.readuntil(b"\r\n\r\n")
        inner, outer = await asyncio.open_connection(*self._runner.addresses[0][:2])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pipe(reader, outer), _pipe(inner, writer))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        host = request.host.removesuffix(":443")
        headers = {name.lower(): value for name, value in request.headers.items()}
        is_json = request.content_type == "application/json"
        self.asked.append(Asked(f"{host}{request.path}", headers, await request.json() if is_json else {}))
        return await HOSTS[host](self, request)

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        _demand(request.headers.get("x-api-key") == KEY and "anthropic-version" in request.headers)
        body = await self._asked_for(request)
        usage = {"input_tokens": 11, "output_tokens": 3}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
        if body.get("stream"):
            return await _sent(request, SSE, *map(_named, _anthropic_events(message, usage)))
        content = [{"type": "text", "text": ANSWER}]
        return web.json_response({**message, "content": content, "stop_reason": "end_turn", "usage": usage})

    async def _azure(self, request: web.Request) -> web.StreamResponse:
        by_key = request.headers.get("api-key") == KEY
        _demand(by_key or request.headers.get("authorization") == f"Bearer {ENTRA_TOKEN}")
        _demand(request.query["api-version"] == "2026-01-01")
        body = await self._asked_for(request)
        if request.path == "/openai/deployments/embedder/embeddings":
            return _embedding(body)
        _demand(request.path == "/openai/deployments/gpt-5/chat/completions")
        if body.get("stream"):
            _demand(body["stream_options"] == {"include_usage": True})
            return await _sent(request, SSE, *_completion_events())
        return _completion(body)

    async def _entra(self, request: web.Request) -> web.Response:
        """A pod's token for one of Azure's."""
        if request.method == "GET":
            place = f"{ENTRA}/{TENANT}"
            known = {"tenant_discovery_endpoint": f"{place}/v2.0/.well-known/openid-configuration"}
            token = {"token_endpoint": f"{place}/oauth2/v2.0/token", "issuer": f"{place}/v2.0"}
            return web.json_response(
                {**known, **token, "authorization_endpoint": f"{place}/oauth2/v2.0/authorize", "metadata": []}
            )
        form = await request.post()
        _demand(form["client_assertion"] == IDENTITY and form["client_id"] == "caller")
        _demand("https://cognitiveservices.azure.com/.default" in str(form["scope"]).split())
        return web.json_response({"access_token": ENTRA_TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    async def _sts(self, request: web.Request) -> web.Response:
        """A pod's token for a session's credentials."""
        form = parse_qs(await request.text())
        _demand(form["Action"] == ["AssumeRoleWithWebIdentity"] and form["RoleArn"] == [ROLE])
        _demand(form["WebIdentityToken"] == [IDENTITY])
        return web.Response(
            content_type="text/xml",
            text=f"""\
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{SESSION.access_key}</AccessKeyId><SecretAccessKey>{SESSION.secret_key}</SecretAccessKey>
<SessionToken>{SESSION.token}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>""",
        )

    async def _bedrock(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            _demand(sigv4.is_signed(request, await request.read(), SESSION, REGION, "bedrock"))
        await self._asked_for(request)
        usage = {"inputTokens": 11, "outputTokens": 3, "totalTokens": 14}
        if request.path.endswith("/converse-stream"):
            return await _sent(request, EVENT_STREAM, *_converse_events(usage))
        _demand(request.path.endswith("/converse"))
        message = {"role": "assistant", "content": [{"text": ANSWER}]}
        whole = {"output": {"message": message}, "stopReason": "end_turn", "metrics": {"latencyMs": 1}}
        return web.json_response({**whole, "usage": usage})

    async def _sagemaker(self, request: web.Request) -> web.StreamResponse:
        _demand(sigv4.is_signed(request, await request.read(), SESSION, REGION, "sagemaker"))
        body = await self._asked_for(request)
        if request.path == "/endpoints/acme-llama/invocations-response-stream":
            parts = (
                encoded("PayloadPart", "application/octet-stream", each) for each in _completion_events()
            )
            return await _sent(request, EVENT_STREAM, *parts)
        _demand(request.path == "/endpoints/acme-llama/invocations")
        return _completion(body)

    async def _google(self, request: web.Request) -> web.Response:
        """A token that the account's key signed (RFC 7523) for one of Google's."""
        form = await request.post()
        head, claims, signature = str(form["assertion"]).split(".")
        with suppress(InvalidSignature):
            signed = f"{head}.{claims}".encode()
            self._key.public_key().verify(_decoded(signature), signed, padding.PKCS1v15(), hashes.SHA256())
            said = json.loads(_decoded(claims))
            _demand(said["iss"] == ACCOUNT and said["aud"] == GOOGLE)
            return web.json_response(
                {"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            )
        raise web.HTTPUnauthorized

    async def _metadata(self, request: web.Request) -> web.Response:
        """Google's metadata server on a node, for a pod whose ServiceAccount Google knows."""
        _demand(request.headers.get("metadata-flavor") == "Google")
        flavor = {"metadata-flavor": "Google"}
        token = {"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        account = {"email": ACCOUNT, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        answers: dict[str, Any] = {"token": token, "": account, "project-id": "acme"}
        found = answers[request.path.rpartition("/")[2]]
        if isinstance(found, str):
            return web.Response(text=found, headers=flavor)
        return web.json_response(found, headers=flavor)

    async def _vertex(self, request: web.Request) -> web.StreamResponse:
        _demand(request.headers.get("authorization") == f"Bearer {GOOGLE_TOKEN}")
        place = "/v1/projects/acme/locations/europe-west4/publishers/google/models/gemini-pro"
        await self._asked_for(request)
        if request.path == f"{place}:streamGenerateContent":
            _demand(request.query["alt"] == "sse")
            *begin, end = ANSWER.partition(" ")
            said = [*map(_candidates, begin), _last_candidates(end)]
            return await _sent(request, SSE, *map(_event, said))
        _demand(request.path == f"{place}:generateContent")
        return web.json_response(_last_candidates(ANSWER))

    async def _asked_for(self, request: web.Request) -> Any:
        """The body, unless its model refuses."""
        if self.refusal:
            text = json.dumps({"error": {"type": "refused", "message": WORDS}})
            refused = web.HTTPBadRequest(text=text, content_type="application/json")
            refused.set_status(self.refusal)
            raise refused
        return await request.json()


def _demand(holds: object) -> None:
    if not holds:
        text = json.dumps({"error": {"type": "authentication_error", "message": "you are not who you say"}})
        raise web.HTTPForbidden(text=text, content_type="application/json")


def _anthropic_events(message: dict[str, Any], usage: dict[str, int]) -> Iterator[dict[str, Any]]:
    begin = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begin}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in ANSWER.partition(" "):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    yield {"type": "message_stop"}


def _converse_events(usage: dict[str, int]) -> Iterator[bytes]:
    words = [{"contentBlockIndex": 0, "delta": {"text": word}} for word in ANSWER.partition(" ")]
    said: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        *(("contentBlockDelta", word) for word in words),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    ]
    for name, event in said:
        yield encoded(name, "application/json", json.dumps(event).encode())


def _completion_events() -> Iterator[bytes]:
    """In OpenAI's form."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "a-model"}
    for word in ANSWER.partition(" "):
        yield _event({**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _event({**head, "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _candidates(text: str, **fields: str) -> dict[str, Any]:
    """In Gemini's form."""
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"content": content, "index": 0, **fields}]}


def _last_candidates(text: str) -> dict[str, Any]:
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 3, "totalTokenCount": 14}
    return {**_candidates(text, finishReason="STOP"), "usageMetadata": usage}


def _event(said: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(said)}\n\n".encode()


def _named(said: dict[str, Any]) -> bytes:
    return f"event: {said['type']}\n".encode() + _event(said)


async def _sent(request: web.Request, content_type: str, *events: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": content_type})
    await response.prepare(request)
    for event in events:
        await response.write(event)
    await response.write_eof()
    return response


def _embedding(body: Any) -> web.Response:
    """In OpenAI's form, of one text."""
    vector = {"object": "embedding", "index": 0, "embedding": VECTOR}
    usage = {"prompt_tokens": 11, "total_tokens": 11}
    return web.json_response({"object": "list", "data": [vector], "model": body["model"], "usage": usage})


def _completion(body: Any) -> web.Response:
    """In OpenAI's form."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": body.get("model", "")}
    return web.json_response({**whole, "choices": [choice], "usage": USAGE})


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    writer.close()


HOSTS: dict[str, Handler] = {
    "api.anthropic.com": Clouds._anthropic,
    "acme.openai.azure.com": Clouds._azure,
    "login.microsoftonline.com": Clouds._entra,
    f"sts.{REGION}.amazonaws.com": Clouds._sts,
    f"bedrock-runtime.{REGION}.amazonaws.com": Clouds._bedrock,
    f"runtime.sagemaker.{REGION}.amazonaws.com": Clouds._sagemaker,
    "oauth2.googleapis.com": Clouds._google,
    "europe-west4-aiplatform.googleapis.com": Clouds._vertex,
}
