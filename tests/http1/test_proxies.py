"""Vendors that are reached by way of a proxy, and proxies that do not let us through."""

from __future__ import annotations

import asyncio
import socket
import sys
from base64 import b64encode

import pytest

from http1.parties import REQUEST, WHOLE, Heard, Heir, Pipe, Raw, answers, ask
from pilotfish.http1.origin import Origin
from pilotfish.http1.proxies import ProxyError, _Entrance, connect, read_proxy_url

SECRET = "pass-w%C3%B6rd"  # as it stands in the URL
SECRETS = ("pass-w", "wörd", b64encode("me@home:pass-wörd".encode()).decode())


class Between:
    """A proxy that joins two connections. `asked` is what it was asked for; `refuse_with` what it
    says instead of letting anybody through.
    """

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.refuse_with: bytes | None = None
        self.first = b""  # what it says before anything else
        self.tls = None
        self.left = asyncio.Event()

    async def connect_play(self, raw: Raw) -> None:
        try:
            head = await raw.head()
            self.asked.append(head)
            if self.refuse_with is not None:
                await raw.send(self.refuse_with)
                await raw.release()
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            await raw.send(
                self.first + b"HTTP/1.1 200 Connection established\r\nvia: 1.1 test\r\n\r\n"
            )
            await self.join(raw, host, int(port))
        finally:
            self.left.set()

    async def join(self, raw: Raw, host: str, port: int) -> None:
        far = Raw(*await asyncio.open_connection(host.strip("[]"), port))
        try:
            await asyncio.gather(pour(raw, far), pour(far, raw))
        finally:
            far.writer.transport.abort()


async def pour(source: Raw, sink: Raw) -> None:
    while data := await source.reader.read(65_536):
        await sink.send(data)
    sink.writer.transport.abort()


@pytest.fixture
async def between() -> Between:
    return Between()


@pytest.fixture
async def proxy_url(vendor, between) -> str:
    return f"http://127.0.0.1:{(await vendor(between.connect_play)).port}"


@pytest.fixture
async def tls_proxy_url(vendor, between, authority) -> str:
    return (
        f"https://localhost:{(await vendor(between.connect_play, ssl=authority('localhost'))).port}"
    )


def lost(heard: Heard, secrets: tuple[str, ...] = SECRETS) -> str:
    """The message of a connection that could not be made, with no secret in it."""
    _, kind, message = heard.log[0]
    assert kind == "connect"
    assert not any(secret in message for secret in secrets)
    return message


# ---- tunnels that stand


@pytest.mark.parametrize("vendor_tls", [False, True])
@pytest.mark.parametrize("proxy_tls", [False, True])
async def test_requests_go_through_a_tunnel_and_its_connection_is_kept(
    vendor, pool_to, between, authority, proxy_url, tls_proxy_url, vendor_tls, proxy_tls
):
    url = tls_proxy_url if proxy_tls else proxy_url
    made = await vendor(
        answers(WHOLE, WHOLE, WHOLE), **({"ssl": authority("localhost")} if vendor_tls else {})
    )
    pool = pool_to(
        made.port,
        scheme="https" if vendor_tls else "http",
        host="localhost",
        proxy_url=url,
        ca_file=authority.ca_file,
    )
    for _ in range(3):
        assert (await ask(pool)).body == b"hello"
    place = b"localhost:%d" % made.port
    assert between.asked == [b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (place, place)]
    assert pool.made == 1


async def test_the_credentials_of_the_url_are_given_to_the_proxy_and_not_to_the_vendor(
    vendor, pool_to, between, proxy_url
):
    seen = []

    async def play(raw: Raw) -> None:
        seen.append(await raw.head())
        await raw.send(WHOLE)

    made = await vendor(play)
    pool = pool_to(made.port, proxy_url=proxy_url.replace("//", f"//me%40home:{SECRET}@"))
    assert (await ask(pool)).body == b"hello"
    assert b"\r\nproxy-authorization: Basic " + SECRETS[2].encode() + b"\r\n" in between.asked[0]
    assert b"authorization" not in seen[0]


