"""The webhook's serving certificate, renewed in place while requests go on.

cert-manager (or an administrator) replaces the files; every handshake after the next look uses the new pair.
The listener and the open connections stay.
"""

import asyncio
import logging
import ssl
from datetime import datetime
from pathlib import Path

from cryptography import x509

from aistack.admission.metrics import CERTIFICATE_EXPIRES
from aistack.errors import SettingsError

logger = logging.getLogger(__name__)

LOOK_EVERY = 10.0
"""Seconds. A Secret's files reach a pod up to a minute after the Secret, so this adds little."""


class ServingCertificate:
    """The pair in two PEM files, read again whenever their content changes."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """SettingsError when the files can't be read, don't belong together or hold no PEM."""
        self._paths = (certificate, key)
        self._content = b""
        self._current: ssl.SSLContext
        self.expires_at: datetime
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        """What the listener is started with: it hands each handshake to the pair that is current."""
        self.context.sni_callback = self._hand_over
        try:
            self._load()
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"the webhook's certificate {certificate} and key {key} can't be used ({error}); "
                "name two PEM files that belong together"
            ) from error

    def is_valid(self, now: datetime) -> bool:
        return now < self.expires_at

    async def follow(self) -> None:
        """Refreshes as long as it runs."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.refresh()

    def refresh(self) -> None:
        """Takes over what is new. A pair that is half written or wrong is logged; the old one stays."""
        try:
            if self._read() != self._content:
                self._load()
                logger.info("serving a new certificate, valid until %s", self.expires_at.isoformat())
        except (OSError, ValueError) as error:
            logger.warning(
                "the new certificate in %s can't be used (%s); the old one, valid until %s, stays",
                self._paths[0],
                error,
                self.expires_at.isoformat(),
            )

    def _read(self) -> bytes:
        return b"".join(path.read_bytes() for path in self._paths)

    def _load(self) -> None:
        """A new pair gets a context of its own: loading a broken one into the old would lose both."""
        content = self._read()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # With a password, an encrypted key is an error and not a question on the terminal.
        context.load_cert_chain(*self._paths, password="")
        leaf = x509.load_pem_x509_certificate(content)
        self._content, self._current, self.expires_at = content, context, leaf.not_valid_after_utc
        CERTIFICATE_EXPIRES.set(self.expires_at.timestamp())

    def _hand_over(self, handshake: ssl.SSLObject, _name: str | None, _outer: ssl.SSLContext) -> None:
        handshake.context = self._current
