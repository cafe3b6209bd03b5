"""What clients on the open internet do, and how their connections fare."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from http1.parties import (
    CHUNKED_POST,
    GET,
    MAX_BODY,
    POST,
    Answering,
    Clock,
    Pipe,
    echo,
    emptied,
    settle,
    with_length,
)
from pilotfish.http1 import request_reader as reading
from pilotfish.http1 import server as limits
from pilotfish.http1.server import Server

# ---- slow clients


async def test_who_goes_on_sending_after_a_refusal_is_cut_off(piped, clock):
    connection, pipe = piped()
    connection.data_received(b"nonsense\r\n\r\n")
    assert pipe.ended
    assert not pipe.closed
    connection.data_received(b"more nonsense")
    connection.expire(clock.now + limits.LINGER_S - 1)
    assert not pipe.closed
    connection.expire(clock.now + limits.LINGER_S + 1)
    assert pipe.aborted


@pytest.mark.parametrize(
    ("begun", "limit_s"),
    [
        (b"POST /a HT", reading.HEAD_S),
        (POST, reading.HEAD_S),
        (POST + b"content-length: 9\r\n\r\n", reading.BODY_S),
        (CHUNKED_POST + b"5\r\nab", reading.BODY_S),
    ],
)
async def test_a_request_that_does_not_arrive_in_time_is_answered_with_408(
    piped, answering, clock, begun, limit_s
):
    connection, pipe = piped()
    clock.now += 100  # it has been idle before
    connection.data_received(begun)
    connection.expire(clock.now + limit_s - 1)
    assert answering.refused == []
    connection.expire(clock.now + limit_s + 1)
    assert [s for s, _ in answering.refused] == [408]
    assert b"connection: close\r\n" in pipe.written
    connection.expire(clock.now + limit_s + 2)
    assert len(answering.refused) == 1


async def test_a_head_that_drips_is_not_given_more_time_for_each_drop(piped, answering, clock):
    connection, _ = piped()
    for byte in POST[:16]:
        connection.data_received(bytes([byte]))
        clock.now += 1
        connection.expire(clock.now)
    assert [s for s, _ in answering.refused] == [408]


async def test_a_body_that_drips_below_the_least_rate_is_ended(server, piped, answering, clock):
    server.max_body_bytes = 1_000_000
    connection, _ = piped()
    connection.data_received(POST + b"content-length: 100000\r\n\r\n")
    for _ in range(70):
        connection.data_received(b"z")
        clock.now += 1
        connection.expire(clock.now)
    assert [s for s, _ in answering.refused] == [408]


async def test_a_large_body_on_a_slow_line_is_waited_for(server, piped, answering, clock):
    server.max_body_bytes = 1_000_000
    connection, _ = piped()
    connection.data_received(POST + b"content-length: 200000\r\n\r\n")
    for _ in range(100):
        connection.data_received(b"z" * 2000)
        clock.now += 1
        connection.expire(clock.now)
    assert [len(x.body) for x in answering.taken] == [200_000]


async def test_while_a_request_is_answered_no_limit_of_ours_runs(piped, answering, clock):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET + GET[:5])
    connection.expire(clock.now + 10_000)
    assert not pipe.closed
    clock.now += 10_000
    echo(answering.taken[0])
    await settle()
    connection.expire(clock.now + reading.HEAD_S - 1)
    assert answering.refused == [], "the second head's time begins when it is its turn"


async def test_idle_connections_are_closed_after_their_time(piped, clock):
    connection, pipe = piped()
    connection.expire(clock.now + limits.IDLE_S - 1)
    assert not pipe.closed
    connection.expire(clock.now + limits.IDLE_S + 1)
    assert pipe.closed


async def test_an_answer_that_nobody_reads_does_not_hold_its_connection_for_ever(piped, clock):
    connection, pipe = piped()
    connection.data_received(GET[:-2] + b"connection: close\r\n\r\n")
    pipe.unsent = 5000
    connection.expire(clock.now)
    pipe.unsent = 4000
    connection.expire(clock.now + limits.STALLED_S + 1)
    assert not pipe.aborted, "it is still being read"
    connection.expire(clock.now + 2 * limits.STALLED_S + 3)
    assert pipe.aborted


async def test_a_pipelining_client_that_reads_no_answer_is_cut_off(piped, clock):
    connection, pipe = piped()
    connection.data_received(GET)
    connection.pause_writing()
    pipe.unsent = 300_000
    connection.data_received(GET)
    connection.expire(clock.now)
    connection.expire(clock.now + limits.STALLED_S + 1)
    assert pipe.aborted


async def test_the_servers_sweep_reaches_every_connection(server, piped, clock):
    pipes = [piped()[1] for _ in range(3)]
    server.sweep(clock.now + limits.IDLE_S + 1)
    assert all(pipe.closed for pipe in pipes)


# ---- one after the other


async def test_pipelined_requests_are_answered_in_their_order(piped, answering):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(b"".join(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % n for n in range(5)))
    for n in range(5):
        assert len(answering.taken) == n + 1, (
            "the next is not begun before the one before it is answered"
        )
        echo(answering.taken[n])
        await settle()
    assert [x.split(b"\r\n\r\n")[1][:6] for x in pipe.written.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"GET /%d" % n for n in range(5)
    ]


async def test_good_requests_before_a_bad_one_are_served_first(piped, answering):
    connection, pipe = piped()
    connection.data_received(GET + GET + b"nonsense\r\n\r\n" + GET)
    await settle()
    assert len(answering.taken) == 2
    assert [s for s, _ in answering.refused] == [501]
    assert [x[:3] for x in pipe.written.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"501"]


async def test_a_flood_of_pipelined_requests_is_left_in_the_clients_socket(piped, answering):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET * 10)
    assert not pipe.paused, "a few may wait, and a client that leaves is still noticed"
    connection.data_received(GET * 10)
    assert pipe.paused
    n = 0
    while n < len(answering.taken):
        echo(answering.taken[n])
        n += 1
        await settle()
    assert n == 20
    assert not pipe.paused


async def test_large_bodies_that_wait_stop_the_reading_earlier(server, piped, answering):
    server.max_body_bytes = 2_000_000
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET + with_length(b"z" * 1_100_000))
    assert pipe.paused


async def test_a_thousand_pipelined_requests_do_not_nest(piped, answering):
    connection, _ = piped()
    connection.data_received(GET * 1000)
    while len(answering.taken) < 1000:
        await settle()
    assert connection.busy is None


# ---- clients that leave


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("when", ["before the answer", "within the answer"])
async def test_a_client_that_leaves_is_told_to_the_owner_once(
    connect, answering, server, how, when
):
    answering.answer = None
    client = await connect()
    await client.send(GET)
    exchange = await answering.request(1)
    if when == "within the answer":
        exchange.start(200, [])
        exchange.write(b"hello")
        await client.head()
    {"close": client.writer.close, "reset": client.reset, "half-close": client.writer.write_eof}[
        how
    ]()
    await answering.clients[0].hears("left")
    exchange.write(b"x")
    exchange.abort()
    exchange.respond(500, [], b"")
    await settle()
    assert answering.clients[0].heard == ["left"]
    assert exchange.is_gone
    assert exchange.peer == ""
    assert not server.connections


async def test_a_client_that_leaves_in_mid_body_leaves_nothing_behind(connect, answering, server):
    client = await connect()
    await client.send(POST + b"content-length: 100\r\n\r\nhalf")
    client.reset()
    await emptied(server.connections)
    assert answering.taken == answering.refused == []


async def test_a_client_that_leaves_after_its_answer_is_nobodys_business(
    connect, answering, server
):
    client = await connect()
    await client.send(GET)
    await client.answer()
    client.reset()
    await emptied(server.connections)
    assert answering.clients[0].heard == []


async def test_a_client_that_does_not_read_pauses_its_owner_and_loses_nothing(connect, answering):
    answering.answer = None
    client = await connect()
    client.writer.transport.pause_reading()
    await client.send(GET)
    exchange = await answering.request(1)
    exchange.start(200, [])
    owner = answering.clients[0]
    sent = 0
    while "pause" not in owner.heard:
        exchange.write(b"z" * 65_536)
        sent += 65_536
        assert sent < 64 * 1024 * 1024, "back-pressure never came"
        await asyncio.sleep(0)
    exchange.end()
    client.writer.transport.resume_reading()
    await client.head()
    received = 0
    while size := int(await client.reader.readuntil(b"\r\n"), 16):
        await client.reader.readexactly(size + 2)
        received += size
    assert received == sent


async def test_an_owner_that_was_paused_is_resumed_when_its_client_reads_on(piped, answering):
    answering.answer = None
    connection, _ = piped()
    connection.data_received(GET)
    connection.pause_writing()
    connection.resume_writing()
    assert answering.clients[0].heard == ["pause", "resume"]


async def test_pipelined_requests_of_a_client_that_does_not_read_wait(piped, answering):
    """Each answer would else pile up in memory: the transport tells only once that it is full."""
    answering.answer = None
    connection, _ = piped()
    connection.data_received(GET + GET)
    connection.pause_writing()
    echo(answering.taken[0])
    await settle()
    assert len(answering.taken) == 1
    connection.data_received(GET)
    assert len(answering.taken) == 1
    connection.resume_writing()
    assert len(answering.taken) == 2


# ---- draining


async def test_draining_closes_idle_connections_at_once_and_busy_ones_after_their_answer(
    server, piped, answering
):
    answering.answer = None
    _, idle = piped()
    busy, busy_pipe = piped()
    busy.data_received(GET)
    half, half_pipe = piped()
    half.data_received(POST)
    server.drain()
    assert idle.closed
    assert not busy_pipe.closed
    assert not half_pipe.closed
    echo(answering.taken[0])
    assert b"connection: close\r\n" in busy_pipe.written
    assert busy_pipe.closed
    half.data_received(b"content-length: 0\r\n\r\n")
    echo(answering.taken[1])
    assert b"connection: close\r\n" in half_pipe.written
    assert half_pipe.closed


async def test_a_stream_that_began_before_the_draining_ends_whole_and_then_its_connection_closes(
    server, piped, answering
):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET)
    exchange = answering.taken[0]
    exchange.start(200, [])
    server.drain()
    exchange.end(b"all")
    assert pipe.written.endswith(b"3\r\nall\r\n0\r\n\r\n")
    assert pipe.closed


async def test_a_refused_client_that_has_left_already_is_not_waited_for(piped):
    connection, pipe = piped()

    def gone() -> None:
        raise OSError(107, "Transport endpoint is not connected")

    pipe.write_eof = gone
    connection.data_received(b"nonsense\r\n\r\n")
    assert pipe.aborted


# ---- any cut


STORY = (
    GET
    + with_length(b"hello", b"X-Some: Header  \r\n")
    + b"\r\n"
    + CHUNKED_POST
    + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nt: v\r\n\r\n"
    + POST
    + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi"
    + b"HEAD http://a/c HTTP/1.1\r\nhost: x\r\n\r\n"
    + GET[:-2]
    + b"connection: close\r\n\r\n"
)


async def play(
    pieces: list[bytes],
) -> tuple[
    list[tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]]]], bytes, list[tuple[int, str]], bool
]:
    answering, clock = Answering(), Clock()
    server = Server(answering.handle, answering.refuse, max_body_bytes=MAX_BODY, clock=clock)
    connection, pipe = server.protocol(), Pipe()
    connection.connection_made(pipe)
    for piece in pieces:
        connection.data_received(piece)
        await settle()
    for _ in range(50):
        await settle()
    assert connection.busy is None
    seen = [(x.method, x.target, x.body, x.headers) for x in answering.taken]
    ended = pipe.closed or pipe.ended
    # No connection is ever stuck: whatever was sent, time ends it.
    if not ended:
        connection.expire(clock.now + limits.IDLE_S + reading.BODY_S + 1)
    connection.expire(clock.now + 1000)
    connection.expire(clock.now + 2000)
    assert pipe.closed
    connection.connection_lost(None)
    assert not server.connections
    return seen, pipe.written, answering.refused, ended


async def test_cut_at_any_byte_the_same_requests_get_the_same_answers():
    whole = await play([STORY])
    assert [x[1] for x in whole[0]] == [b"/b", b"/a", b"/a", b"/a", b"/c", b"/b"]
    assert [x[2] for x in whole[0]] == [b"", b"hello", b"abcdefg", b"hi", b"", b""]
    assert whole[3]
    for i in range(1, len(STORY)):
        assert await play([STORY[:i], STORY[i:]]) == whole
    assert await play([bytes([b]) for b in STORY]) == whole


# fmt: off
TOKENS = [
    b"GET ", b"POST ", b"CONNECT ", b"/", b"*", b"http://a", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b":", b" ", b"\0",
    b"host: x\r\n", b"content-length: 3\r\n", b"content-length: 9999\r\n", b"transfer-encoding: chunked\r\n", b"connection: close\r\n",
    b"connection: upgrade\r\n", b"upgrade: h2c\r\n", b"expect: 100-continue\r\n", b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b"ffffffff\r\n",
    GET, with_length(b"ok"), CHUNKED_POST, GET[:-2] + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n", CHUNKED_POST + b"3\r\nabc\r\n0\r\n\r\n",
]
# fmt: on


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)), max_size=24).map(
        b"".join
    ),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_no_bytes_make_it_raise_or_leave_it_stuck_and_no_cut_changes_what_is_understood(data, cuts):
    at = sorted({min(c, len(data)) for c in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(at)] or [b""]
    whole, cut = asyncio.run(play([data])), asyncio.run(play(pieces))
    assert cut[0] == whole[0], "the requests"
    assert [s for s, _ in cut[2]] == [s for s, _ in whole[2]], "the refusals"