async def test_an_interim_answer_of_the_proxy_is_not_its_answer(
    vendor, pool_to, between, proxy_url
):
    between.first = b"HTTP/1.1 100 Continue\r\n\r\n"
    made = await vendor(answers(WHOLE))
    assert (await ask(pool_to(made.port, proxy_url=proxy_url))).body == b"hello"


async def test_a_vendor_with_an_ipv6_address_is_named_in_brackets(pool_to, between, proxy_url):
    between.refuse_with = b"HTTP/1.1 403 Forbidden\r\n\r\n"
    await ask(pool_to(8443, host="2001:db8::1", proxy_url=proxy_url))
    assert between.asked[0].startswith(b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n")


async def test_without_a_proxy_url_the_way_is_direct(vendor, pool_to):
    """Whoever connects by way of this module need not know whether there is a proxy."""
    made = await vendor(answers(WHOLE))
    transport, protocol = await connect(
        asyncio.Protocol, Origin("http", "127.0.0.1", made.port), None
    )
    assert transport.get_extra_info("peername")[1] == made.port
    assert isinstance(protocol, asyncio.Protocol)
    transport.abort()


async def test_a_vendor_that_closes_its_end_closes_ours(vendor, pool_to, between, proxy_url):
    made = await vendor(answers(WHOLE[:-2]))
    heard = await ask(pool_to(made.port, proxy_url=proxy_url))
    assert heard.ending == "cut"


async def test_what_comes_or_ends_while_a_tunnel_is_handed_over_is_not_lost():
    """Between the TLS handshake and the protocol that waits for it, the loop may have read
    already.
    """
    entrance, heir, pipe, reset = _Entrance(), Heir(), Pipe(), ConnectionResetError()
    entrance.data_received(b"early ")
    entrance.data_received(b"bytes")
    entrance.connection_lost(reset)
    entrance.hand_over(pipe, heir)
    assert heir.told == ["made", b"early bytes", reset]
    assert pipe.get_protocol() is heir


# ---- tunnels that do not


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\ndenied",
            "refuses the tunnel with status 403",
        ),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "refuses the tunnel with status 502"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://login.example/\r\n\r\n",
            "refuses the tunnel with status 302",
        ),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "asks for other credentials than those in proxy_url (status 407)",
        ),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not answer CONNECT in HTTP/1.1"),
        (b"HTTP/1.1 2oo OK\r\n\r\n", "does not answer CONNECT in HTTP/1.1"),
        (b"\r\n\r\n", "does not answer CONNECT in HTTP/1.1"),
        (
            b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "sends data into the tunnel",
        ),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000, "with a head of more than 16384 bytes"),
    ],
)
async def test_a_proxy_that_lets_nobody_through_is_named_with_what_it_said(
    vendor, pool_to, between, proxy_url, answer, why
):
    between.refuse_with = answer
    heard = await ask(
        pool_to(
            443, host="vendor.example", proxy_url=proxy_url.replace("//", f"//me%40home:{SECRET}@")
        )
    )
    assert lost(heard).startswith(f"cannot connect to vendor.example:443: the proxy {proxy_url} ")
    assert why in lost(heard)


async def test_a_proxy_that_closes_instead_of_answering_is_told(vendor, pool_to):
    async def play(raw: Raw) -> None:
        await raw.head()

    made = await vendor(play)
    heard = await ask(
        pool_to(443, host="vendor.example", proxy_url=f"http://127.0.0.1:{made.port}")
    )
    assert "closed the connection before it answered CONNECT" in lost(heard)


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_a_proxy_that_is_not_there_is_told(pool_to, scheme):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"{scheme}://me%40home:pass-word@127.0.0.1:{unused.getsockname()[1]}"
        heard = await ask(pool_to(443, host="127.0.0.1", proxy_url=url))
    assert f"the proxy {scheme}://127.0.0.1:" in lost(heard)


async def test_a_proxy_with_a_certificate_of_an_unknown_authority_gets_no_credentials(
    pool_to, between, tls_proxy_url
):
    heard = await ask(
        pool_to(
            443,
            host="vendor.example",
            proxy_url=tls_proxy_url.replace("//", f"//me%40home:{SECRET}@"),
        )
    )
    assert "its certificate is not trusted" in lost(heard)
    assert between.asked == []


