"""Certificates that are made for one run: an authority, and what it signs."""

import base64
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONGEST_NAME = 64  # characters of a common name, RFC 5280 ub-common-name
A_MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Writes `<name>.crt` and `<name>.key`, the key readable by its owner only; returns both paths."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.certificate)
        write_private(key, self.key)
        return certificate, key


@dataclass(frozen=True)
class Authority:
    """A certificate authority; `pair.certificate` is what its clients have to trust."""

    pair: Pair

    @property
    def bundle(self) -> str:
        """Its certificate as kubeconfigs and webhook configurations (`caBundle`) hold it: PEM in base64."""
        return base64.b64encode(self.pair.certificate).decode()

    @classmethod
    def create(cls, name: str = "aistack-tests", valid_for: timedelta = A_MONTH) -> Self:
        key = _new_key()
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(_subject(name, ()), key, valid_for)
            .issuer_name(_subject(name, ()))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(_sign(builder, key, key))

    @classmethod
    def read(cls, folder: Path, name: str) -> Self:
        """The authority that `pair.write(folder, name)` wrote."""
        return cls(Pair((folder / f"{name}.crt").read_bytes(), (folder / f"{name}.key").read_bytes()))

    def serving(self, *names: str, valid_for: timedelta = A_MONTH) -> Pair:
        """A server's certificate for DNS names and IP addresses; a negative `valid_for` has expired."""
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        subject = _subject(names[0][:LONGEST_NAME], ())
        return self._leaf(subject, ExtendedKeyUsageOID.SERVER_AUTH, valid_for, alternatives)

    def service(self, name: str, namespace: str, valid_for: timedelta = A_MONTH) -> Pair:
        """A server's certificate as a webhook behind the Service needs it."""
        return self.serving(f"{name}.{namespace}.svc", "localhost", "127.0.0.1", valid_for=valid_for)

    def client(self, user: str, groups: tuple[str, ...] = (), valid_for: timedelta = A_MONTH) -> Pair:
        """A client's certificate: the API server reads the common name as the user, organizations as groups.

        ValueError when the user's name is longer than a common name may be.
        """
        if len(user) > LONGEST_NAME:
            raise ValueError(f"user {user!r}: {len(user)} characters; a certificate holds {LONGEST_NAME}")
        return self._leaf(_subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, valid_for)

    def _leaf(
        self,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        valid_for: timedelta,
        alternatives: x509.SubjectAlternativeName | None = None,
    ) -> Pair:
        key, issuer = _new_key(), x509.load_pem_x509_certificate(self.pair.certificate)
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        )
        builder = (
            _builder(subject, key, valid_for)
            .issuer_name(issuer.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(issuer_id, critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return _sign(builder, key, _read_key(self.pair.key))


def public_key(pair: Pair) -> bytes:
    """The public half of the key, PEM."""
    return (
        _read_key(pair.key)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"expected a key on an elliptic curve, found {type(key).__name__}")
    return key


def _subject(common_name: str, organizations: tuple[str, ...]) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid_for: timedelta
) -> x509.CertificateBuilder:
    end = datetime.now(UTC) + valid_for
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(datetime.now(UTC), end) - timedelta(hours=1))
        .not_valid_after(end)
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Pair:
    certificate = builder.sign(signer, hashes.SHA256())
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
