"""One small request and its whole answer."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from credentials.conftest import listening
from pilotfish.credentials.fetch import MAX_BODY_BYTES, Fetcher, FetchError
from pilotfish.http1.origin import Origin


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
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.heard = await reader.readuntil(b"\r\n\r\n")
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer)
        writer.close()
        with contextlib.suppress(ConnectionError):  # the client may have hung up
            await writer.wait_closed()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi"


async def test_a_whole_answer(fetcher):
    async with Server(OK) as server:
        answer = await fetcher.fetch("GET", f"{server.url}/a%2Fb?c=d%20e", [(b"x-key", b"k")])
    assert (answer.status, answer.body, (b"x-a", b"b") in answer.headers) == (200, b"hi", True)
    first, *headers = server.heard.decode().lower().removesuffix("\r\n\r\n").split("\r\n")
    assert first == "get /a%2fb?c=d%20e http/1.1"
    assert sorted(headers) == [
        "connection: close",
        f"host: 127.0.0.1:{server.port}",
        "user-agent: pilotfish",
        "x-key: k",
    ]


async def test_a_body_goes_with_its_length_and_no_type_of_its_own(fetcher):
    async with Server(OK) as server:
        await fetcher.fetch("POST", server.url, body=b"a=b+c&d=%26")
    assert server.heard.startswith(b"POST / HTTP/1.1\r\n")
    assert b"content-length: 11\r\n" in server.heard.lower()
    assert b"content-type" not in server.heard.lower()


async def test_a_user_in_the_url_goes_nowhere(fetcher):
    async with Server(OK) as server:
        url = server.url.replace("http://", "http://user:hush@")
        await fetcher.fetch("GET", url, [(b"authorization", b"Bearer x")])
    assert b"uthorization: Basic" not in server.heard
    assert b"authorization: Bearer x\r\n" in server.heard


async def test_a_redirect_is_an_answer_like_any_other(fetcher):
    """A credential must not follow it."""
    async with Server(
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"
    ) as server:
        assert (await fetcher.fetch("GET", server.url)).status == 302


async def test_cookies_are_not_kept(fetcher):
    async with Server(OK.replace(b"X-A: b", b"Set-Cookie: a=b")) as server:
        for _ in range(2):
            await fetcher.fetch("GET", server.url)
    assert b"cookie" not in server.heard.lower()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi", "cut"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "cut"),
        (b"nonsense\r\n\r\n", "protocol"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
            + b"x" * (MAX_BODY_BYTES + 1),
            "too_large",
        ),
    ],
)
async def test_no_whole_answer(fetcher, answer, kind):
    async with Server(answer) as server:
        with pytest.raises(FetchError) as e:
            await fetcher.fetch("GET", f"{server.url}/?key=hush")
    assert e.value.kind == kind
    assert "hush" not in str(e.value)


async def test_silence_ends(fetcher):
    async with Server(None) as server:
        with pytest.raises(FetchError, match=r"no answer from .* within 0.05 s") as e:
            await fetcher.fetch("GET", server.url, timeout_s=0.05)
    assert e.value.kind == "timeout"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_nobody_there(fetcher, scheme):
    with pytest.raises(FetchError, match=r"cannot connect to 127\.0\.0\.1:9: ") as e:
        await fetcher.fetch("GET", f"{scheme}://127.0.0.1:9/")
    assert e.value.kind == "connect"


async def test_a_header_cannot_smuggle_another(fetcher):
    async with Server(None) as server:
        with pytest.raises(ValueError, match="header injection"):
            await fetcher.fetch("GET", server.url, [(b"x", b"a\r\nb: c")])
    assert server.heard == b""


async def test_the_connection_is_made_by_whom_was_handed_in():
    """That is how proxies come in: their code is not here."""
    seen: list[Origin] = []

    async def refuse(factory, origin, context):
        seen.append(origin)
        raise OSError("no")

    fetcher = Fetcher(refuse)
    with pytest.raises(FetchError, match="cannot connect to h:81: no"):
        await fetcher.fetch("GET", "http://h:81/", proxy_url="socks5://p:1080", ca_file="ca.pem")
    assert seen == [Origin("http", "h", 81, "socks5://p:1080", "ca.pem")]
    await fetcher.close()


async def test_a_certificate_is_trusted_by_the_file_that_is_named(fetcher, authority):
    async with listening(authority("localhost")) as endpoint:
        url = endpoint.url.replace("127.0.0.1", "localhost")
        assert (await fetcher.fetch("GET", url, ca_file=authority.ca_file)).status == 200
        with pytest.raises(FetchError, match="its certificate is not trusted") as e:
            await fetcher.fetch("GET", url)
        assert e.value.kind == "connect"
        with pytest.raises(FetchError, match=r"the CA file nowhere\.pem cannot be used"):
            await fetcher.fetch("GET", url, ca_file="nowhere.pem")


async def test_each_request_takes_the_way_that_it_is_given(fetcher):
    """Two providers may reach one host, and only one of them by a proxy."""
    async with Server(OK) as server:
        with pytest.raises(FetchError, match=r"the proxy http://127\.0\.0\.1:9 cannot be reached"):
            await fetcher.fetch("GET", server.url, proxy_url="http://user:hush@127.0.0.1:9")
        assert (await fetcher.fetch("GET", server.url)).status == 200


async def test_proxies_of_the_environment_are_not_used(fetcher, monkeypatch):
    """`proxy_url` is the one place, for tokens as for prompts."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Server(OK) as server:
        assert (await fetcher.fetch("GET", server.url)).status == 200


async def test_all_requests_share_a_session_that_is_closed_at_the_end(fetcher):
    async with Server(OK) as server:
        await asyncio.gather(*(fetcher.fetch("GET", server.url) for _ in range(5)))
        session = fetcher._session
        await fetcher.fetch("GET", server.url)
        assert fetcher._session is session
    await fetcher.close()
    assert session.closed