async def test_the_vendors_certificate_is_checked_through_the_tunnel(
    vendor, pool_to, authority, proxy_url
):
    made = await vendor(answers(WHOLE), ssl=authority("other.example"))
    heard = await ask(
        pool_to(
            made.port,
            scheme="https",
            host="localhost",
            proxy_url=proxy_url,
            ca_file=authority.ca_file,
        )
    )
    assert "not trusted (Hostname mismatch" in lost(heard)


async def test_a_ca_file_that_cannot_be_read_is_named_for_the_proxy_too(
    pool_to, tls_proxy_url, tmp_path
):
    missing = str(tmp_path / "none.pem")
    assert missing in lost(await ask(pool_to(80, proxy_url=tls_proxy_url, ca_file=missing)))


async def test_a_tunnel_that_does_not_open_in_time_is_given_up(vendor, pool_to):
    async def play(raw: Raw) -> None:
        await raw.head()
        try:
            await raw.release()
        finally:
            left.set()

    left = asyncio.Event()
    made = await vendor(play)
    heard = Heard()
    pool_to(443, host="vendor.example", proxy_url=f"http://127.0.0.1:{made.port}").send(
        [REQUEST], heard, 0.05
    )
    await heard.over.wait()
    assert heard.ending == "connect_timeout"
    await left.wait()


async def test_cancelled_while_the_tunnel_opens_the_proxys_connection_ends(
    vendor, pool_to, between
):
    async def play(raw: Raw) -> None:
        await raw.head()
        asked.set()
        try:
            await raw.release()
        finally:
            left.set()

    asked, left = asyncio.Event(), asyncio.Event()
    made = await vendor(play)
    heard = Heard()
    pending = pool_to(443, host="vendor.example", proxy_url=f"http://127.0.0.1:{made.port}").send(
        [REQUEST], heard, 5.0
    )
    await asked.wait()
    pending.cancel()
    await left.wait()
    assert heard.log == []


# ---- SOCKS


class Socks:
    """A SOCKS5 proxy (RFC 1928, 1929). `asked` holds kind of address (1: IPv4, 3: name), address
    and port.
    """

    def __init__(self, between: Between) -> None:
        self.asked: list[tuple[int, str, int]] = []
        self.logins: list[tuple[str, str]] = []
        self.wants_login = False
        self.reply = 0
        self._between = between

    async def play(self, raw: Raw) -> None:
        read = raw.reader.readexactly
        _, count = await read(2)
        methods = await read(count)
        if self.wants_login:
            if 2 not in methods:
                await raw.send(b"\x05\xff")
                return
            await raw.send(b"\x05\x02")
            user = await read((await read(2))[1])
            password = await read((await read(1))[0])
            self.logins.append((user.decode(), password.decode()))
            good = self.logins[-1] == ("me@home", "pass:word")
            await raw.send(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        else:
            await raw.send(b"\x05\x00")
        kind = (await read(4))[3]
        host = (
            socket.inet_ntoa(await read(4))
            if kind == 1
            else (await read((await read(1))[0])).decode()
        )
        port = int.from_bytes(await read(2), "big")
        self.asked.append((kind, host, port))
        await raw.send(bytes((5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0)))
        if not self.reply:
            await self._between.join(raw, host, port)


@pytest.fixture
async def socks(vendor, between) -> tuple[Socks, str]:
    made = Socks(between)
    return made, f"127.0.0.1:{(await vendor(made.play)).port}"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("scheme", "kind", "host"), [("socks5", 1, "127.0.0.1"), ("socks5h", 3, "localhost")]
)
async def test_socks5_looks_names_up_here_and_socks5h_leaves_it_to_the_proxy(
    vendor, pool_to, authority, socks, tls, scheme, kind, host
):
    proxy, place = socks
    made = await vendor(answers(WHOLE, WHOLE), **({"ssl": authority("localhost")} if tls else {}))
    pool = pool_to(
        made.port,
        scheme="https" if tls else "http",
        host="localhost",
        proxy_url=f"{scheme}://{place}",
        ca_file=authority.ca_file,
    )
    for _ in range(2):
        assert (await ask(pool)).body == b"hello"
    assert proxy.asked == [(kind, host, made.port)]


