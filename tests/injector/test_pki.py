"""Certificates that a strict verifier accepts."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from pilotfish.injector import pki
from pilotfish.injector.tls import Tls

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority():
    return pki.new_authority(NOW, 10 * DAY)


async def greet(context, tls):
    """A TLS handshake on loopback; the certificate that the client saw."""

    async def serve(_, writer):
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", server.sockets[0].getsockname()[1], ssl=context
        )
        seen = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return ssl.DER_cert_to_PEM_cert(seen).encode()


def strict(bundle):
    context = ssl.create_default_context(cadata=bundle.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


async def test_a_leaf_is_accepted_for_an_address_by_a_strict_verifier(authority):
    tls = Tls()
    assert tls.install(pki.new_leaf(authority, ["injector.svc", "127.0.0.1"], NOW, DAY))
    await greet(strict(authority.certificate), tls)


async def test_another_authority_is_not_trusted(authority):
    tls = Tls()
    tls.install(pki.new_leaf(authority, ["127.0.0.1"], NOW, DAY))
    with pytest.raises(ssl.SSLCertVerificationError):
        await greet(strict(pki.new_authority(NOW, DAY).certificate), tls)


async def test_a_new_certificate_is_shown_without_a_new_context(authority):
    following = pki.new_authority(NOW, 10 * DAY)
    both = strict(pki.bundle([authority.certificate, following.certificate], NOW))
    tls = Tls()
    tls.install(pki.new_leaf(authority, ["127.0.0.1"], NOW, DAY))
    before = await greet(both, tls)
    tls.install(pki.new_leaf(following, ["127.0.0.1"], NOW, DAY))
    after = await greet(both, tls)
    assert pki.is_signed_by(before, authority.certificate)
    assert pki.is_signed_by(after, following.certificate)


async def test_a_pair_that_does_not_fit_changes_nothing(authority):
    tls = Tls()
    good, other = (pki.new_leaf(authority, ["127.0.0.1"], NOW, DAY) for _ in range(2))
    tls.install(good)
    for wrong in (pki.Pair(other.certificate, good.key), pki.Pair(b"nonsense", good.key)):
        with pytest.raises(ValueError, match="do not fit or are not readable"):
            tls.install(wrong)
    assert await greet(strict(authority.certificate), tls) == good.certificate
    assert tls.install(good) is False


def test_a_leaf_never_outlives_its_authority(authority):
    assert pki.expiry(pki.new_leaf(authority, ["a"], NOW, 100 * DAY).certificate) <= pki.expiry(
        authority.certificate
    )


def test_a_leaf_is_for_its_names_and_no_others(authority):
    leaf = pki.new_leaf(authority, ["a.svc", "10.0.0.1"], NOW, DAY).certificate
    assert pki.covers(leaf, ["10.0.0.1", "a.svc"])
    assert not pki.covers(leaf, ["a.svc", "b.svc"])
    assert not pki.covers(authority.certificate, ["a.svc"])


def test_a_bundle_holds_each_authority_once_and_none_that_has_ended(authority):
    old = pki.new_authority(NOW - 5 * DAY, DAY)
    assert (
        pki.bundle([authority.certificate, old.certificate, authority.certificate, b""], NOW)
        == authority.certificate
    )


def test_keys_are_not_in_a_repr(authority):
    assert "PRIVATE" not in repr(authority)


def test_nonsense_is_not_signed_by_anyone(authority):
    assert not pki.is_signed_by(b"nonsense", authority.certificate)
