"""The upstream side: connections that are kept and reused, and one request at a time on each.

A `Listener` sends a request through a `Pool` and hears: the head, the body as it comes, the end, or how it was lost.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import httptools

Header = tuple[bytes, bytes]

# Vendors' front ends close idle connections after a minute or so; ours go first, so that a request seldom meets a closing one.
IDLE_S = 45.0
MAX_IDLE = 256
MAX_HEAD_BYTES = 128 * 1024


class Origin(NamedTuple):
    """Where connections go. `proxy_url` empty: directly. `ca_file` empty: the system's authorities."""

    scheme: str
    host: str
    port: int
    proxy_url: str = ""
    ca_file: str = ""


class Listener(Protocol):
    """Who sent a request. After `on_end` or `on_lost` nothing more is heard."""

    def on_sent(self, upstream: Upstream) -> None:
        """A connection was at hand and the request is written to it."""
        ...

    def on_head(self, status: int, headers: list[Header]) -> None: ...
    def on_body(self, data: bytes) -> None:
        """What one read from the socket held of the body, unframed."""
        ...

    def on_end(self) -> None:
        """The message is complete by its framing."""
        ...

    def on_lost(self, kind: str, message: str) -> None:
        """`kind`: connect (refused, DNS, TLS), connect_timeout, reset (before the head), cut (within the body), protocol (not HTTP)."""
        ...


Connect = Callable[[Callable[[], asyncio.Protocol], Origin, ssl.SSLContext | None], Awaitable[tuple[Any, Any]]]


async def connect_directly(factory: Callable[[], asyncio.Protocol], origin: Origin, context: ssl.SSLContext | None) -> tuple[Any, Any]:
    loop = asyncio.get_running_loop()
    return await loop.create_connection(factory, origin.host, origin.port, ssl=context, server_hostname=origin.host if context else None)


class Pool:
    """Idle connections to one origin, last in, first out."""

    def __init__(self, origin: Origin, *, clock: Callable[[], float], connect: Connect = connect_directly) -> None:
        self.origin = origin
        self.clock = clock
        self.made = 0  # connections ever made, for the test that counts them
        self.open: set[Upstream] = set()
        self._connect = connect
        self._idle: deque[Upstream] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._context: ssl.SSLContext | None = None
        self.closed = False

    def send(self, request: Sequence[bytes], listener: Listener, connect_s: float) -> Ticket:
        """Sends a request on an idle connection, or on a new one. The ticket cancels it, at any time."""
        ticket = Ticket(request, listener, connect_s)
        idle = self._idle
        while idle:
            upstream = idle.pop()
            if not upstream.closed:
                upstream.begin(ticket, reused=True)
                return ticket
        self._make(ticket)
        return ticket

    def retry(self, ticket: Ticket) -> None:
        """A kept connection turned out to be closed before any answer: once more on a new one, which is nobody's fault."""
        if not ticket.cancelled:
            self._make(ticket)

    def _make(self, ticket: Ticket) -> None:
        task = asyncio.get_running_loop().create_task(self._open(ticket))
        ticket.task = task
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, ticket: Ticket) -> None:
        try:
            context = self._tls()
            async with asyncio.timeout(ticket.connect_s):
                _, upstream = await self._connect(lambda: Upstream(self), self.origin, context)
        except TimeoutError:
            ticket.lost("connect_timeout", f"no connection to {self.origin.host}:{self.origin.port} within {ticket.connect_s:g} s")
            return
        except (OSError, ssl.SSLError, ValueError) as e:
            ticket.lost("connect", f"cannot connect to {self.origin.host}:{self.origin.port}: {_reason(e)}")
            return
        ticket.task = None
        self.made += 1
        if ticket.cancelled:
            upstream.rest()
        elif upstream.closed:
            ticket.lost("reset", f"{self.origin.host}:{self.origin.port} closed the connection at once")
        else:
            upstream.begin(ticket, reused=False)

    def _tls(self) -> ssl.SSLContext | None:
        if self.origin.scheme != "https":
            return None
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self.origin.ca_file or None)
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def keep(self, upstream: Upstream) -> None:
        if self.closed or len(self._idle) >= MAX_IDLE:
            upstream.close()
        else:
            self._idle.append(upstream)

    def sweep(self, now: float) -> None:
        """Called about once a second: closes what has been idle too long (the oldest stand first)."""
        idle = self._idle
        while idle and (idle[0].closed or now - idle[0].idle_since > IDLE_S):
            idle.popleft().close()

    def close(self) -> None:
        """No more requests: idle connections close, those in use when their answer is complete."""
        self.closed = True
        while self._idle:
            self._idle.pop().close()
        for task in self._connecting:
            task.cancel()


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__


