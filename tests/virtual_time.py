"""An event loop on which nothing takes time: when everybody waits, the clock jumps to whoever is due
next. Its network is in memory. So two minutes of silence are over at once, and a test that says
"after 10 s" means it to the microsecond.

    @in_virtual_time
    async def test_a_story(tmp_path):
        await passes(120)
        assert now() == START + 120

Servers and connections that are made by the loop (`create_server`, `create_connection`) are pairs of
transports in memory; a port that nobody listens on refuses. Work for threads is done on the spot.
Where nothing is ever due again the test fails at once, and says so.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")
START = 1000.0  # what the clock shows at first, in seconds
WALL_START = 1_800_000_000.0  # and the calendar, in seconds of Unix time
HIGH_WATER = 64 * 1024
_LINGER = (socket.SOL_SOCKET, socket.SO_LINGER)
_real_monotonic, _real_time = time.monotonic, time.time


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an async test, whose fixtures must be plain ones, on a loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtually(functools.partial(test, *args, **kwargs))

    return run


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    loop = VirtualLoop()
    clocks = [
        mock.patch.object(module, name, loop.time)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("pilotfish.")
        for name, value in list(vars(module).items())
        if value is _real_monotonic
    ]
    clocks.append(mock.patch.object(time, "monotonic", loop.time))
    clocks.append(mock.patch.object(time, "time", loop.wall))
    for clock in clocks:
        clock.start()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(main())
    finally:
        for clock in clocks:
            clock.stop()


def now() -> float:
    return asyncio.get_running_loop().time()


async def passes(seconds: float) -> None:
    """Everything that is due within this time happens."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


async def settles() -> None:
    """Everything happens that needs no time to pass."""
    await passes(0.0)
    for _ in range(50):
        await asyncio.sleep(0)


async def within(seconds: float, awaited: Awaitable[T]) -> T:
    """Its result; AssertionError where it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await awaited
    except TimeoutError:
        raise AssertionError(f"not done within {seconds:g} s") from None


class NothingIsDueError(AssertionError):
    """Everybody waits for somebody who waits."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Selects what is ready now, and lets the time pass that there was to wait."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise NothingIsDueError("nothing is due any more, and somebody still waits")
        self.loop.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = START
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._listening: dict[int, MemoryServer] = {}
        self._port = 20_000

    def time(self) -> float:
        return self._now

    def wall(self) -> float:
        return WALL_START + self._now - START

    def jump(self, seconds: float) -> None:
        """To whoever is due next, exactly: a sum of differences would not be."""
        scheduled = [h.when() for h in self._scheduled if not h.cancelled()]  # type: ignore[attr-defined]
        self._now = max(self._now, min([*scheduled, self._now + seconds]))

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    # ---- the network

    async def create_server(  # type: ignore[override]
        self,
        factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int = 0,
        **_: Any,
    ) -> MemoryServer:
        if not port:
            self._port += 1
            port = self._port
        if port in self._listening:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        server = self._listening[port] = MemoryServer(self, factory, port)
        return server

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], asyncio.Protocol], host: str = "", port: int = 0, **_: Any
    ) -> tuple[MemoryTransport, asyncio.Protocol]:
        await asyncio.sleep(0)
        server = self._listening.get(port)
        if server is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self._port += 1
        here, there = factory(), server.factory()
        near = MemoryTransport(self, here, self._port, port)
        far = MemoryTransport(self, there, port, self._port)
        near.peer, far.peer = far, near
        server.transports.add(far)
        there.connection_made(far)
        here.connection_made(near)
        return near, here

    def stops_listening(self, port: int) -> None:
        self._listening.pop(port, None)


class MemoryServer:
    def __init__(
        self, loop: VirtualLoop, factory: Callable[[], asyncio.Protocol], port: int
    ) -> None:
        self._loop, self.factory, self.port = loop, factory, port
        self.transports: set[MemoryTransport] = set()
        self.sockets: Sequence[MemorySocket] = (MemorySocket(port, 0),)

    def close(self) -> None:
        self._loop.stops_listening(self.port)

    async def wait_closed(self) -> None: ...

    def is_serving(self) -> bool:
        return True


class MemorySocket:
    """As much of a socket as a transport's user may ask for. `resets`: SO_LINGER of no time is set,
    by which a close becomes a reset.
    """

    family = socket.AF_INET
    type = socket.SOCK_STREAM

    def __init__(self, port: int, peer: int) -> None:
        self._port, self._peer = port, peer
        self.resets = False

    def setsockopt(self, level: int, name: int, value: Any) -> None:
        self.resets = self.resets or (level, name) == _LINGER

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", self._peer


class MemoryTransport(asyncio.Transport):
    """One end of a connection. What is written is the other's at the next turn of the loop, in the
    pieces in which it was written.
    """

    peer: MemoryTransport

    def __init__(
        self, loop: VirtualLoop, protocol: asyncio.BaseProtocol, port: int, peer_port: int
    ) -> None:
        super().__init__()
        self._loop, self._protocol = loop, protocol
        self._socket = MemorySocket(port, peer_port)
        self._incoming: deque[bytes | None] = deque()  # None: the end
        self._is_scheduled = self._is_reading_paused = False
        self._closing = self._lost = self._eof_sent = self._has_paused_peer = False
        self._high = HIGH_WATER

    # ---- what its protocol calls

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket":
            return self._socket
        if name == "peername":
            return self._socket.getpeername()
        return self._socket.getsockname() if name == "sockname" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_WATER if high is None else high

    def get_write_buffer_size(self) -> int:
        """What the other end has not taken, above what a kernel would have taken for it."""
        unread = sum(len(piece) for piece in self.peer._incoming if piece)
        return max(0, unread - HIGH_WATER)

    def write(self, data: Any) -> None:
        if self._lost or self._eof_sent or not data:
            return
        self.peer._takes(bytes(data))
        if not self._has_paused_peer and self.get_write_buffer_size() > self._high:
            self._has_paused_peer = True
            self._protocol.pause_writing()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._eof_sent:
            self._eof_sent = True
            self.peer._takes(None)

    def pause_reading(self) -> None:
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        self._is_reading_paused = False
        self._schedule()

    def is_reading(self) -> bool:
        return not self._is_reading_paused and not self._closing

    def close(self) -> None:
        """In order: the other end gets all that was written first."""
        if not self._closing:
            self._closing = True
            self.write_eof()
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        if self._lost:
            return
        self._closing = True
        if self._socket.resets:
            self.peer._incoming.clear()
            self._loop.call_soon(
                self.peer._lose, ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            )
        else:
            self.write_eof()
        self._loop.call_soon(self._lose, None)

    # ---- what the other end and the loop call

    def _takes(self, piece: bytes | None) -> None:
        if not self._lost:
            self._incoming.append(piece)
            self._schedule()

    def _schedule(self) -> None:
        if self._incoming and not self._is_scheduled and not self._is_reading_paused:
            self._is_scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_scheduled = False
        if self._lost or self._is_reading_paused or not self._incoming:
            return
        piece = self._incoming.popleft()
        if self._closing:
            pass  # who has closed reads no more
        elif piece is not None:
            self._protocol.data_received(piece)  # type: ignore[attr-defined]
        elif not self._protocol.eof_received():  # type: ignore[attr-defined]
            self.close()
        if self.peer._has_paused_peer and not self.peer.get_write_buffer_size():
            self.peer._has_paused_peer = False
            self.peer._protocol.resume_writing()
        self._schedule()

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._incoming.clear()
            self._protocol.connection_lost(error)
