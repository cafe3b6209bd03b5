"""The two sides that wire/ stands between, made by hand: clients that send any bytes, upstreams
that answer any.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET

from pilotfish.http1.origin import Origin
from pilotfish.http1.pool import Pool
from pilotfish.http1.server import Exchange
from pilotfish.http1.upstream import Upstream

MAX_BODY = 1000
RESET = struct.pack("ii", 1, 0)


class Clock:
    """Stands still until it is told the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def emptied(connections: set) -> None:
    """The last one has gone."""
    while connections:
        await settle()


class Answering:
    """A server's `handle` and `refuse` that keep what they get. `answer` is called for each request
    at once; None: the test answers.
    """

    def __init__(self) -> None:
        self.taken: list[Exchange] = []
        self.refused: list[tuple[int, str]] = []
        self.clients: list[Client] = []
        self.answer: Callable[[Exchange], None] | None = echo
        self._news = asyncio.Event()

    def handle(self, exchange: Exchange) -> None:
        self.taken.append(exchange)
        exchange.responder = client = Client()
        self.clients.append(client)
        self._news.set()
        if self.answer is not None:
            self.answer(exchange)

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        self.refused.append((status, message))
        exchange.respond(status, [(b"content-type", b"text/plain")], message.encode())

    async def request(self, n: int) -> Exchange:
        """The nth request, counted from 1, as soon as it is here."""
        while len(self.taken) < n:
            self._news.clear()
            await self._news.wait()
        return self.taken[n - 1]