class Ticket:
    """One request on its way. `lost` and `cancel` are safe at any time and more than once."""

    __slots__ = ("cancelled", "connect_s", "listener", "request", "task", "upstream")

    def __init__(self, request: Sequence[bytes], listener: Listener, connect_s: float) -> None:
        self.request, self.listener, self.connect_s = request, listener, connect_s
        self.cancelled = False
        self.task: asyncio.Task[None] | None = None
        self.upstream: Upstream | None = None

    def lost(self, kind: str, message: str) -> None:
        if not self.cancelled:
            self.cancelled = True
            self.listener.on_lost(kind, message)

    def cancel(self) -> None:
        """Nothing more is heard, and the connection in use is closed at once: the vendor stops, and the tokens with it."""
        if self.cancelled:
            return
        self.cancelled = True
        if self.upstream is not None:
            self.upstream.drop()
        elif self.task is not None:
            self.task.cancel()

    def pause(self) -> None:
        if self.upstream is not None:
            self.upstream.pause()

    def resume(self) -> None:
        if self.upstream is not None:
            self.upstream.resume()


class Upstream(asyncio.Protocol):
    """One connection to a vendor."""

    __slots__ = (
        "_answered",
        "_body",
        "_bounded",
        "_complete",
        "_feed",
        "_head_bytes",
        "_headed",
        "_headers",
        "_keep",
        "_parser",
        "_paused",
        "_reused",
        "_skip",
        "_ticket",
        "_transport",
        "closed",
        "idle_since",
        "pool",
    )

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.closed = False
        self.idle_since = 0.0
        self._ticket: Ticket | None = None
        self._paused = False

    # ---- a request

    def begin(self, ticket: Ticket, *, reused: bool) -> None:
        self._ticket = ticket
        ticket.upstream = self
        self._reused = reused
        self._headed = self._complete = self._answered = self._skip = self._bounded = self._keep = False
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._head_bytes = 0
        request = ticket.request
        if len(request) == 1:
            self._transport.write(request[0])
        else:
            self._transport.writelines(request)
        ticket.listener.on_sent(self)

    def drop(self) -> None:
        self._ticket = None
        self.close()

    def rest(self) -> None:
        """Nothing to do: wait in the pool."""
        self._ticket = None
        self.idle_since = self.pool.clock()
        self.pool.keep(self)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._transport.abort()

    def pause(self) -> None:
        if not self._paused and not self.closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are of no class of asyncio's
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self.pool.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.pool.open.discard(self)
        ticket, self._ticket = self._ticket, None
        if ticket is None:
            return
        ticket.upstream = None
        if not self._answered and self._reused:
            self.pool.retry(ticket)
        elif not self._headed:
            ticket.lost("reset", "the upstream closed the connection before it answered")
        elif self._bounded or exc is not None:
            ticket.lost("cut", "the upstream closed the connection in the middle of its answer")
        else:
            ticket.cancelled = True  # neither length nor chunks: the end of the connection is the end of the answer
            ticket.listener.on_end()

    def data_received(self, data: bytes) -> None:
        ticket = self._ticket
        if ticket is None:
            self.close()  # bytes that nobody asked for: this connection cannot be trusted with another request
            return
        self._answered = True
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ticket, "protocol", "the upstream's answer is not HTTP/1.1")
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(ticket, "protocol", f"the upstream's answer has a head of more than {MAX_HEAD_BYTES} bytes")
            return
        body = self._body
        if body and self._ticket is ticket:
            self._body = []
            ticket.listener.on_body(body[0] if len(body) == 1 else b"".join(body))
        if self._complete and self._ticket is ticket:
            self._ticket = None
            ticket.cancelled = True
            ticket.upstream = None
            self.resume()
            if self._keep:
                self.rest()
            else:
                self.close()
            ticket.listener.on_end()

    def _fail(self, ticket: Ticket, kind: str, message: str) -> None:
        self._ticket = None
        ticket.upstream = None
        self.close()
        ticket.lost("cut" if self._headed and kind != "protocol" else kind, message)

    # ---- llhttp

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._head_bytes += len(name) + len(value)
        if name == b"content-length" or name == b"transfer-encoding":
            self._bounded = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, []
        if status < 200:
            self._skip = True  # 100 Continue, 103 Early Hints: the answer is still to come
            self._bounded = False
            return
        self._headed = True
        if status in (204, 304):
            self._bounded = True
        if self._ticket is not None:
            self._ticket.listener.on_head(status, headers)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._skip:
            self._skip = False
            return
        if not self._complete:
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # llhttp only knows it in here
        else:
            self._keep = False  # a second answer to one request
