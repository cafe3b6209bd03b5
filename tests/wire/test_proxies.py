"""Through HTTP, HTTPS and SOCKS5 proxies, and everything that a proxy may do wrong."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pilotfish.shell.fetch import Fetcher, FetchError
from pilotfish.wire.proxies import connect

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback; on leaving, all its conversations have ended."""
    talking: set[asyncio.Task[None]] = set()

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(conversation, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*talking)


async def pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Bytes to and fro between a client and a port."""
    there, back = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    await asyncio.gather(pump(reader, back), pump(there, writer))


class Origin:
    """Answers every request with 200, and keeps the heads."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi")
        await writer.drain()


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that signs itself, and a server's context with it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, False).add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    pem = folder / "ca.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return pem, context


async def fetched(url: str, proxy_url: str, ca_file: str = ""):
    return await Fetcher(connect).fetch("GET", url, [(b"x-key", b"k")], proxy_url=proxy_url, ca_file=ca_file, timeout_s=5.0)


async def refused(url: str, proxy_url: str) -> str:
    with pytest.raises(FetchError) as e:
        await fetched(url, proxy_url)
    assert e.value.kind == "connect"
    assert "hush" not in str(e.value)
    return str(e.value)


# ---- http


def tunnelling(port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n", heads: list[bytes] | None = None) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(head)
        writer.write(answer)
        if answer.startswith(b"HTTP/1.1 2"):
            await pumped(reader, writer, port)

    return talk


async def test_a_plain_request_goes_through_a_tunnel_too_so_the_proxy_sees_neither_prompt_nor_key():
    origin, heads = Origin(), []
    async with serving(origin.talk) as port, serving(tunnelling(port, heads=heads)) as proxy:
        answer = await fetched(f"http://127.0.0.1:{port}/a?b", f"http://user:p%40ss@127.0.0.1:{proxy}")
    assert answer.body == b"hi"
    assert origin.heads[0].startswith(b"GET /a?b HTTP/1.1\r\n")
    assert b"proxy-authorization: Basic dXNlcjpwQHNz\r\n" in heads[0]
    assert b"x-key" not in heads[0]


async def test_tls_goes_through_a_tunnel(authority):
    ca, context = authority
    origin, heads = Origin(), []
    async with serving(origin.talk, context) as port, serving(tunnelling(port, heads=heads)) as proxy:
        answer = await fetched(f"https://127.0.0.1:{port}/a", f"http://user:hush@127.0.0.1:{proxy}", str(ca))
    assert answer.body == b"hi"
    assert origin.heads[0].startswith(b"GET /a HTTP/1.1\r\n")
    assert heads[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % port)
    assert b"x-key" not in heads[0]


async def test_tls_goes_through_a_proxy_that_speaks_tls_itself(authority):
    ca, context = authority
    origin = Origin()
    async with serving(origin.talk, context) as port, serving(tunnelling(port), context) as proxy:
        answer = await fetched(f"https://127.0.0.1:{port}/a", f"https://127.0.0.1:{proxy}", str(ca))
    assert answer.body == b"hi"


async def test_an_origin_that_is_not_trusted_is_not_trusted_through_a_proxy_either(authority):
    _, context = authority
    origin = Origin()
    async with serving(origin.talk, context) as port, serving(tunnelling(port)) as proxy:
        assert "certificate is not trusted" in await refused(f"https://127.0.0.1:{port}/a", f"http://127.0.0.1:{proxy}")
    assert origin.heads == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "status 407"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not answer CONNECT in HTTP/1.1"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refuses the tunnel with status 403"),
        (b"HTTP/1.1 200 Fine\r\n\r\nhello", "sends data into the tunnel before anything was asked"),
        (b"", "closed the connection before it answered"),
    ],
)
async def test_a_proxy_that_makes_no_tunnel(answer, words):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with serving(talk) as port:
        assert words in await refused("https://vendor.invalid/", f"http://user:hush@127.0.0.1:{port}")


async def test_a_proxy_that_is_not_there():
    assert "the proxy http://127.0.0.1:9 cannot be reached" in await refused("https://vendor.invalid/", "http://user:hush@127.0.0.1:9")


