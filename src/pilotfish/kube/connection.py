"""One connection to the API server: requests, and streams of lines, over our own connections code
(`http1.pool`).

A 401 makes us read everything that says who we are anew at once, and so does a connection that
cannot be made: a rotated token or authority costs one refused request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from pilotfish.http1.exchange import Header
from pilotfish.http1.origin import Origin, host_header
from pilotfish.http1.pending import PendingRequest, SendingConnection
from pilotfish.http1.pool import Pool
from pilotfish.kube.access import Access, Where, load

CONNECT_S = 5.0
REQUEST_S = 15.0
# What a watch may hold in memory before the server has to wait: an object of etcd's largest size
# and some more.
HIGH_WATER = 4 * 1024 * 1024
Query = Iterable[tuple[str, str]]


class ApiError(Exception):
    """The API server answered, but not with what was asked for. `status` is the HTTP status (or the
    code inside an ERROR event).
    """

    def __init__(self, status: int, message: str, path: str = "") -> None:
        super().__init__(f"{status}: {message}" + (f" ({path})" if path else ""))
        self.status, self.message = status, message


class Lost(Exception):
    """No answer, or one that broke off. `reason` is a label value: `connection`, `stalled`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Kube:
    """Requests to one cluster, made as one account. Close it when done."""

    def __init__(self, load_access: Callable[[], Awaitable[Access]]) -> None:
        self._load = load_access
        self._reached: tuple[Access, Pool] | None = None
        self._loading = (
            asyncio.Lock()
        )  # a kubeconfig's plugin is run once, however many watches begin

    @classmethod
    def at(cls, where: Where) -> Kube:
        return cls(lambda: load(where))

    async def close(self) -> None:
        """Answers under way go on to their end."""
        reached, self._reached = self._reached, None
        if reached is not None:
            reached[1].close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "",
    ) -> Any:
        """The answer's JSON. Raises `ApiError` for any status but 2xx, `Lost` where no answer came
        in time.
        """
        headers = [
            (b"content-type", content_type.encode()),
            (b"accept", accept.encode() or b"application/json"),
        ]
        content = orjson.dumps(body) if body is not None else b""
        async with self._answer(
            method, path, query, headers, content, total_s=REQUEST_S, silence_s=REQUEST_S
        ) as answer:
            whole = b"".join([piece async for piece in answer.pieces()])
            try:
                return orjson.loads(whole) if whole else None
            except ValueError as wrong:
                raise ApiError(answer.status, f"the answer is not JSON: {wrong}", path) from None

    async def lines(
        self, path: str, *, query: Query, total_s: float, silence_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The lines of an answer as they come, after an empty one that says that the answer has
        begun. Ends when the server ends it; `Lost("stalled")` after `silence_s` without a byte.
        """
        headers = [(b"accept", b"application/json")]
        async with self._answer(
            "GET", path, query, headers, b"", total_s=total_s, silence_s=silence_s
        ) as answer:
            yield b""
            rest = b""
            async for chunk in answer.pieces():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line:
                        yield line

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Query,
        headers: list[Header],
        body: bytes,
        *,
        total_s: float,
        silence_s: float,
    ) -> AsyncIterator[_Answer]:
        async with self._loading:
            if self._reached is None:
                access = await self._load()
                self._reached = access, _pool(access)
            access, pool = self._reached
        pool.sweep(time.monotonic())
        target = urlsplit(access.base).path + path + (f"?{urlencode(list(query))}" if query else "")
        secret = await access.authorization()
        if secret:
            headers = [*headers, (b"authorization", secret.encode())]
        answer = _Answer(path, silence_s, asyncio.get_running_loop().time() + total_s)
        answer.pending = pool.send(
            [_request(method, access, target, headers, body)], answer, CONNECT_S
        )
        try:
            await answer.begun()
            if answer.status >= 300:
                if answer.status == 401:
                    await self.close()
                raise ApiError(
                    answer.status,
                    _message(b"".join([piece async for piece in answer.pieces()])),
                    path,
                )
            yield answer
        except Lost:
            if answer.unconnected:
                await self.close()  # perhaps the authority was rotated: read it anew
            raise
        finally:
            answer.pending.cancel()


class _Answer:
    """An answer as it comes, for one reader. Raises `Lost` where it does not."""

    def __init__(self, path: str, silence_s: float, until: float) -> None:
        self.status = 0
        self.unconnected = False
        self.pending: PendingRequest | None = None
        self._path, self._silence_s, self._until = path, silence_s, until
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._lost = ""
        self._news = asyncio.Event()

    def on_sent(self, upstream: SendingConnection) -> None:
        """Nothing is done between a request and its answer."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        self.status = status
        self._news.set()

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER and self.pending is not None:
            self.pending.pause()
        self._news.set()

    def on_end(self) -> None:
        self._ended = True
        self._news.set()

    def on_lost(self, kind: str, message: str) -> None:
        self._lost = message or kind
        self.unconnected = kind == "connect"
        self._news.set()

    async def begun(self) -> None:
        while not self.status:
            await self._more()

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._held -= len(piece)
                yield piece
            if self._ended:
                return
            if self.pending is not None:
                self.pending.resume()
            await self._more()

    async def _more(self) -> None:
        """Waits for whatever comes next."""
        if self._lost:
            raise Lost("connection", f"{self._path}: {self._lost}")
        self._news.clear()
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(now + self._silence_s, self._until)):
                await self._news.wait()
        except TimeoutError:
            raise Lost(
                "stalled" if self.status else "connection", f"{self._path}: no answer in time"
            ) from None


def _pool(access: Access) -> Pool:
    host, port = access.host_and_port
    # Plain for the pool: TLS is made by `Access.connect`, with what a kubeconfig may ask of it.
    return Pool(
        Origin("http", host, port),
        clock=time.monotonic,
        connect=lambda factory, origin, context: access.connect(factory),
    )


def _request(method: str, access: Access, target: str, headers: list[Header], body: bytes) -> bytes:
    host, port = access.host_and_port
    own = [
        (b"host", host_header(Origin(urlsplit(access.base).scheme, host, port)).encode()),
        (b"user-agent", b"pilotfish"),
        *headers,
    ]
    if body or method != "GET":
        own.append((b"content-length", str(len(body)).encode()))
    head = b"".join(b"%b: %b\r\n" % header for header in own)
    return f"{method} {target} HTTP/1.1\r\n".encode() + head + b"\r\n" + body


def _message(content: bytes) -> str:
    try:
        return str(orjson.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode("utf-8", "replace") or "no reason given"
