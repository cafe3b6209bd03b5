"""Connections over TLS: who is trusted, and what is told where nobody is."""

from __future__ import annotations

import asyncio

import pytest

from http1.parties import CHUNKED, REQUEST, WHOLE, Heard, Raw, answers, ask, read_request
from pilotfish.http1.origin import Origin, host_header


async def test_over_tls_with_a_custom_authority_requests_are_served_and_connections_kept(
    vendor, pool_to, authority
):
    made = await vendor(answers(WHOLE, CHUNKED, WHOLE), ssl=authority("localhost"))
    pool = pool_to(made.port, scheme="https", host="localhost", ca_file=authority.ca_file)
    for _ in range(3):
        assert (await ask(pool)).body == b"hello"
    assert pool.made == 1


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(vendor, pool_to, authority):
    made = await vendor(answers(WHOLE), ssl=authority("localhost"))
    heard = await ask(pool_to(made.port, scheme="https", host="localhost"))
    assert heard.log[0][1] == "connect"
    assert "its certificate is not trusted" in heard.log[0][2]


async def test_a_certificate_for_another_host_is_not_trusted(vendor, pool_to, authority):
    made = await vendor(answers(WHOLE), ssl=authority("other.example"))
    heard = await ask(
        pool_to(made.port, scheme="https", host="localhost", ca_file=authority.ca_file)
    )
    assert heard.log[0][1] == "connect"
    assert "not trusted (Hostname mismatch" in heard.log[0][2]


async def test_a_vendor_that_speaks_no_tls_is_told(vendor, pool_to):
    async def play(raw: Raw) -> None:
        await raw.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await raw.release()

    made = await vendor(play)
    heard = await ask(pool_to(made.port, scheme="https", host="localhost"))
    assert heard.log[0][:2] == ("lost", "connect")


@pytest.mark.parametrize("content", [None, b"not a certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(pool_to, tmp_path, content):
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    heard = await ask(pool_to(443, scheme="https", host="localhost", ca_file=str(ca_file)))
    assert heard.log[0][1] == "connect"
    assert str(ca_file) in heard.log[0][2]


async def test_a_reset_in_mid_answer_over_tls_is_a_cut(vendor, pool_to, authority):
    async def play(raw: Raw) -> None:
        await read_request(raw)
        await raw.send(WHOLE[:-2])
        await got.wait()
        raw.reset()

    got = asyncio.Event()
    made = await vendor(play, ssl=authority("localhost"))
    heard = Heard()
    pool_to(made.port, scheme="https", host="localhost", ca_file=authority.ca_file).send(
        [REQUEST], heard, 5.0
    )
    await heard.bodied.wait()
    got.set()
    await heard.over.wait()
    assert heard.ending == "cut"


@pytest.mark.parametrize("how", ["cancelled", "too late"])
async def test_a_handshake_that_hangs_is_ended_and_its_connection_with_it(vendor, pool_to, how):
    async def play(raw: Raw) -> None:
        try:
            await raw.reader.readexactly(5)
            greeted.set()
            await raw.release()
        finally:
            left.set()

    greeted, left = asyncio.Event(), asyncio.Event()
    made = await vendor(play)
    heard = Heard()
    pool = pool_to(made.port, scheme="https", host="localhost")
    await (
        pool._tls()
    )  # reading the authorities, which takes long on a busy machine, is not what is to be late
    pending = pool.send([REQUEST], heard, 60.0 if how == "cancelled" else 0.1)
    if how == "cancelled":
        await greeted.wait()
        pending.cancel()
    else:
        await heard.over.wait()
        assert heard.ending == "connect_timeout"
    await left.wait()
    assert heard.over.is_set() == (how == "too late")


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("https", "h", 443), "h"),
        (Origin("http", "h", 80), "h"),
        (Origin("http", "h", 8080), "h:8080"),
        (Origin("http", "::1", 80), "[::1]"),
    ],
)
async def test_the_host_header(origin, host):
    assert host_header(origin) == host
