"""A connection as its client sees it, with a server that answers as the test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from pilotfish.simulated.connection import VendorConnection

GET = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def serving(serve):
    """A server of one kind of answer, with the connections that it has taken."""
    made, ended, tasks = [], asyncio.Event(), set()

    def accept():
        made.append(VendorConnection(len(made) + 1, serve, lambda _: ended.set(), tasks))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer, made, ended
    finally:
        writer.transport.abort()
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def answered(connection, request):
    connection.write(OK)
    return True


async def test_a_mistake_in_answering_ends_the_connection():
    """The client must not wait for ever."""

    async def failing(connection, request):
        raise RuntimeError("a mistake")

    async with serving(failing) as (reader, writer, made, ended):
        writer.write(GET)
        assert await reader.read() == b""
        await ended.wait()
        with pytest.raises(RuntimeError, match="a mistake"):
            await made[0].task


async def test_what_is_not_http_is_answered_with_400_and_the_end():
    async with serving(answered) as (reader, writer, _, _ended):
        writer.write(b"GET / HTTP/2\r\n\r\n")
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer


async def test_a_client_that_leaves_cancels_the_answer():
    begun, left, by_us = asyncio.Event(), asyncio.Event(), []

    async def never(connection, request):
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            by_us.append(connection.left_by_us)
            left.set()

    async with serving(never) as (_, writer, _made, _ended):
        writer.write(GET)
        await begun.wait()
        writer.transport.abort()
        await left.wait()
        assert by_us == [False]


async def test_requests_are_answered_one_after_the_other_on_one_connection():
    seen = []

    async def counted(connection, request):
        seen.append((request.path, connection.number))
        connection.write(OK)
        return len(seen) < 2

    async with serving(counted) as (reader, writer, _, ended):
        writer.write(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n")
        assert await reader.read() == OK * 2
        await ended.wait()
    assert seen == [("/a", 1), ("/b", 1)]


async def test_a_reset_is_no_orderly_end():
    async def reset(connection, request):
        connection.reset()
        return False

    async with serving(reset) as (reader, writer, made, ended):
        writer.write(GET)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await ended.wait()
        assert made[0].left_by_us


async def test_nothing_is_written_after_the_end():
    async def closing(connection, request):
        connection.close()
        connection.write(OK)
        return False

    async with serving(closing) as (reader, writer, _, ended):
        writer.write(GET)
        assert await reader.read() == b""
        await ended.wait()


async def test_a_slow_reader_is_waited_for():
    paused = asyncio.Event()

    async def much(connection, request):
        connection.pause_writing()
        paused.set()
        await connection.drained()
        connection.write(OK)
        return True

    async with serving(much) as (reader, writer, made, _ended):
        writer.write(GET)
        await paused.wait()
        made[0].resume_writing()
        assert await reader.readexactly(len(OK)) == OK
