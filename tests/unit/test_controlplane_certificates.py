"""Certificates that a server and a client accept from each other."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tests.controlplane import Authority


def verify(authority: Authority, certificate: bytes, name: str) -> None:
    store = Store([x509.load_pem_x509_certificate(authority.pair.certificate)])
    verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
    verifier.verify(x509.load_pem_x509_certificate(certificate), [])


def test_a_services_certificate_is_good_for_its_name_and_no_other() -> None:
    authority = Authority.create()
    certificate = authority.service("webhook", "aistack-system").certificate
    verify(authority, certificate, "webhook.aistack-system.svc")
    with pytest.raises(VerificationError):
        verify(authority, certificate, "webhook.other.svc")


def test_another_authority_does_not_vouch_for_it() -> None:
    certificate = Authority.create().service("webhook", "aistack-system").certificate
    with pytest.raises(VerificationError):
        verify(Authority.create(), certificate, "webhook.aistack-system.svc")


def test_an_expired_certificate_can_be_had() -> None:
    expired = Authority.create().service("webhook", "care", valid_for=timedelta(minutes=-1))
    assert x509.load_pem_x509_certificate(expired.certificate).not_valid_after_utc < datetime.now(UTC)


def test_a_client_carries_its_user_and_groups() -> None:
    client = Authority.create().client("system:serviceaccount:care:app", ("a", "b"))
    subject = x509.load_pem_x509_certificate(client.certificate).subject
    users = [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert (users, groups) == (["system:serviceaccount:care:app"], ["a", "b"])


def test_a_user_name_that_no_certificate_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="65 characters; a certificate holds 64"):
        Authority.create().client("x" * 65)
