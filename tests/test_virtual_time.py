"""The clock and the network of tests in virtual time, which must be as true as real ones."""

from __future__ import annotations

import asyncio
import time

import pytest

from virtual_time import START, NothingIsDueError, in_virtual_time, now, passes, within


@in_virtual_time
async def test_two_minutes_are_over_at_once_and_to_the_microsecond():
    began = time.monotonic()
    await passes(120)
    assert (now(), time.monotonic() - began) == (START + 120, 120)


@in_virtual_time
async def test_timers_fire_in_their_order_whoever_set_them_first():
    fired: list[str] = []
    loop = asyncio.get_running_loop()
    loop.call_later(3, fired.append, "late")
    loop.call_later(1, fired.append, "soon")
    await passes(2)
    assert fired == ["soon"]
    await passes(2)
    assert fired == ["soon", "late"]


def test_who_waits_for_ever_fails_at_once():
    @in_virtual_time
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingIsDueError):
        story()


class Party(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard.append(data)

    def connection_lost(self, exc):
        self.heard.append(type(exc).__name__ if exc else "closed")

    def pause_writing(self):
        self.heard.append("paused")

    def resume_writing(self):
        self.heard.append("resumed")


async def pair():
    loop = asyncio.get_running_loop()
    servers: list[Party] = []

    def accept() -> Party:
        servers.append(Party())
        return servers[-1]

    server = await loop.create_server(accept, "127.0.0.1", 0)
    _, client = await loop.create_connection(Party, "127.0.0.1", server.sockets[0].getsockname()[1])
    return client, servers[0]


@in_virtual_time
async def test_a_port_that_nobody_listens_on_refuses():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Party, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        await loop.create_server(Party, "127.0.0.1", port)
    server.close()
    with pytest.raises(ConnectionRefusedError):
        await loop.create_connection(Party, "127.0.0.1", port)


@in_virtual_time
async def test_what_was_written_before_a_close_arrives_first():
    client, server = await pair()
    server.transport.write(b"a")
    server.transport.write(b"b")
    server.transport.close()
    server.transport.write(b"too late")
    await passes(0)
    await passes(0)
    assert client.heard == [b"a", b"b", "closed"]


@in_virtual_time
async def test_a_reset_loses_what_was_under_way():
    client, server = await pair()
    server.transport.write(b"a")
    server.transport.get_extra_info("socket").setsockopt(1, 13, b"no time")
    server.transport.abort()
    await passes(1)
    assert client.heard == ["ConnectionResetError"]
    assert server.heard == ["closed"]


@in_virtual_time
async def test_a_reader_that_pauses_makes_the_writer_pause():
    client, server = await pair()
    client.transport.pause_reading()
    for _ in range(5):
        server.transport.write(bytes(64 * 1024))
    await passes(1)
    assert (client.heard, server.heard) == ([], ["paused"])
    client.transport.resume_reading()
    await passes(1)
    assert len(client.heard) == 5
    assert server.heard == ["paused", "resumed"]


@in_virtual_time
async def test_what_takes_too_long_is_named():
    with pytest.raises(AssertionError, match="not done within 5 s"):
        await within(5, passes(6))
    assert await within(5, asyncio.to_thread(lambda: "done on the spot")) == "done on the spot"
