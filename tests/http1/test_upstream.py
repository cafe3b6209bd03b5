"""What upstreams do to a request that is on its way, and what is heard of it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from http1.parties import (
    CHUNKED,
    EMPTY,
    HEAD,
    REQUEST,
    WHOLE,
    Heard,
    Raw,
    answers,
    ask,
    in_flight,
    read_request,
)
from pilotfish.http1 import upstream as connection_limits

# ---- connections that end


@pytest.mark.parametrize("answer", [WHOLE, CHUNKED], ids=["length", "chunks"])
@pytest.mark.parametrize("how", ["reset", "close"])
async def test_ended_at_any_byte_it_is_lost_with_the_kind_that_tells_where(
    vendor, pool_to, answer, how
):
    cut = 0

    async def play(raw: Raw) -> None:
        await read_request(raw)
        await raw.send(answer[:cut])
        await asyncio.wait_for(heard_enough.wait(), 5)
        if how == "reset":
            raw.reset()

    made = await vendor(play)
    pool = pool_to(made.port)
    head_ends = answer.index(b"\r\n\r\n") + 4
    for cut in range(len(answer)):
        heard_enough = asyncio.Event()
        if cut < head_ends:
            heard_enough.set()  # nothing is heard of half a head
        heard = Heard()
        pool.send([REQUEST], heard, 5.0)
        if cut >= head_ends:
            await heard.headed.wait()
            heard_enough.set()
        await heard.over.wait()
        assert heard.ending == ("reset" if cut < head_ends else "cut"), cut
        assert b"hello".startswith(heard.body)
    assert not pool.open


async def test_a_length_that_is_not_met_is_a_cut(vendor, pool_to):
    made = await vendor(answers(HEAD + b"content-length: 50\r\n\r\nhello"))
    heard = await ask(pool_to(made.port))
    assert (heard.body, heard.ending) == (b"hello", "cut")


async def test_without_length_and_chunks_the_connections_end_is_the_answers(vendor, pool_to):
    made = await vendor(answers(HEAD + b"\r\nhello"))
    heard = await ask(pool_to(made.port))
    assert (heard.status, heard.body, heard.ending) == (200, b"hello", "end")


async def test_without_length_and_chunks_a_reset_is_a_cut(vendor, pool_to):
    async def play(raw: Raw) -> None:
        await read_request(raw)
        await raw.send(HEAD + b"\r\nhello")
        await got.wait()
        raw.reset()

    got = asyncio.Event()
    made = await vendor(play)
    heard = Heard()
    pool_to(made.port).send([REQUEST], heard, 5.0)
    await heard.bodied.wait()
    got.set()
    await heard.over.wait()
    assert (heard.body, heard.ending) == (b"hello", "cut")


async def test_a_coding_that_nobody_asked_for_does_not_end_well_with_the_connection(
    vendor, pool_to
):
    made = await vendor(answers(HEAD + b"transfer-encoding: gzip\r\n\r\nhello"))
    assert (await ask(pool_to(made.port))).ending == "cut"


# ---- answers that are not one


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 000 X\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 099 X\r\n\r\n" + EMPTY,
        b"HTTP/1.1 600 X\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n" + EMPTY,
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello",
        HEAD + b"x: a\r\n folded\r\n\r\n",
        HEAD + b"x\0: a\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_is_lost_as_protocol_and_its_connection_not_kept(
    vendor, pool_to, answer
):
    made = await vendor(answers(answer))
    pool = pool_to(made.port)
    heard = await ask(pool)
    assert heard.ending == "protocol"
    assert all(upstream.closed for upstream in pool.open)


async def test_what_came_before_a_bad_chunk_is_heard(vendor, pool_to):
    made = await vendor(answers(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n-1\r\n"))
    heard = await ask(pool_to(made.port))
    assert (heard.status, heard.body, heard.ending) == (200, b"hello", "protocol")


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 200 OK\r\nx: ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: ",
    ],
    ids=["head", "interim answers", "trailers"],
)
async def test_heads_and_trailers_without_end_are_bounded(flood):
    upstream, _, heard = in_flight()
    more = flood if b"100" in flood else b"y" * 1000
    upstream.data_received(flood)
    for _ in range(connection_limits.MAX_HEAD_BYTES // len(more) + 1):
        if not heard.over.is_set():
            upstream.data_received(more)
    assert heard.ending == "protocol"
    assert str(connection_limits.MAX_HEAD_BYTES) in heard.log[-1][2]
    assert upstream.closed


async def test_chunk_sizes_that_come_by_themselves_are_no_flood():
    upstream, _, heard = in_flight()
    upstream.data_received(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(connection_limits.MAX_HEAD_BYTES // 3):
        upstream.data_received(b"1\r\n")
        upstream.data_received(b"z\r\n")
    upstream.data_received(b"0\r\n\r\n")
    assert heard.ending == "end"


# ---- answers in all their forms


@pytest.mark.parametrize(
    "interim",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 2],
)
async def test_interim_answers_are_not_the_answer(vendor, pool_to, interim):
    made = await vendor(answers(interim + WHOLE))
    pool = pool_to(made.port)
    heard = await ask(pool)
    assert heard.log[1:] == [
        ("head", 200, ((b"content-type", b"text/plain"), (b"content-length", b"5"))),
        ("body", b"hello"),
        ("end",),
    ]


async def test_an_interim_answer_and_then_nothing_is_a_reset(vendor, pool_to):
    made = await vendor(answers(b"HTTP/1.1 100 Continue\r\n\r\n"))
    assert (await ask(pool_to(made.port))).ending == "reset"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 50\r\n\r\n",
    ],
)
async def test_answers_that_have_no_body_are_complete_with_their_head(vendor, pool_to, head):
    made = await vendor(answers(head, WHOLE))
    pool = pool_to(made.port)
    assert [x[0] for x in (await ask(pool)).log] == ["sent", "head", "end"]
    assert (await ask(pool)).body == b"hello"
    assert pool.made == 1


async def test_trailers_are_left_out_and_do_not_reach_the_next_answer(vendor, pool_to):
    made = await vendor(answers(CHUNKED[:-2] + b"x-checksum: 1\r\n\r\n", WHOLE))
    pool = pool_to(made.port)
    first, second = await ask(pool), await ask(pool)
    assert first.body == second.body == b"hello"
    assert not any(
        b"x-checksum" in str(entry).encode() for heard in (first, second) for entry in heard.log
    )
    assert pool.made == 1


@pytest.mark.parametrize(
    "answer", [WHOLE, CHUNKED, HEAD + b"\r\nhello", b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE]
)
async def test_cut_at_any_byte_the_same_is_heard(answer):
    def hear(pieces: list[bytes]) -> list[tuple[object, ...]]:
        upstream, _, heard = in_flight()
        for piece in pieces:
            upstream.data_received(piece)
        if not heard.over.is_set():
            upstream.connection_lost(None)
        return heard.log

    whole = hear([answer])
    assert whole[-2:] == [("body", b"hello"), ("end",)]
    for i in range(1, len(answer)):
        assert hear([answer[:i], answer[i:]]) == whole
    assert hear([bytes([b]) for b in answer]) == whole


# fmt: off
TOKENS = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 101 S\r\n\r\n", b"\r\n", b"\n",
    b"content-length: 3\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n", b"connection: close\r\n", b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"ffff\r\n", b"\0",
    WHOLE, CHUNKED, EMPTY,
]
# fmt: on


@settings(max_examples=300)
@given(
    pieces=st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)), max_size=16),
    reset=st.booleans(),
)
def test_no_bytes_make_it_raise_or_leave_the_listener_without_an_end(pieces, reset):
    async def story() -> None:
        upstream, _, heard = in_flight()
        for piece in pieces:
            if not upstream.closed:
                upstream.data_received(piece)
        upstream.connection_lost(ConnectionResetError() if reset else None)
        assert heard.over.is_set()
        assert [x[0] for x in heard.log].count("head") <= 1

    asyncio.run(story())


# ---- large ones, both ways


async def test_a_large_request_in_pieces_arrives_whole(vendor, pool_to):
    async def play(raw: Raw) -> None:
        await raw.head()
        received.append(await raw.reader.readexactly(400_000))
        await raw.send(EMPTY)

    received = []
    made = await vendor(play)
    heard = Heard()
    pool_to(made.port).send(
        [b"POST / HTTP/1.1\r\n\r\n", b"a" * 200_000, b"b" * 200_000], heard, 5.0
    )
    await heard.over.wait()
    assert received == [b"a" * 200_000 + b"b" * 200_000]


async def test_a_paused_answer_waits_in_the_vendors_socket(vendor, pool_to):
    async def play(raw: Raw) -> None:
        await read_request(raw)
        await raw.send(HEAD + b"content-length: 50000000\r\n\r\n")
        await raw.send(b"z" * 50_000_000)
        await (
            raw.release()
        )  # what is sent is not yet read: ended now, the connection would take the last of it along

    made = await vendor(play)
    pool = pool_to(made.port)
    received = 0

    class Slow(Heard):
        def on_body(self, data: bytes) -> None:
            nonlocal received
            received += len(data)
            if not self.bodied.is_set() and received >= 1_000_000:
                pending.pause()
                self.bodied.set()

    heard = Slow()
    pending = pool.send([REQUEST], heard, 5.0)
    await heard.bodied.wait()
    at_pause = received
    for _ in range(50):
        await asyncio.sleep(0)
    assert received == at_pause
    assert not heard.over.is_set()
    pending.resume()
    await heard.over.wait()
    assert received == 50_000_000


async def test_a_connection_goes_back_to_the_pool_reading():
    upstream, pipe, heard = in_flight()
    pending = upstream._pending
    heard.on_data = lambda data: pending.pause()
    upstream.data_received(WHOLE)
    assert heard.ending == "end"
    assert not pipe.paused
