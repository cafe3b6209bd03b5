"""Requests that another protocol answers, here aiohttp's, on the connection that they came by."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from http1.parties import (
    CHUNKED_POST,
    GET,
    MAX_BODY,
    Answering,
    Clock,
    Pipe,
    echo,
    settle,
    with_length,
)
from pilotfish.http1 import request_reader as reading
from pilotfish.http1 import server as limits
from pilotfish.http1.server import Server
from pilotfish.proxy.other_requests import without_own_headers, written_whole

HOT = with_length(b"hot")
SOCKET = (
    b"GET /socket HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def takes(method, target, headers) -> bool:
    """POST is the hot path here."""
    return method == b"POST"


class Other:
    """An aiohttp application and what it has seen; `gate` holds its answers to /slow back."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.heads: list[tuple[tuple[bytes, bytes], ...]] = []
        self.gate, self.begun, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        app = web.Application(middlewares=[written_whole], client_max_size=10 * MAX_BODY)
        app.on_response_prepare.append(without_own_headers)
        app.router.add_route("*", "/slow", self.slow)
        app.router.add_route("*", "/deaf", self.deaf)
        app.router.add_route("*", "/halves", self.halves)
        app.router.add_route("*", "/upload", self.upload)
        app.router.add_get("/socket", self.socket)
        app.router.add_route("*", "/{path:.*}", self.echo)
        self.runner = web.AppRunner(app, access_log=None, handler_cancellation=True)

    def protocol(self):
        return self.runner.server()

    async def echo(self, request) -> web.Response:
        body = await request.read()
        self.seen.append((request.method, request.raw_path, body))
        self.heads.append(request.raw_headers)
        return web.Response(body=b"other " + request.raw_path.encode() + b" " + body)

    async def slow(self, request) -> web.Response:
        self.begun.set()
        try:
            await self.gate.wait()
        finally:
            self.left.set()
        return web.Response(text="slow")

    async def deaf(self, request) -> web.Response:
        return web.Response(text="deaf")

    async def halves(self, request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"half")
        raise RuntimeError("in the middle")

    async def upload(self, request) -> web.Response:
        self.begun.set()
        await self.gate.wait()
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.Response(text=str(size))

    async def socket(self, request) -> web.WebSocketResponse:
        if "decline" in request.query:
            raise web.HTTPForbidden(text="no")
        await asyncio.sleep(0)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if message.data == "bye":
                break
            await ws.send_str(f"heard {message.data}")
        await ws.close()
        return ws


@pytest.fixture
async def other():
    made = Other()
    await made.runner.setup()
    yield made
    made.gate.set()
    await made.runner.cleanup()


@pytest.fixture
async def server(answering, clock, other) -> Server:
    return Server(
        answering.handle,
        answering.refuse,
        max_body_bytes=MAX_BODY,
        clock=clock,
        takes=takes,
        hand_over=other.protocol,
    )


async def answers(pipe: Pipe, count: int) -> list[bytes]:
    """So many answers with a length, as soon as they are written."""
    while True:
        found, rest = [], pipe.written
        while b"\r\n\r\n" in rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            size = int(fields.get(b"content-length", b"0"))
            if len(rest) < size:
                break
            found.append(rest[:size])
            rest = rest[size:]
        if len(found) >= count:
            return found
        await settle()


# ---- whose request it is


async def test_one_connection_serves_both_kinds_one_after_the_other(piped, answering, other):
    connection, pipe = piped()
    for n in range(3):
        connection.data_received(GET)
        await answers(pipe, 2 * n + 1)
        connection.data_received(HOT)
        await answers(pipe, 2 * n + 2)
    assert await answers(pipe, 6) == [b"other /b ", b"POST /a hot"] * 3
    assert not pipe.closed
    assert [x.method for x in answering.taken] == [b"POST"] * 3


async def test_pipelined_requests_of_both_kinds_are_answered_in_their_order(
    piped, answering, other
):
    connection, pipe = piped()
    connection.data_received(GET + HOT + HOT + GET + GET + HOT)
    hot, cold = b"POST /a hot", b"other /b "
    assert await answers(pipe, 6) == [cold, hot, hot, cold, cold, hot]


