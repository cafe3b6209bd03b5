"""HTTP/1.1 (RFC 9112) on the client port: what is a request, where it ends, and what is refused
because another server on the way might see an end elsewhere. The table holds for requests that the
hot path takes and for those that are handed over to aiohttp alike.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from http1.parties import Answering, Clock, Pipe, settle
from pilotfish.http1 import request_reader as reading
from pilotfish.http1 import server as limits
from pilotfish.http1.server import Server
from pilotfish.proxy.other_requests import without_own_headers, written_whole

MAX_BODY = 1_000_000
KINDS = ["hot", "handed over"]
# What must never be served where the request before it is refused, or holds it as its body.
HIDDEN = b"GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass
class Told:
    """What was understood of some bytes: requests in their order with their bodies, the statuses of
    the answers, and whether the connection ended.
    """

    requests: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ended: bool = False


class Port:
    """A server all of whose requests are of one kind, and answered with their body."""

    def __init__(self, kind: str) -> None:
        self._kind, self.clock = kind, Clock()
        self.requests: list[tuple[bytes, bytes, bytes]] = []
        app = web.Application(middlewares=[written_whole], client_max_size=MAX_BODY)
        app.on_response_prepare.append(without_own_headers)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.runner = web.AppRunner(app, access_log=None, handler_cancellation=True)

    async def __aenter__(self) -> Port:
        await self.runner.setup()
        answering = Answering()
        answering.answer = self._answer
        self.server = Server(
            answering.handle,
            answering.refuse,
            max_body_bytes=MAX_BODY,
            clock=self.clock,
            takes=lambda *_: self._kind == "hot",
            hand_over=lambda: self.runner.server(),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.runner.cleanup()

    def _answer(self, exchange) -> None:
        self.requests.append((exchange.method, exchange.target, exchange.body))
        exchange.respond(200, [], exchange.body)

    async def _handle(self, request) -> web.Response:
        body = await request.read()
        self.requests.append((request.method.encode(), request.raw_path.encode(), body))
        return web.Response(body=body)

    async def told(self, pieces: list[bytes]) -> Told:
        """Sends these pieces; time then ends what is not complete."""
        self.requests.clear()
        connection, pipe = self.server.protocol(), Pipe()
        connection.connection_made(pipe)
        for piece in pieces:
            connection.data_received(piece)
            await settle()
        idle = 0  # turns of the loop: what follows an answer is put off for one
        for _ in range(300):  # a handler may wait for a body that does not come
            await settle()
            busy = connection.busy is not None or self._under_way()
            idle = 0 if busy else idle + 1
            if idle > 2 or pipe.closed or pipe.ended:
                break
        ended = pipe.closed or pipe.ended
        # No connection is ever stuck: whatever was sent, time ends it.
        for wait in (reading.BODY_S + 1, limits.IDLE_S + 1, limits.STALLED_S + 1):
            self.clock.now += wait
            connection.expire(self.clock.now)
            await settle()
        assert pipe.closed
        connection.connection_lost(None)
        while self._under_way():
            await settle()
        statuses = [int(x) for x in re.findall(rb"HTTP/1\.[01] ([2-5]\d\d) ", pipe.written)]
        return Told(self.requests[:], statuses, ended)

    def _under_way(self) -> bool:
        return bool(self.runner.server.connections)


@pytest.fixture(params=KINDS)
async def port(request):
    async with Port(request.param) as port:
        yield port


def ways(data: bytes) -> list[list[bytes]]:
    """Whole, byte by byte, and cut once in the middle of each of its lines."""
    cuts = [m.end() for m in re.finditer(rb"[^\r\n]{2}", data)][:20:3]
    return [[data], [bytes([b]) for b in data], *([data[:i], data[i:]] for i in cuts)]


POST = b"POST /a HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def length(body: bytes) -> bytes:
    return POST + b"content-length: %d\r\n\r\n%b" % (len(body), body)


# ---- what is a request, and where its body ends

UNDERSTOOD: dict[str, tuple[bytes, bytes, bytes]] = {
    # name: (bytes, target, body)
    "no body": (POST + b"\r\n", b"/a", b""),
    "a length": (length(b"hello"), b"/a", b"hello"),
    "a length of nothing": (length(b""), b"/a", b""),
    "a length with zeros before it": (POST + b"content-length: 0005\r\n\r\nhello", b"/a", b"hello"),
    "a body that looks like a request": (length(HIDDEN), b"/a", HIDDEN),
    "chunks": (CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n" + END, b"/a", b"abcde"),
    "no chunks but the last": (CHUNKED + END, b"/a", b""),
    "a chunk's size in capitals, with zeros before it": (
        CHUNKED + b"00A\r\n0123456789\r\n" + END,
        b"/a",
        b"0123456789",
    ),
    "a chunk that looks like a request": (
        CHUNKED + b"%x\r\n%b\r\n" % (len(HIDDEN), HIDDEN) + END,
        b"/a",
        HIDDEN,
    ),
    "chunk extensions": (
        CHUNKED + b'3;name=value;q="a b";flag\r\nabc\r\n0;last\r\n\r\n',
        b"/a",
        b"abc",
    ),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nx-trailer: 1\r\ny: 2\r\n\r\n", b"/a", b"abc"),
    "chunked in capitals": (
        POST + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n" + END,
        b"/a",
        b"abc",
    ),
    "white space around a value": (
        POST + b"content-length:\t 3 \t\r\n\r\nabc",
        b"/a",
        b"abc",
    ),
    "an empty line before": (b"\r\n" + length(b"abc"), b"/a", b"abc"),
    "an absolute target": (b"POST http://other/a?b HTTP/1.1\r\nhost: x\r\n\r\n", b"/a?b", b""),
    "an absolute target without a path": (
        b"POST http://other HTTP/1.1\r\nhost: x\r\n\r\n",
        b"/",
        b"",
    ),
    "an absolute target with a user": (
        b"POST http://u@other:1/a HTTP/1.1\r\nhost: x\r\n\r\n",
        b"/a",
        b"",
    ),
    "another URL in the query": (
        b"POST /a?u=http://b/c HTTP/1.1\r\nhost: x\r\n\r\n",
        b"/a?u=http://b/c",
        b"",
    ),
    "bytes above 127 in a value": (POST + b"x: \xc3\xa4\xff\r\n\r\n", b"/a", b""),
    "an empty value": (POST + b"x:\r\n\r\n", b"/a", b""),
    "an upgrade that is declined": (
        POST + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n" % len(HIDDEN)
        + HIDDEN,
        b"/a",
        HIDDEN,
    ),
    "an upgrade that is declined, with chunks": (
        POST + b"connection: upgrade\r\nupgrade: h2c\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n" % (len(HIDDEN), HIDDEN) + END,
        b"/a",
        HIDDEN,
    ),
    "a connection header that names others": (
        POST + b"connection: keep-alive, content-length\r\ncontent-length: 3\r\n\r\nabc",
        b"/a",
        b"abc",
    ),
    "an expectation": (
        POST + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\nabc",
        b"/a",
        b"abc",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNDERSTOOD)
async def test_a_request_ends_where_its_framing_says_and_the_next_one_begins_there(port, name):
    request, target, body = UNDERSTOOD[name]
    last = b"PUT /last HTTP/1.1\r\nhost: x\r\n\r\n"
    for pieces in ways(request + last):
        told = await port.told(pieces)
        assert told.requests == [(b"POST", target, body), (b"PUT", b"/last", b"")]
        assert told.statuses == [200, 200]
        assert not told.ended


@pytest.mark.parametrize("method", [b"HEAD", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"PURGE"])
async def test_a_method_is_left_to_whoever_answers(port, method):
    told = await port.told([method + b" /a HTTP/1.1\r\nhost: x\r\n\r\n"])
    assert [x[:2] for x in told.requests] == [(method, b"/a")]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /a HTTP/1.0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /a HTTP/1.1\r\nhost: x\r\nConnection: x, CLOSE\r\n\r\n",
    ],
)
async def test_what_ends_a_connection_is_not_followed_by_anything(port, head):
    told = await port.told([head + HIDDEN])
    assert told.requests == [(b"GET", b"/a", b"")]
    assert told.ended


# ---- what is refused, and what may hide behind it

REFUSED: dict[str, tuple[bytes, int]] = {
    # two ends
    "a length and chunks": (
        POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n" + END,
        400,
    ),
    "chunks and a length": (
        POST + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n" + END,
        400,
    ),
    "one length twice": (POST + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc", 400),
    "two lengths": (POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc", 400),
    "two lengths in a list": (POST + b"content-length: 3, 3\r\n\r\nabc", 400),
    "a length with a sign": (POST + b"content-length: +3\r\n\r\nabc", 400),
    "a length below nothing": (POST + b"content-length: -1\r\n\r\n", 400),
    "a length in two words": (POST + b"content-length: 3 4\r\n\r\nabc", 400),
    "a length in hex": (POST + b"content-length: 0x3\r\n\r\nabc", 400),
    "a length with a point": (POST + b"content-length: 3.0\r\n\r\nabc", 400),
    "a length with an underscore": (POST + b"content-length: 1_0\r\n\r\n0123456789", 400),
    "an empty length": (POST + b"content-length: \r\n\r\n", 400),
    "a length beyond all numbers": (POST + b"content-length: 99999999999999999999999\r\n\r\n", 400),
    "a length with space before its colon": (POST + b"content-length : 3\r\n\r\nabc", 400),
    "a length in trailers": (CHUNKED + b"0\r\ncontent-length: 5\r\n\r\n", 400),
    # encodings
    "chunked, and more": (POST + b"transfer-encoding: chunked, gzip\r\n\r\n" + END, 400),
    "chunked twice": (POST + b"transfer-encoding: chunked, chunked\r\n\r\n" + END, 400),
    "chunked in two headers": (
        POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n" + END,
        400,
    ),
    "chunked behind a control character": (
        POST + b"transfer-encoding: \x0bchunked\r\n\r\n" + END,
        400,
    ),
    "an encoding with space before its colon": (
        POST + b"transfer-encoding : chunked\r\n\r\n" + END,
        400,
    ),
    "something like chunked": (POST + b"transfer-encoding: xchunked\r\n\r\n" + END, 501),
    "chunked in quotes": (POST + b'transfer-encoding: "chunked"\r\n\r\n' + END, 501),
    "identity": (POST + b"transfer-encoding: identity\r\n\r\n" + END, 501),
    "compressed chunks": (POST + b"transfer-encoding: gzip, chunked\r\n\r\n" + END, 501),
    "chunks in HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0") + END, 400),
    # chunks
    "a chunk's size with a sign": (CHUNKED + b"+3\r\nabc\r\n" + END, 400),
    "a chunk's size with 0x": (CHUNKED + b"0x3\r\nabc\r\n" + END, 400),
    "a chunk's size with space behind it": (CHUNKED + b"3 \r\nabc\r\n" + END, 400),
    "no chunk's size": (CHUNKED + b"\r\nabc\r\n" + END, 400),
    "a chunk's size with an underscore": (CHUNKED + b"1_0\r\n0123456789\r\n" + END, 400),
    "a chunk's size beyond all numbers": (CHUNKED + b"fffffffffffffffff\r\n", 400),
    "a chunk's size before a bare line feed": (CHUNKED + b"3\nabc\r\n" + END, 400),
    "a chunk longer than its size": (CHUNKED + b"3\r\nabcd\r\n" + END, 400),
    "a chunk shorter than its size": (CHUNKED + b"5\r\nabc\r\n" + END, 400),
    "a chunk that ends with a bare line feed": (CHUNKED + b"3\r\nabc\n" + END, 400),
    "a line feed in a chunk extension": (CHUNKED + b'3;a="\n"\r\nabc\r\n' + END, 400),
    "a carriage return in a chunk extension": (CHUNKED + b"3;a\rb\r\nabc\r\n" + END, 400),
    "a last chunk that ends with a bare line feed": (CHUNKED + b"3\r\nabc\r\n0\n\n", 400),
    # lines
    "bare line feeds": (b"POST /a HTTP/1.1\nhost: x\n\n", 400),
    "a bare line feed at the end": (POST + b"x: a\n\n", 400),
    "a bare line feed between headers": (POST + b"x: a\ny: b\r\n\r\n", 400),
    "a bare carriage return": (POST + b"x: a\rb\r\n\r\n", 400),
    "a folded line": (POST + b"x: a\r\n folded\r\n\r\n", 400),
    "a line folded with a tab": (POST + b"x: a\r\n\tfolded\r\n\r\n", 400),
    "a folded length": (POST + b"content-length:\r\n 3\r\n\r\nabc", 400),
    "white space before the first header": (b"POST /a HTTP/1.1\r\n host: x\r\n\r\n", 400),
    "a NUL in a value": (POST + b"x: a\0b\r\n\r\n", 400),
    "a NUL in a name": (POST + b"x\0y: a\r\n\r\n", 400),
    "no name": (POST + b": a\r\n\r\n", 400),
    "no colon": (POST + b"no colon\r\n\r\n", 400),
    "a name that is no token": (POST + b"x(y): a\r\n\r\n", 400),
    "a name with bytes above 127": (POST + b"x\xe4: a\r\n\r\n", 400),
    # the first line and the host
    "no host": (b"POST /a HTTP/1.1\r\n\r\n", 400),
    "two hosts": (POST + b"host: y\r\n\r\n", 400),
    "a space in the target": (b"POST /a b HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a NUL in the target": (b"POST /\0 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a target that is a word": (b"POST word HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "the whole server, but for OPTIONS": (b"POST * HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n", 405),
    "a method of another protocol": (b"DESCRIBE /a HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a method that there is not": (b"FROB /a HTTP/1.1\r\nhost: x\r\n\r\n", 501),
    "a method in small letters": (b"post /a HTTP/1.1\r\nhost: x\r\n\r\n", 501),
    "no version": (b"GET /\r\n\r\n", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nhost: x\r\n\r\n", 400),
    "another protocol that looks like HTTP/1.0": (b"POST /a RTSP/1.0\r\nhost: x\r\n\r\n", 505),
    "ICE, of radio stations": (b"SOURCE /a ICE/1.0\r\nhost: x\r\n\r\n", 505),
    "a name that is none": (b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    "a name with a path": (b"GET / HTTP/1.1\r\nhost: x/a\r\n\r\n", 400),
    "two origins": (
        b"GET / HTTP/1.1\r\nhost: x\r\norigin: http://x\r\norigin: http://x\r\n\r\n",
        400,
    ),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a version in small letters": (b"GET / http/1.1\r\nhost: x\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 501),
    "nonsense": (b"nonsense\r\n\r\n", 501),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection(port, name):
    request, status = REFUSED[name]
    for pieces in ways(request + HIDDEN):
        told = await port.told(pieces)
        assert told == Told([], [status], True)


@pytest.mark.parametrize("name", ["two lengths", "a folded line", "bare line feeds", "nonsense"])
async def test_good_requests_before_a_bad_one_are_served_first(port, name):
    request, status = REFUSED[name]
    for pieces in ways(length(b"one") + length(b"two") + request + HIDDEN):
        told = await port.told(pieces)
        assert [body for _, _, body in told.requests] == [b"one", b"two"]
        assert told.statuses == [200, 200, status]
        assert told.ended


# ---- clients that leave


@pytest.mark.parametrize("error", [None, ConnectionResetError()], ids=["half-close", "reset"])
async def test_a_client_that_leaves_at_any_byte_leaves_nothing_behind(port, error):
    story = length(b"one") + CHUNKED + b"3;x=y\r\nabc\r\n0\r\nt: v\r\n\r\n" + length(b"three")
    for i in range(len(story)):
        connection, pipe = port.server.protocol(), Pipe()
        connection.connection_made(pipe)
        connection.data_received(story[:i])
        for _ in range(i % 4):  # at each step of an answer
            await settle()
        assert connection.eof_received() is False, "the transport is to be closed"
        connection.connection_lost(error)
        while port.runner.server.connections:
            await settle()
    assert not port.server.connections
    assert {body for _, _, body in port.requests} <= {b"one", b"abc", b"three"}


# ---- both kinds understand the same

# fmt: off
TOKENS = [
    b"GET ", b"POST ", b"OPTIONS ", b"CONNECT ", b"/", b"/x", b"*", b"http://a", b" HTTP/1.1\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b":", b" ", b"\0",
    b"host: x\r\n", b"content-length: 3\r\n", b"content-length: 9999\r\n", b"transfer-encoding: chunked\r\n", b"connection: close\r\n",
    b"connection: upgrade\r\n", b"upgrade: h2c\r\n", b"expect: 100-continue\r\n", b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b"ffffffff\r\n",
    HIDDEN, length(b"ok"), CHUNKED, HIDDEN[:-2] + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
]
# fmt: on


async def understood(kind: str, pieces: list[bytes]) -> Told:
    async with Port(kind) as port:
        return await port.told(pieces)


@settings(max_examples=150)
@given(
    data=st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)), max_size=24).map(
        b"".join
    ),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_whatever_is_sent_both_kinds_understand_the_same_however_it_is_cut(data, cuts):
    at = sorted({min(c, len(data)) for c in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(at)] or [b""]
    hot = asyncio.run(understood("hot", [data]))
    for kind in KINDS:
        assert asyncio.run(understood(kind, pieces)) == hot
