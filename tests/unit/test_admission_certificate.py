"""The certificate is renewed while requests go on; a broken renewal changes nothing."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path

import orjson
import pytest
from cryptography import x509

from aistack.admission.certificate import ServingCertificate
from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict
from aistack.admission.server import WebhookServer
from aistack.errors import SettingsError
from tests import reviews
from tests.controlplane.certificates import Authority, Pair
from tests.stacks import stack

AUTHORITY = Authority.create()
REVIEW = orjson.dumps(reviews.review(stack()))


def pair(valid_for: timedelta = timedelta(days=1)) -> Pair:
    return AUTHORITY.service("webhook", "aistack-system", valid_for)


def serial(made: Pair) -> int:
    return x509.load_pem_x509_certificate(made.certificate).serial_number


@pytest.fixture
def first() -> Pair:
    return pair()


@pytest.fixture
def served(first: Pair, tmp_path: Path) -> ServingCertificate:
    return ServingCertificate(*first.write(tmp_path, "tls"))


async def allow(_: AdmissionRequest) -> Verdict:
    return Verdict()


@asynccontextmanager
async def listening(served: ServingCertificate) -> AsyncIterator[int]:
    """A webhook with this certificate; gives its port."""
    async with WebhookServer(allow, served, lambda: True).serving(0, "127.0.0.1", drain=0) as port:
        yield port
    await asyncio.sleep(0.05)  # closed TLS connections say goodbye


class Connection:
    """One connection to the webhook; it trusts only AUTHORITY."""

    def __init__(self, port: int) -> None:
        context = ssl.create_default_context(cadata=AUTHORITY.pair.certificate.decode())
        self.http = HTTPSConnection("localhost", port, context=context, timeout=10)
        self.http.connect()
        certificate = self.http.sock.getpeercert(binary_form=True)
        assert isinstance(certificate, bytes)
        self.serial = x509.load_der_x509_certificate(certificate).serial_number

    def review(self) -> HTTPResponse:
        """Asks about a sound stack, which must be allowed."""
        self.http.request("POST", "/validate", REVIEW)
        answer = self.http.getresponse()
        assert orjson.loads(answer.read())["response"]["allowed"] is True
        return answer

    def is_ready(self) -> bool:
        self.http.request("GET", "/readyz")
        answer = self.http.getresponse()
        answer.read()
        return answer.status == 200


def reviewed_by(port: int) -> int:
    """The serial number of the certificate with which a new connection's review was answered."""
    connection = Connection(port)
    connection.review()
    connection.http.close()
    return connection.serial


async def seen(port: int) -> int:
    return await asyncio.to_thread(reviewed_by, port)


async def test_a_renewed_certificate_is_served_and_no_request_fails_meanwhile(
    served: ServingCertificate, first: Pair, tmp_path: Path
) -> None:
    second = pair()
    serials: list[int] = []

    async def load(port: int) -> None:
        while serial(second) not in serials[-1:]:
            serials.append(await seen(port))

    async with listening(served) as port, asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(load(port))
        serials.append(await seen(port))
        second.write(tmp_path, "tls")
        served.refresh()
    assert serials[0] == serial(first)
    assert set(serials) == {serial(first), serial(second)}


async def test_an_open_connection_outlives_a_renewal(
    served: ServingCertificate, first: Pair, tmp_path: Path
) -> None:
    async with listening(served) as port:
        open_one = await asyncio.to_thread(Connection, port)
        second = pair()
        second.write(tmp_path, "tls")
        served.refresh()
        assert await seen(port) == serial(second)
        await asyncio.to_thread(open_one.review)
        assert open_one.serial == serial(first)
        open_one.http.close()


@pytest.mark.parametrize("name", ["tls.key", "tls.crt"])
async def test_half_of_a_new_pair_is_not_served_but_the_whole_one_is(
    name: str,
    served: ServingCertificate,
    first: Pair,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    second = pair()
    async with listening(served) as port:
        half = second.key if name == "tls.key" else second.certificate
        (tmp_path / name).write_bytes(half)
        with caplog.at_level(logging.WARNING):
            served.refresh()
        assert "can't be used" in caplog.text
        assert await seen(port) == serial(first)
        second.write(tmp_path, "tls")
        served.refresh()
        assert await seen(port) == serial(second)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\n", None])
async def test_a_broken_or_missing_file_leaves_the_old_certificate(
    content: bytes | None, served: ServingCertificate, first: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "tls.crt"
    path.unlink() if content is None else path.write_bytes(content)
    served.refresh()
    async with listening(served) as port:
        assert await seen(port) == serial(first)


def test_an_unchanged_certificate_is_not_loaded_again(
    served: ServingCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        served.refresh()
    assert caplog.text == ""


def test_a_start_without_a_usable_pair_names_both_files(first: Pair, tmp_path: Path) -> None:
    certificate, key = first.write(tmp_path, "tls")
    key.write_bytes(pair().key)
    with pytest.raises(SettingsError, match=r"tls\.crt and key .*tls\.key can't be used .*belong together"):
        ServingCertificate(certificate, key)


async def test_a_webhook_with_an_expired_certificate_is_not_ready(tmp_path: Path) -> None:
    expired = ServingCertificate(*pair(timedelta(hours=-1)).write(tmp_path, "tls"))
    assert not expired.is_valid(datetime.now(UTC))
    assert not WebhookServer(allow, expired, lambda: True).ready()


async def test_a_webhook_is_not_ready_before_its_caches_are_filled(served: ServingCertificate) -> None:
    assert not WebhookServer(allow, served, lambda: False).ready()
    assert WebhookServer(allow, served, lambda: True).ready()


async def test_a_stopping_webhook_is_not_ready_but_still_answers(served: ServingCertificate) -> None:
    server = WebhookServer(allow, served, lambda: True)
    leave = asyncio.Event()

    async def run(port: asyncio.Future[int]) -> None:
        async with server.serving(0, "127.0.0.1", drain=60) as number:
            port.set_result(number)
            await leave.wait()

    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(run(port))
        connection = await asyncio.to_thread(Connection, await port)
        assert await asyncio.to_thread(connection.is_ready)
        leave.set()
        await asyncio.sleep(0.05)
        assert not await asyncio.to_thread(connection.is_ready)
        answer = await asyncio.to_thread(connection.review)
        assert answer.headers["Connection"] == "close", "the next request goes to another replica"
        connection.http.close()
        serving.cancel()
    await asyncio.sleep(0.05)