async def test_a_hot_request_behind_one_that_is_answered_elsewhere_waits(piped, answering, other):
    connection, pipe = piped()
    connection.data_received(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" + HOT)
    await other.begun.wait()
    assert answering.taken == []
    other.gate.set()
    assert await answers(pipe, 2) == [b"slow", b"POST /a hot"]


async def test_what_the_other_protocol_reads_is_written_anew(piped, other):
    """Two parsers that read the same bytes may understand two things."""
    connection, pipe = piped()
    connection.data_received(
        b"PUT http://elsewhere/c?d HTTP/1.1\r\nHost: x\r\nX-Odd:  spaced \r\nKeep-Alive: 5\r\n"
        b"Connection: keep-alive, x-odd\r\nUpgrade: h2c\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\n0\r\ntrailer: t\r\n\r\n"
    )
    await answers(pipe, 1)
    assert other.seen == [("PUT", "/c?d", b"abc")]
    assert other.heads == [
        (
            (b"host", b"x"),
            (b"x-odd", b"spaced"),
            (b"keep-alive", b"5"),
            (b"content-length", b"3"),
            (b"connection", b"close"),
        )
    ]


async def test_an_answer_says_nothing_of_a_connection_that_goes_on(piped, other):
    connection, pipe = piped()
    connection.data_received(GET)
    await answers(pipe, 1)
    assert b"connection" not in pipe.written.lower()


@pytest.mark.parametrize(
    "request_",
    [
        GET.replace(b"1.1", b"1.0"),
        GET.replace(b"1.1\r\n", b"1.0\r\nconnection: keep-alive\r\n"),
        GET.replace(b"1.1\r\n", b"1.1\r\nconnection: close\r\n"),
    ],
)
async def test_a_connection_that_is_not_kept_ends_with_its_answer(piped, request_):
    connection, pipe = piped()
    connection.data_received(request_ + HOT)
    assert await answers(pipe, 1) == [b"other /b "]
    while not pipe.closed and not pipe.ended:
        await settle()
    assert b"onnection: close\r\n" in pipe.written or b"HTTP/1.0 200" in pipe.written


async def test_http_1_0_is_not_kept_even_where_its_body_comes_later(piped):
    """Its answer may have no other end than the connection's."""
    connection, pipe = piped()
    connection.data_received(
        b"PUT /b HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 6\r\n\r\nabc"
    )
    await settle()
    connection.data_received(b"def" + HOT)
    assert await answers(pipe, 1) == [b"other /b abcdef"]
    while not pipe.closed and not pipe.ended:
        await settle()


async def test_draining_ends_it_with_its_answer(server, piped, other):
    connection, pipe = piped()
    connection.data_received(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    await other.begun.wait()
    server.drain()
    assert not pipe.closed
    other.gate.set()
    while not pipe.closed:
        await settle()
    assert b"onnection: close\r\n" in pipe.written
    assert pipe.written.endswith(b"slow")


# ---- bodies


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_of_any_size_is_streamed_and_not_held(connect, other, framing):
    """The limit of the hot path, which needs the body whole, is not that of an upload."""
    client, size = await connect(), 3_000_000
    await client.send(b"PUT /upload HTTP/1.1\r\nhost: x\r\n")
    if framing == "length":
        await client.send(b"content-length: %d\r\n\r\n" % size)
        client.writer.write(b"z" * size)
    else:
        await client.send(b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(size // 50_000):
            client.writer.write(b"%x\r\n%b\r\n" % (50_000, b"z" * 50_000))
        client.writer.write(b"0\r\n\r\n")
    await other.begun.wait()
    other.gate.set()
    assert await client.answer() == (200, b"%d" % size)
    await client.send(HOT)
    assert await client.answer() == (200, b"POST /a hot")


async def test_a_handler_that_does_not_read_stops_its_client(connect, server, other):
    client = await connect()
    client.writer.write(b"PUT /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 64000000\r\n\r\n")
    client.writer.write(b"z" * 64_000_000)
    await other.begun.wait()
    [connection] = server.connections
    while not connection._lent.holds_reading:
        await settle()
    assert client.writer.transport.get_write_buffer_size() > 0
    other.gate.set()
    assert await client.answer() == (200, b"64000000")


async def test_a_body_behind_another_request_waits_in_its_clients_socket(piped, answering, other):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(HOT)
    connection.data_received(b"PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc")
    assert pipe.paused
    assert other.seen == []
    echo(answering.taken[0])
    await settle()
    assert not pipe.paused
    connection.data_received(b"def" + HOT)
    assert (await answers(pipe, 2))[1] == b"other /x abcdef"
    await answering.request(2)


async def test_a_body_that_nobody_reads_is_read_over(piped, answering, other):
    connection, pipe = piped()
    connection.data_received(b"PUT /deaf HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc")
    assert await answers(pipe, 1) == [b"deaf"]
    assert connection.busy is not None
    connection.data_received(b"def" + HOT)
    assert await answers(pipe, 2) == [b"deaf", b"POST /a hot"]


async def test_a_client_that_waits_for_100_continue_gets_it_and_its_body_is_read(piped, other):
    connection, pipe = piped()
    connection.data_received(
        b"PUT /x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"
    )
    while pipe.written != b"HTTP/1.1 100 Continue\r\n\r\n":
        await settle()
    connection.data_received(b"abc")
    assert (await answers(pipe, 2))[1] == b"other /x abc"


@pytest.mark.parametrize("expect", [b"100-continue", b"something-else"])
async def test_an_expectation_is_not_met_twice(piped, other, expect):
    connection, pipe = piped()
    connection.data_received(
        b"PUT /x HTTP/1.1\r\nhost: x\r\nexpect: %b\r\ncontent-length: 3\r\n\r\nabc" % expect
    )
    assert await answers(pipe, 1) == [b"other /x abc"]


# ---- what goes wrong


async def test_an_answer_that_breaks_off_ends_the_connection(piped, answering):
    """Another answer behind it would be read as the rest of it."""
    connection, pipe = piped()
    connection.data_received(b"GET /halves HTTP/1.1\r\nhost: x\r\n\r\n" + HOT)
    while not pipe.closed and not pipe.ended:
        await settle()
    assert pipe.written.endswith(b"4\r\nhalf\r\n")
    assert answering.taken == []


async def test_a_body_that_cannot_be_read_is_refused_before_the_answer(piped, answering, other):
    connection, pipe = piped()
    connection.data_received(
        b"PUT /slow HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    await other.begun.wait()
    connection.data_received(b"nonsense\r\n\r\n" + HOT)
    await other.left.wait()
    assert [s for s, _ in answering.refused] == [400]
    assert answering.taken == []
    assert pipe.ended


async def test_a_body_that_cannot_be_read_ends_an_answer_that_has_begun(piped, answering, other):
    connection, pipe = piped()
    connection.data_received(
        b"PUT /deaf HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    await answers(pipe, 1)
    connection.data_received(b"nonsense\r\n\r\n" + HOT)
    assert answering.refused == answering.taken == []
    assert pipe.aborted


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
async def test_a_client_that_leaves_takes_its_handler_with_it(connect, server, other, how):
    client = await connect()
    await client.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    await other.begun.wait()
    {"close": client.writer.close, "reset": client.reset, "half-close": client.writer.write_eof}[
        how
    ]()
    await other.left.wait()
    while server.connections or other.runner.server.connections:
        await settle()


async def test_a_client_that_leaves_within_its_upload_leaves_nothing_behind(connect, server, other):
    client = await connect()
    await client.send(b"PUT /b HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
    while not other.runner.server.connections:
        await settle()
    client.reset()
    while server.connections or other.runner.server.connections:
        await settle()
    assert other.seen == []


async def test_an_upload_that_stands_still_is_ended(piped, answering, other, clock):
    connection, _ = piped()
    connection.data_received(b"PUT /b HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
    clock.now += reading.BODY_S - 1
    connection.data_received(b"more")
    connection.expire(clock.now + reading.BODY_S - 1)
    assert answering.refused == []
    connection.expire(clock.now + reading.BODY_S + 1)
    assert [s for s, _ in answering.refused] == [408]


async def test_a_handler_that_takes_its_time_is_waited_for(piped, other, clock):
    connection, pipe = piped()
    connection.data_received(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    await other.begun.wait()
    connection.expire(clock.now + 10_000)
    other.gate.set()
    assert await answers(pipe, 1) == [b"slow"]


async def test_an_answer_that_nobody_reads_does_not_hold_its_connection_for_ever(
    piped, clock, other
):
    connection, pipe = piped()
    connection.data_received(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    await other.begun.wait()
    connection.pause_writing()
    pipe.unsent = 300_000
    connection.expire(clock.now)
    connection.expire(clock.now + limits.STALLED_S - 1)
    assert not pipe.aborted
    connection.expire(clock.now + limits.STALLED_S + 1)
    assert pipe.aborted
    connection.resume_writing()
    connection.connection_lost(None)
    await other.left.wait()


# ---- WebSockets


async def base_of(server) -> tuple[asyncio.Server, str]:
    listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    return listening, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_a_websocket_is_spoken_through_the_port(server, other):
    listening, base = await base_of(server)
    async with (
        listening,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{base}/socket") as ws,
    ):
        for word in ("one", "two" * 50_000):
            await ws.send_str(word)
            assert await ws.receive_str() == f"heard {word}"
        await ws.send_str("bye")
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    while server.connections or other.runner.server.connections:
        await settle()


@pytest.mark.parametrize("cut", range(0, 12, 3))
async def test_what_comes_right_behind_the_request_for_a_websocket_reaches_it(piped, cut):
    """A masked text frame `hi`, in the read of the head, or in the next ones."""
    frame = b"\x81\x82\x00\x00\x00\x00hi"
    data = SOCKET + frame
    connection, pipe = piped()
    connection.data_received(data[: len(data) - cut])
    connection.data_received(data[len(data) - cut :])
    while not pipe.written.endswith(b"\x81\x08heard hi"):
        await settle()
    assert pipe.written.startswith(b"HTTP/1.1 101 ")
    connection.connection_lost(None)


@pytest.mark.parametrize("before", [GET, HOT, GET + HOT + GET])
async def test_a_websocket_behind_other_requests_in_one_read_waits_for_its_turn(
    piped, other, before
):
    connection, pipe = piped()
    connection.data_received(before + SOCKET + b"\x81\x82\x00\x00\x00\x00hi")
    while not pipe.written.endswith(b"\x81\x08heard hi"):
        await settle()
    assert pipe.written.count(b"HTTP/1.1 200 OK") == before.count(b"HTTP/1.1")
    assert pipe.written.count(b"HTTP/1.1 101 ") == 1
    assert all((b"upgrade", b"websocket") not in head for head in other.heads)
    connection.connection_lost(None)


async def test_a_declined_websocket_is_http_again(piped, answering):
    connection, pipe = piped()
    connection.data_received(SOCKET.replace(b"/socket", b"/socket?decline") + HOT + GET)
    assert await answers(pipe, 3) == [b"no", b"POST /a hot", b"other /b "]
    assert not pipe.closed


async def test_what_is_said_behind_a_websocket_that_is_not_open_yet_is_bounded(piped, other):
    connection, pipe = piped()
    connection.data_received(SOCKET.replace(b"/socket", b"/slow"))
    await other.begun.wait()
    connection.data_received(b"z" * limits.MAX_HELD_BYTES)
    assert not pipe.paused
    connection.data_received(b"z")
    assert pipe.paused
    connection.connection_lost(None)


@pytest.mark.parametrize("more", [b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n"])
async def test_a_websocket_has_no_body_before_it(piped, other, answering, more):
    """Behind such a head, the next request and the body could be taken for each other."""
    body = b"HELLO" if b"length" in more else b"5\r\nHELLO\r\n0\r\n\r\n"
    request = SOCKET.replace(b"/socket", b"/b").replace(b"host: x\r\n", b"host: x\r\n" + more)
    connection, pipe = piped()
    connection.data_received(request + body + HOT)
    assert await answers(pipe, 2) == [b"other /b HELLO", b"POST /a hot"]


async def test_a_hot_request_that_asks_for_a_websocket_is_not_handed_over(piped, answering):
    connection, pipe = piped()
    connection.data_received(SOCKET.replace(b"GET", b"POST") + HOT)
    assert len(await answers(pipe, 2)) == 2
    assert [x.method for x in answering.taken] == [b"POST", b"POST"]


# ---- any cut

STORY = (
    GET
    + HOT
    + b"PUT http://a/c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nt: v\r\n\r\n"
    + HOT
    + b"GET /d HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2"
    + b"\r\n\r\nhi"
    + SOCKET.replace(b"/socket", b"/socket?decline")
    + HOT
    + b"HEAD /e HTTP/1.1\r\nhost: x\r\n\r\n"
    + b"DELETE /f HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
)


async def played(server: Server, pieces: list[bytes]) -> bytes:
    """What is written in answer; dates are left out."""
    connection, pipe = server.protocol(), Pipe()
    connection.connection_made(pipe)
    for piece in pieces:
        connection.data_received(piece)
        await settle()
    while not pipe.closed and not pipe.ended:
        await settle()
    connection.connection_lost(None)
    return b"\r\n".join(x for x in pipe.written.split(b"\r\n") if not x.startswith(b"Date: "))


async def test_cut_at_any_byte_the_same_requests_get_the_same_answers(server, answering, other):
    whole = await played(server, [STORY])
    assert whole.count(b"HTTP/1.1 200 OK") == 8
    assert b"other /c abcdefg" in whole
    seen, taken = other.seen[:], len(answering.taken)
    assert [path for _, path, _ in seen] == ["/b", "/c", "/d", "/e", "/f"]
    assert taken == 3
    for i in range(1, len(STORY)):
        other.seen.clear()
        answering.taken.clear()
        assert await played(server, [STORY[:i], STORY[i:]]) == whole
        assert other.seen == seen
        assert len(answering.taken) == taken
    assert await played(server, [bytes([b]) for b in STORY]) == whole


LAST = b"DELETE /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
# Ends with a close frame, which is answered.
SPOKEN = SOCKET + b"\x81\x82\x00\x00\x00\x00hi" + b"\x88\x80\x00\x00\x00\x00"
ANY = [
    GET,
    HOT,
    CHUNKED_POST + b"3\r\nabc\r\n0\r\n\r\n",
    b"PUT /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"PUT /deaf HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
    GET.replace(b"x\r\n", b"x\r\nconnection: upgrade\r\nupgrade: h2c\r\n"),
    SOCKET.replace(b"/socket", b"/socket?decline"),
]


async def talked(pieces: list[bytes]) -> bytes:
    """What `played` gives, from a server and an application of its own."""
    made, answering = Other(), Answering()
    await made.runner.setup()
    server = Server(
        answering.handle,
        answering.refuse,
        max_body_bytes=MAX_BODY,
        clock=Clock(),
        takes=takes,
        hand_over=made.protocol,
    )
    try:
        return await played(server, pieces)
    finally:
        await made.runner.cleanup()


@settings(max_examples=80)
@given(
    requests=st.lists(st.sampled_from(ANY), max_size=8),
    last=st.sampled_from([LAST, SPOKEN]),
    cuts=st.lists(st.integers(0, 2000), max_size=8),
)
def test_both_kinds_and_websockets_in_any_order_and_any_cut_get_the_same_answers(
    requests, last, cuts
):
    story = b"".join(requests) + last
    at = sorted({min(c, len(story)) for c in cuts} | {0, len(story)})
    pieces = [story[a:b] for a, b in pairwise(at)]
    whole = asyncio.run(talked([story]))
    assert whole.count(b"HTTP/1.1 ") == len(requests) + 1
    assert asyncio.run(talked(pieces)) == whole


async def test_reset_at_any_byte_nothing_is_left_behind(server, answering, other):
    for i in range(1, len(STORY)):
        connection, pipe = server.protocol(), Pipe()
        connection.connection_made(pipe)
        connection.data_received(STORY[:i])
        await settle()
        connection.connection_lost(ConnectionResetError())
        await settle()
    while other.runner.server.connections:
        await settle()
    assert not server.connections
