"""The client's side: requests in, whole; answers out, at once or in pieces.

One `Connection` serves one request after the other. For each it makes an `Exchange` and hands it to the server's `handle`, which
answers through it, now or later. The connection looks after limits of head and body, slow clients, pipelining, keep-alive,
`Expect: 100-continue` and HTTP/1.0, so that nobody else has to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol, cast

import httptools

Header = tuple[bytes, bytes]

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 128
# A head that has begun must be complete by then, and a body must grow at least this often: slow senders do not hold memory for ever.
HEAD_S = 15.0
BODY_S = 60.0
# Longer than the pools of common SDKs keep a connection, so that we are not the ones who close it under a request.
IDLE_S = 330.0
# What may wait in the transport's buffer for a slow reader before the upstream is no longer read.
HIGH_WATER = 256 * 1024

_STATUS_LINES = {s.value: b"HTTP/1.1 %d %s\r\n" % (s.value, s.phrase.encode()) for s in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Owner(Protocol):
    """Who answers an exchange, and wants to know how its client is doing."""

    def client_left(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Exchange:
    """One request and its answer. Answer with `respond`, or with `start`, `write`..., `end`; `abort` breaks the connection off."""

    __slots__ = (
        "_chunked",
        "_connection",
        "body",
        "expects_continue",
        "finished",
        "headers",
        "keep_alive",
        "method",
        "old",
        "owner",
        "started",
        "target",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.method = b""
        self.target = b""
        self.headers: list[Header] = []
        self.body = b""
        self.owner: Owner | None = None
        self.keep_alive = True
        self.expects_continue = False
        self.old = False  # HTTP/1.0: no chunks
        self.started = self.finished = False
        self._chunked = False

    @property
    def peer(self) -> str:
        return self._connection.peer if self._connection is not None else ""

    @property
    def is_gone(self) -> bool:
        return self._connection is None

    def respond(self, status: int, head: Sequence[Header], body: bytes) -> None:
        """A whole answer; `content-length` is added."""
        connection = self._connection
        if connection is None or self.finished:
            return
        self.started = self.finished = True
        connection.write(b"%scontent-length: %d\r\n%s\r\n%s" % (self._head(status, head), len(body), self._closing(), body))
        connection.answered(self)

    def start(self, status: int, head: Sequence[Header]) -> None:
        """The head of an answer that comes in pieces."""
        connection = self._connection
        if connection is None or self.started:
            return
        self.started = True
        if self.old:
            self.keep_alive = False
            framing = b""
        else:
            self._chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        connection.write(b"%s%s%s\r\n" % (self._head(status, head), framing, self._closing()))

    def write(self, data: bytes) -> None:
        connection = self._connection
        if connection is None or not data:
            return
        connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self, data: bytes = b"") -> None:
        """The rest of the answer, and its proper end."""
        connection = self._connection
        if connection is None or self.finished:
            return
        self.finished = True
        if self._chunked:
            connection.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n")
        elif data:
            connection.write(data)
        connection.answered(self)

    def abort(self) -> None:
        """Breaks off: the client sees an answer that is not complete."""
        connection = self._connection
        if connection is not None:
            self.finished = True
            connection.break_off()

    def detach(self) -> Owner | None:
        """The client is gone; returns who was answering."""
        owner, self.owner, self._connection = self.owner, None, None
        return None if self.finished else owner

    def _head(self, status: int, head: Sequence[Header]) -> bytes:
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d -\r\n" % status
        return line + b"".join([b"%b: %b\r\n" % h for h in head])

    def _closing(self) -> bytes:
        connection = self._connection
        if not self.keep_alive or (connection is not None and connection.server.draining):
            self.keep_alive = False
            return b"connection: close\r\n"
        return b"connection: keep-alive\r\n" if self.old else b""


class Server:
    """What the connections of one listening port share."""

    def __init__(
        self,
        handle: Callable[[Exchange], None],
        refuse: Callable[[Exchange, int, str], None],
        *,
        max_body_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        """`refuse` answers what never became a request (too large, not HTTP) with this status and message, in some client's style."""
        self.handle, self.refuse = handle, refuse
        self.max_body_bytes = max_body_bytes
        self.clock = clock
        self.draining = False
        self.connections: set[Connection] = set()

    def drain(self) -> None:
        """From now on each answer is its connection's last; idle connections close at once."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def sweep(self, now: float) -> None:
        """Called about once a second: ends connections that are slow beyond their limits, or idle for too long."""
        for connection in list(self.connections):
            connection.expire(now)

    def protocol(self) -> Connection:
        return Connection(self)


class Connection(asyncio.Protocol):
    """One client's connection. `busy` is the exchange being answered; requests that come meanwhile wait in `_queue`."""

    __slots__ = (
        "_bad",
        "_body_bytes",
        "_closing",
        "_current",
        "_feed",
        "_head_bytes",
        "_in_body",
        "_parser",
        "_parts",
        "_paused",
        "_queue",
        "_since",
        "_transport",
        "busy",
        "peer",
        "server",
        "write",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.busy: Exchange | None = None
        self.peer = ""
        self._queue: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._parts: list[bytes] = []
        self._head_bytes = self._body_bytes = 0
        self._in_body = self._paused = self._closing = False
        self._bad: tuple[int, str] | None = None
        self._since = server.clock()

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are of no class of asyncio's
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.server.connections.add(self)
        self._new_parser()

    def _new_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._feed = self._parser.feed_data

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        self._closing = True
        self._queue.clear()
        self._current = None
        self._parts = []
        busy, self.busy = self.busy, None
        owner = busy.detach() if busy is not None else None
        if owner is not None:
            owner.client_left()

    def eof_received(self) -> bool:
        # A client that closes its half has left: waiting for a write to fail would let the upstream run on, and cost tokens.
        return False

    def pause_writing(self) -> None:
        if self.busy is not None and self.busy.owner is not None:
            self.busy.owner.pause()

    def resume_writing(self) -> None:
        if self.busy is not None and self.busy.owner is not None:
            self.busy.owner.resume()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as e:
            # `Upgrade: h2c` and the like are declined by going on in HTTP/1.1, as RFC 9110 7.8 allows.
            self._new_parser()
            rest = data[e.args[0] :]
            if rest:
                self.data_received(rest)
                return
        except (httptools.HttpParserError, httptools.HttpParserInvalidMethodError):
            self._bad = self._bad or (400, "the request is not HTTP/1.1 that this proxy accepts")
        if self._bad is not None:
            self._refuse()
        elif self.busy is None:
            self._next()
        elif self._queue and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    # ---- llhttp

    def on_message_begin(self) -> None:
        self._current = Exchange(self)
        self._head_bytes = self._body_bytes = 0
        self._parts = []
        self._in_body = False
        self._since = self.server.clock()

    def on_url(self, url: bytes) -> None:
        current = self._current
        if current is not None:
            current.target += url
            self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        current = self._current
        if current is None:
            return
        name = name.lower()
        current.headers.append((name, value))
        self._count(len(name) + len(value) + 4)
        if name == b"expect":
            current.expects_continue = value.lower() == b"100-continue"
        elif name == b"content-length" and value.isdigit() and int(value) > self.server.max_body_bytes:
            self._too_large()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES or (self._current is not None and len(self._current.headers) > MAX_HEADERS):
            self._bad = self._bad or (
                431,
                f"the request's head is too large, at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers are read",
            )

    def _too_large(self) -> None:
        self._bad = self._bad or (413, f"the request body is larger than {self.server.max_body_bytes} bytes")

    def on_headers_complete(self) -> None:
        current = self._current
        if current is None:
            return
        current.method = self._parser.get_method()
        current.old = self._parser.get_http_version() == "1.0"
        self._in_body = True
        if current.expects_continue and not current.old and self._bad is None and self.busy is None:
            self.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self.server.max_body_bytes:
            self._too_large()
            self._parts = []
            return
        self._parts.append(body)
        self._since = self.server.clock()

    def on_message_complete(self) -> None:
        current, self._current = self._current, None
        if current is None or self._bad is not None:
            return
        parts = self._parts
        current.body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        current.keep_alive = self._parser.should_keep_alive()  # llhttp only knows it in here
        self._queue.append(current)

    # ---- one request after the other

    def _next(self) -> None:
        if self._queue and not self._closing:
            self.busy = self._queue.popleft()
            self.server.handle(self.busy)

    def answered(self, exchange: Exchange) -> None:
        exchange.owner = None
        self.busy = None
        self._since = self.server.clock()
        if not exchange.keep_alive:
            self._closing = True
            self._transport.close()
            return
        if self._bad is not None:
            self._refuse()
            return
        if self._queue:
            # Not from within the answer's own call stack: a thousand pipelined requests would be a thousand frames.
            asyncio.get_running_loop().call_soon(self._resume)
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _resume(self) -> None:
        if self.busy is None and not self._closing:
            self._next()
        if self._paused and not self._queue and not self._closing:
            self._paused = False
            self._transport.resume_reading()

    def _refuse(self) -> None:
        if self.busy is not None or self._bad is None or self._closing:
            return  # the answer under way comes first
        self._closing = True
        status, message = self._bad
        exchange = self._current or Exchange(self)
        exchange.keep_alive = False
        self.busy = exchange
        self.server.refuse(exchange, status, message)

    def break_off(self) -> None:
        self._closing = True
        self._transport.abort()

    def close_if_idle(self) -> None:
        if self.busy is None and self._current is None and not self._queue:
            self._closing = True
            self._transport.close()

    def expire(self, now: float) -> None:
        if self.busy is not None or self._closing:
            return
        waited = now - self._since
        if self._current is None:
            if waited > IDLE_S:
                self.close_if_idle()
        elif waited > (BODY_S if self._in_body else HEAD_S):
            self._bad = (408, "the request did not arrive in time")
            self._refuse()