async def test_socks_credentials_come_from_the_url(vendor, pool_to, socks):
    proxy, place = socks
    proxy.wants_login = True
    made = await vendor(answers(WHOLE))
    assert (
        await ask(pool_to(made.port, proxy_url=f"socks5://me%40home:pass%3Aword@{place}"))
    ).body == b"hello"
    assert proxy.logins == [("me@home", "pass:word")]


@pytest.mark.parametrize("password", [SECRET, "pass-w" * 50], ids=["not ASCII", "too long"])
async def test_socks_credentials_that_the_protocol_cannot_carry_are_told_without_them(
    pool_to, socks, password
):
    proxy, place = socks
    message = lost(
        await ask(pool_to(443, proxy_url=f"socks5://me%40home:{password}@{place}")),
        (*SECRETS, "ö", "xf6"),
    )
    assert "at most 255 ASCII characters" in message
    assert proxy.asked == proxy.logins == []


@pytest.mark.parametrize("user", ["", "me%40home:wrong-word@"])
async def test_socks_credentials_that_are_refused_are_told_without_them(pool_to, socks, user):
    proxy, place = socks
    proxy.wants_login = True
    message = lost(
        await ask(pool_to(443, proxy_url=f"socks5://{user}{place}")), ("wrong-word", "me@home")
    )
    assert f"the proxy socks5://{place} opens no tunnel to 127.0.0.1:443" in message


async def test_a_socks_proxy_that_refuses_says_why(pool_to, socks):
    proxy, place = socks
    proxy.reply = 2
    message = lost(await ask(pool_to(443, proxy_url=f"socks5://{place}")))
    assert "not allowed" in message


async def test_a_vendors_name_that_cannot_be_looked_up_here_is_told(pool_to, socks):
    _, place = socks
    assert "no-such-host.invalid" in lost(
        await ask(pool_to(443, host="no-such-host.invalid", proxy_url=f"socks5://{place}"))
    )


async def test_without_the_extra_the_error_says_how_to_install_it(pool_to, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_socks", None)
    message = lost(await ask(pool_to(443, proxy_url=f"socks5://me%40home:{SECRET}@127.0.0.1:1080")))
    assert "pip install 'pilotfish[socks]'" in message


# ---- the URL


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://me:secret@proxy:21", "ftp proxies"),
        ("me:secret@proxy:3128", "for me proxies"),
        ("//me:secret@proxy", "no proxies"),
        ("http://me:secret@", "names no host"),
        ("http://me:secret@proxy:port", "not a URL"),
        ("http://me:secret@[::1", "not a URL"),
    ],
)
async def test_a_proxy_url_that_cannot_be_used_is_told_without_quoting_it(pool_to, url, why):
    message = lost(await ask(pool_to(443, host="vendor.example", proxy_url=url)), ("secret",))
    assert why in message


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://p", ("http", "p", 80)),
        ("HTTPS://p", ("https", "p", 443)),
        ("socks5://p", ("socks5", "p", 1080)),
        ("http://[::1]:1", ("http", "::1", 1)),
    ],
)
def test_a_proxy_url_without_a_port_means_its_schemes_own(url, place):
    assert read_proxy_url(url)[:3] == place


def test_neither_origin_nor_proxy_shows_a_secret_when_it_is_printed():
    url = "http://me:secret@proxy:3128"
    assert "secret" not in repr(read_proxy_url(url)) + str(read_proxy_url(url))
    assert "secret" not in repr(Origin("https", "vendor.example", 443, url))
    assert (
        repr(Origin("https", "vendor.example", 443, url))
        == "Origin(https://vendor.example:443, by a proxy)"
    )
    with pytest.raises(ProxyError) as raised:
        read_proxy_url("ftp://me:secret@proxy")
    assert "secret" not in str(raised.value)
