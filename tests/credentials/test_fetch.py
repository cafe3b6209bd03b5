"""One small request and its whole answer."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from pilotfish.credentials.fetch import MAX_BODY_BYTES, Fetcher, FetchError, form, host_header
from pilotfish.http1.pool import Origin


class Server:
    """Answers every connection with the same bytes, and keeps what came."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer, self.heard = answer, b""
        self._talking: set[asyncio.Task[None] | None] = set()

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await asyncio.gather(*(task for task in self._talking if task is not None))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talking.add(asyncio.current_task())
        self.heard = await reader.readuntil(b"\r\n\r\n")
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer)
        writer.close()
        with contextlib.suppress(ConnectionError):  # the client may have hung up
            await writer.wait_closed()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi"


async def test_a_whole_answer():
    async with Server(OK) as server:
        answer = await Fetcher().fetch("GET", f"{server.url}/a?b=c", [(b"x-key", b"k")])
    assert (answer.status, answer.body, (b"x-a", b"b") in answer.headers) == (200, b"hi", True)
    assert server.heard == (
        f"GET /a?b=c HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nx-key: k\r\nconnection: close\r\nuser-agent: pilotfish\r\n\r\n".encode()
    )


async def test_a_body_goes_with_its_length():
    async with Server(OK) as server:
        await Fetcher().fetch("POST", server.url, body=form([("a", "b c"), ("d", "&")]))
    assert b"POST / HTTP/1.1" in server.heard
    assert b"content-length: 11\r\n" in server.heard


async def test_a_redirect_is_an_answer_like_any_other():
    """A credential must not follow it."""
    async with Server(
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"
    ) as server:
        assert (await Fetcher().fetch("GET", server.url)).status == 302


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi", "cut"),
        (b"nonsense\r\n\r\n", "protocol"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
            + b"x" * (MAX_BODY_BYTES + 1),
            "too_large",
        ),
    ],
)
async def test_no_whole_answer(answer, kind):
    async with Server(answer) as server:
        with pytest.raises(FetchError) as e:
            await Fetcher().fetch("GET", server.url)
    assert e.value.kind == kind


async def test_silence_ends():
    async with Server(None) as server:
        with pytest.raises(FetchError, match=r"no answer from .* within 0.05 s") as e:
            await Fetcher().fetch("GET", server.url, timeout_s=0.05)
    assert e.value.kind == "timeout"


async def test_nobody_there():
    with pytest.raises(FetchError) as e:
        await Fetcher().fetch("GET", "http://127.0.0.1:9/")
    assert e.value.kind == "connect"


async def test_a_header_cannot_smuggle_another():
    with pytest.raises(ValueError, match="line break"):
        await Fetcher().fetch("GET", "http://127.0.0.1:9/", [(b"x", b"a\r\nb: c")])


async def test_the_connection_is_made_by_whom_was_handed_in():
    """That is how proxies come in: their code is not here."""
    seen: list[Origin] = []

    async def refuse(factory, origin, context):
        seen.append(origin)
        raise OSError("no")

    with pytest.raises(FetchError):
        await Fetcher(refuse).fetch(
            "GET", "http://h:81/", proxy_url="socks5://p:1080", ca_file="ca.pem"
        )
    assert seen == [Origin("http", "h", 81, "socks5://p:1080", "ca.pem")]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("https", "h", 443), "h"),
        (Origin("http", "h", 80), "h"),
        (Origin("http", "h", 8080), "h:8080"),
        (Origin("http", "::1", 80), "[::1]"),
    ],
)
def test_the_host_header(origin, host):
    assert host_header(origin) == host
