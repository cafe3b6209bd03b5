"""Answers, whole and in pieces, and their ends."""

from __future__ import annotations

import pytest

from http1.parties import GET, settle, with_length


async def test_an_answer_in_pieces_is_chunked(piped, answering):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET)
    exchange = answering.taken[0]
    exchange.start(200, [(b"x", b"1")])
    exchange.write(b"hello")
    exchange.write(b"")
    exchange.end(b"!")
    assert (
        pipe.written
        == b"HTTP/1.1 200 OK\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    )
    assert exchange.finished
    assert connection.busy is None


async def test_to_http_1_0_a_stream_ends_with_its_connection(piped, answering):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    exchange = answering.taken[0]
    exchange.start(200, [])
    exchange.write(b"hello")
    exchange.end(b"!")
    assert pipe.written == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello!"
    assert pipe.closed


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
async def test_answers_that_have_no_body_get_none(piped, answering, method, status):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received((method + b" / HTTP/1.1\r\nhost: x\r\n\r\n") * 2)
    answering.taken[0].respond(status, [], b"body")
    await settle()
    exchange = answering.taken[1]
    exchange.start(status, [])
    exchange.write(b"body")
    exchange.end(b"body")
    assert b"body" not in pipe.written
    assert b"chunked" not in pipe.written
    assert (b"content-length: 4" in pipe.written) == (method == b"HEAD")
    assert connection.busy is None
    assert not pipe.closed


async def test_a_large_answer_comes_whole(connect, answering):
    body = bytes(range(256)) * 4000
    answering.answer = lambda exchange: exchange.respond(200, [], body)
    client = await connect()
    await client.send(GET)
    assert await client.answer() == (200, body)


async def test_a_status_without_a_name_is_passed_on(piped, answering):
    answering.answer = lambda exchange: exchange.respond(529, [], b"")
    connection, pipe = piped()
    connection.data_received(GET)
    assert pipe.written.startswith(b"HTTP/1.1 529 -\r\n")


async def test_a_header_that_would_be_two_is_left_out(piped, answering):
    answering.answer = lambda exchange: exchange.respond(
        200, [(b"a", b"1\r\nset-cookie: x"), (b"b", b"2")], b""
    )
    connection, pipe = piped()
    connection.data_received(GET)
    assert pipe.written == b"HTTP/1.1 200 OK\r\nb: 2\r\ncontent-length: 0\r\n\r\n"


async def test_after_its_end_an_exchange_says_nothing_into_the_next_answer(piped, answering):
    connection, pipe = piped()
    connection.data_received(GET)
    written = pipe.written
    exchange = answering.taken[0]
    exchange.write(b"late")
    exchange.end(b"late")
    exchange.respond(500, [], b"late")
    exchange.abort()
    assert pipe.written == written
    assert not pipe.closed
    assert exchange.is_gone


async def test_a_second_answer_breaks_the_first_off(piped, answering):
    """An error inside the proxy after the head is out: a second head would be read as a chunk."""
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET)
    exchange = answering.taken[0]
    exchange.start(200, [])
    exchange.respond(500, [], b"oops")
    assert b"500" not in pipe.written
    assert pipe.aborted


async def test_a_body_without_a_head_is_broken_off(piped, answering):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET)
    answering.taken[0].end(b"oops")
    assert pipe.written == b""
    assert pipe.aborted


async def test_an_aborted_chunked_answer_has_no_last_chunk(connect, answering):
    answering.answer = None
    client = await connect()
    await client.send(GET)
    exchange = await answering.request(1)
    exchange.start(200, [])
    exchange.write(b"hello")
    await client.head()
    assert await client.reader.readexactly(10) == b"5\r\nhello\r\n"
    exchange.abort()
    assert await client.release() == b""


async def test_an_aborted_close_delimited_answer_ends_in_a_reset(connect, answering):
    """For an HTTP/1.0 client a quiet close would be the proper end of a stream that is not
    complete.
    """
    answering.answer = None
    client = await connect()
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    exchange = await answering.request(1)
    exchange.start(200, [])
    exchange.write(b"hello")
    await client.head()
    assert await client.reader.readexactly(5) == b"hello"
    exchange.abort()
    with pytest.raises(ConnectionResetError):
        await client.release()


# ---- what an answer means for its connection


async def test_a_connection_is_kept_for_the_next_request(connect, answering):
    client = await connect()
    for n in range(3):
        await client.send(with_length(b"%d" % n))
        assert await client.answer() == (200, b"POST /a %d" % n)


async def test_connection_close_is_answered_and_obeyed(connect):
    client = await connect()
    await client.send(GET[:-2] + b"connection: close\r\n\r\n")
    answer = await client.release()
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"GET /b ")


async def test_http_1_0_closes_unless_it_asks_to_be_kept(piped, answering):
    connection, pipe = piped()
    connection.data_received(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    assert b"connection: keep-alive\r\n" in pipe.written
    assert not pipe.closed
    connection.data_received(b"GET / HTTP/1.0\r\n\r\n")
    assert pipe.closed