class Client:
    """An exchange's owner: what it hears of its client, in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._news = asyncio.Event()

    def on_client_disconnect(self) -> None:
        self._hear("left")

    def pause(self) -> None:
        self._hear("pause")

    def resume(self) -> None:
        self._hear("resume")

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        self._news.set()

    async def hears(self, what: str) -> None:
        while what not in self.heard:
            self._news.clear()
            await self._news.wait()


def echo(exchange: Exchange) -> None:
    """Answers with the request: method, target and body."""
    exchange.respond(200, [], b"%b %b %b" % (exchange.method, exchange.target, exchange.body))


class Raw:
    """One side of a connection, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of an answer that has a content-length."""
        head = await self.head()
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        return int(head.split()[1]), await self.reader.readexactly(int(fields[b"content-length"]))

    async def release(self) -> bytes:
        """Everything until the other side ends the connection; ConnectionResetError where it does
        so rudely.
        """
        return await self.reader.read()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
        self.writer.transport.abort()


class Pipe(asyncio.Transport):
    """A transport without a socket: what was written, and what was asked of it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.written = b""
        self.closed = self.aborted = self.ended = self.paused = False
        self.unsent = 0

    def set_protocol(self, protocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def write(self, data: bytes) -> None:
        assert not self.closed, "written to after it was closed"
        self.written += bytes(data)

    def writelines(self, pieces) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Heard:
    """A pool's listener: what it hears, in order, bodies joined. After its end it must hear no
    more.
    """

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.over = asyncio.Event()
        self.sent = asyncio.Event()
        self.headed = asyncio.Event()
        self.bodied = asyncio.Event()
        self.on_data: Callable[[bytes], None] = lambda data: None

    def on_sent(self, upstream) -> None:
        self._hear("sent")
        self.sent.set()

    def on_head(self, status, headers) -> None:
        self._hear("head", status, tuple(headers))
        self.headed.set()

    def on_body(self, data) -> None:
        assert data, "an empty piece of body"
        if self.log[-1][0] == "body":
            data = self.log.pop()[1] + data
        self._hear("body", data)
        self.bodied.set()
        self.on_data(data)

    def on_end(self) -> None:
        self._hear("end")
        self.over.set()

    def on_lost(self, kind, message) -> None:
        self._hear("lost", kind, message)
        self.over.set()

    def _hear(self, *what: object) -> None:
        assert not self.over.is_set(), f"heard {what} after the end"
        self.log.append(what)

    @property
    def body(self) -> bytes:
        return b"".join(x[1] for x in self.log if x[0] == "body")

    @property
    def status(self) -> int:
        return next((x[1] for x in self.log if x[0] == "head"), 0)

    @property
    def ending(self) -> str:
        """`end`, or how it was lost."""
        last = self.log[-1]
        return last[1] if last[0] == "lost" else last[0]


class Heir(asyncio.Protocol):
    """A protocol that a connection is handed over to: what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_made(self, transport) -> None:
        self.told.append("made")

    def data_received(self, data) -> None:
        self.told.append(data)

    def connection_lost(self, exc) -> None:
        self.told.append(exc)


class Vendor:
    """A listening upstream whose every connection is played by the test's own coroutine."""

    def __init__(self, play: Callable[[Raw], Awaitable[None]]) -> None:
        self.connections: list[Raw] = []
        self._play = play
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = Raw(reader, writer)
        self.connections.append(raw)
        self._tasks.add(asyncio.current_task())
        try:
            await self._play(raw)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the pool closed it, which is for the test to judge
        finally:
            writer.transport.abort()

    async def start(self, **tls) -> None:
        self._server = await asyncio.start_server(self.take, "127.0.0.1", 0, **tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for raw in self.connections:
            raw.writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()


REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: v\r\ncontent-length: 2\r\n\r\nhi"


async def ask(pool: Pool, request: bytes = REQUEST) -> Heard:
    """One request and all that is heard of it."""
    heard = Heard()
    pool.send([request], heard, 5.0)
    await heard.over.wait()
    return heard


async def read_request(raw: Raw) -> bytes:
    """A request of `REQUEST`'s form."""
    head = await raw.head()
    return head + await raw.reader.readexactly(2)


def answers(*answers: bytes) -> Callable[[Raw], Awaitable[None]]:
    """A vendor's play: one answer for each request, then the connection is closed."""

    async def play(raw: Raw) -> None:
        for answer in answers:
            await read_request(raw)
            await raw.send(answer)

    return play


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
WHOLE = HEAD + b"content-length: 5\r\n\r\nhello"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def piped_pool(clock: Clock | None = None, **more) -> tuple[Pool, list[Pipe]]:
    """A pool whose connections have no sockets, and their pipes."""
    pipes = []

    async def connect(factory, origin, context):
        upstream, pipe = factory(), Pipe()
        pipes.append(pipe)
        upstream.connection_made(pipe)
        return pipe, upstream

    return Pool(
        Origin("http", "v.example", 80), clock=clock or Clock(), connect=connect, **more
    ), pipes


def in_flight() -> tuple[Upstream, Pipe, Heard]:
    """A connection with a request just sent on it."""
    pool = Pool(Origin("http", "v.example", 80), clock=Clock())
    upstream, pipe, heard = Upstream(pool), Pipe(), Heard()
    upstream.connection_made(pipe)
    pool.keep(upstream)
    pool.send([REQUEST], heard, 5.0)
    assert pipe.written == REQUEST
    upstream._reused = False
    return upstream, pipe, heard


async def on_kept_connection(pool: Pool) -> Heard:
    """A second request on the pool's one connection."""
    first, heard = Heard(), Heard()
    pool.send([REQUEST], first, 5.0)
    await first.sent.wait()
    next(iter(pool.open)).data_received(WHOLE)
    pool.send([REQUEST], heard, 5.0)
    return heard


POST = b"POST /a HTTP/1.1\r\nhost: x\r\n"
GET = b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED_POST = POST + b"transfer-encoding: chunked\r\n\r\n"


def with_length(body: bytes, more: bytes = b"") -> bytes:
    return POST + more + b"content-length: %d\r\n\r\n" % len(body) + body


def feed(connection, data: bytes, bytewise: bool) -> None:
    for piece in [bytes([b]) for b in data] if bytewise else [data]:
        connection.data_received(piece)


async def settle() -> None:
    """What was put off until the loop's next round has happened."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
