"""Every test with a loop runs on asyncio's and on uvloop's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop

from certificates import Authority
from http1.parties import MAX_BODY, Answering, Clock, Pipe, Raw, Vendor
from pilotfish.http1.origin import Origin
from pilotfish.http1.pool import Pool
from pilotfish.http1.server import Connection, Server


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def answering() -> Answering:
    return Answering()


@pytest.fixture
async def server(answering, clock) -> Server:
    return Server(answering.handle, answering.refuse, max_body_bytes=MAX_BODY, clock=clock)


@pytest.fixture
async def connect(server) -> Iterator[Callable[[], Awaitable[Raw]]]:
    """Opens connections to a listening `server`."""
    listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    opened = []

    async def open_one() -> Raw:
        raw = Raw(*await asyncio.open_connection("127.0.0.1", port))
        opened.append(raw)
        return raw

    yield open_one
    for raw in opened:
        raw.writer.transport.abort()
    for connection in list(server.connections):
        connection.close(reset=False)
    listening.close()
    await listening.wait_closed()


@pytest.fixture
async def piped(server) -> Callable[[], tuple[Connection, Pipe]]:
    """Makes connections of `server` that have no socket."""

    def make() -> tuple[Connection, Pipe]:
        connection, pipe = server.protocol(), Pipe()
        connection.connection_made(pipe)
        return connection, pipe

    return make


@pytest.fixture
async def vendor():
    """Starts upstreams: `await vendor(play)` with the coroutine function that plays each of its
    connections.
    """
    started = []

    async def start(play, **tls) -> Vendor:
        made = Vendor(play)
        await made.start(**tls)
        started.append(made)
        return made

    yield start
    for made in started:
        await made.stop()


@pytest.fixture
async def pool_to(clock):
    """Makes pools: `pool_to(port)`."""
    pools = []

    def make(port: int, *, scheme="http", host="127.0.0.1", **origin) -> Pool:
        pool = Pool(Origin(scheme, host, port, **origin), clock=clock)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()
        for upstream in list(pool.open):
            upstream.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))