# ---- socks


def socks(port: int, asked: list[bytes], method: int = 0, accepts: bool = True, reply: int = 0, bound: bytes = b"\x01\0\0\0\0\0\0") -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        asked.append(await reader.readexactly(count))
        writer.write(bytes([5, method]))
        if method == 2:
            _, length = await reader.readexactly(2)
            user = await reader.readexactly(length)
            asked.append(user + b":" + await reader.readexactly((await reader.readexactly(1))[0]))
            writer.write(bytes([1, 0 if accepts else 1]))
        kind = (await reader.readexactly(4))[3]
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        asked.append(bytes([kind]) + await reader.readexactly(length + 2))
        writer.write(bytes([5, reply, 0]) + bound)
        if reply == 0:
            await pumped(reader, writer, port)

    return talk


async def test_socks5_with_an_address():
    origin, asked = Origin(), []
    async with serving(origin.talk) as port, serving(socks(port, asked)) as proxy:
        assert (await fetched(f"http://127.0.0.1:{port}/a", f"socks5://127.0.0.1:{proxy}")).body == b"hi"
    assert asked == [b"\x00", b"\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big")]
    assert origin.heads[0].startswith(b"GET /a HTTP/1.1\r\n")


async def test_socks5_looks_names_up_here_and_socks5h_does_not():
    origin, asked = Origin(), []
    async with serving(origin.talk) as port, serving(socks(port, asked)) as proxy:
        await fetched(f"http://localhost:{port}/", f"socks5://127.0.0.1:{proxy}")
        await fetched("http://vendor.invalid:81/", f"socks5h://127.0.0.1:{proxy}")
    assert asked[1][0] in (1, 4)
    assert asked[3] == b"\x03vendor.invalid" + (81).to_bytes(2, "big")


async def test_socks5_with_a_password_and_tls(authority):
    ca, context = authority
    origin, asked = Origin(), []
    bound = b"\x03\x04host\x00\x00"
    async with serving(origin.talk, context) as port, serving(socks(port, asked, method=2, bound=bound)) as proxy:
        assert (await fetched(f"https://127.0.0.1:{port}/", f"socks5h://us%20er:pw@127.0.0.1:{proxy}", str(ca))).body == b"hi"
    assert asked[:2] == [b"\x00\x02", b"us er:pw"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"method": 255}, "No acceptable authentication methods"),
        ({"method": 2, "accepts": False}, "authentication failure"),
        ({"reply": 5}, "opens no tunnel to vendor.invalid:80: Connection refused"),
        ({"reply": 99}, "opens no tunnel"),
    ],
)
async def test_a_socks_proxy_that_refuses(more, words):
    async with serving(socks(0, [], **more)) as proxy:
        assert words in await refused("http://vendor.invalid/", f"socks5h://user:hush@127.0.0.1:{proxy}")


async def test_a_proxy_that_speaks_something_else():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(talk) as proxy:
        assert "opens no tunnel" in await refused("http://vendor.invalid/", f"socks5h://127.0.0.1:{proxy}")


def test_uvloop_hands_connections_over_as_well(authority):
    """Giving a connection to another protocol in mid-stream is where two event loops may differ; the proxy runs on this one."""
    ca, context = authority

    async def story() -> list[bytes]:
        origin, bodies = Origin(), []
        async with serving(origin.talk) as plain, serving(origin.talk, context) as port:
            async with serving(tunnelling(plain)) as proxy:
                bodies.append((await fetched(f"http://127.0.0.1:{plain}/", f"http://127.0.0.1:{proxy}")).body)
            async with serving(tunnelling(port)) as proxy, serving(tunnelling(port), context) as secure, serving(socks(port, [])) as five:
                for proxy_url in (f"http://127.0.0.1:{proxy}", f"https://127.0.0.1:{secure}", f"socks5://127.0.0.1:{five}"):
                    bodies.append((await fetched(f"https://127.0.0.1:{port}/", proxy_url, str(ca))).body)
        return bodies

    assert uvloop.run(story()) == [b"hi"] * 4
