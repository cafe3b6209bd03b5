"""One client's connection: bytes to requests, answers out, and the ways to end it badly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

from pilotfish.simulated.http import HttpError, RequestParser, VendorRequest, response_head


class VendorConnection(asyncio.Protocol):
    """Serves one request after the other in a task of its own, which is in `tasks` while it runs
    and is cancelled when the client leaves.

    `read_at` is the loop's time at which the request in hand was read to its end.
    """

    def __init__(
        self,
        number: int,
        serve: Callable[[VendorConnection, VendorRequest], Awaitable[bool]],
        ended: Callable[[VendorConnection], None],
        tasks: set[asyncio.Task[None]],
    ) -> None:
        self.number = number
        self.read_at = 0.0
        self.left_by_us = False
        self.task: asyncio.Task[None] | None = None
        self._serve, self._ended, self._tasks = serve, ended, tasks
        self._parser = RequestParser()
        self._requests: deque[tuple[float, VendorRequest]] = deque()
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.task = asyncio.get_running_loop().create_task(
            self._run(), name=f"simulated connection {self.number}"
        )
        self._tasks.add(self.task)
        self.task.add_done_callback(self._tasks.discard)

    def data_received(self, data: bytes) -> None:
        try:
            requests = self._parser.feed(data)
        except HttpError as error:
            text = str(error).encode()
            self.write(
                response_head(
                    400,
                    [
                        ("content-type", "text/plain"),
                        ("content-length", str(len(text))),
                        ("connection", "close"),
                    ],
                )
                + text
            )
            self.close()
            return
        if not requests and self._parser.awaits_body:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        now = asyncio.get_running_loop().time()
        self._requests.extend((now, request) for request in requests)
        if requests:
            self._more.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        if self.task is not None and not self.left_by_us:
            self.task.cancel()
        else:
            self._more.set()
        self._ended(self)

    # What the serving task calls.

    async def drained(self) -> None:
        """Waits while the client does not take what was written."""
        await self._writable.wait()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Sends what was written, then ends the connection in order."""
        self.left_by_us = True
        if self._transport is not None:
            self._transport.close()
        self._more.set()

    def reset(self) -> None:
        """Ends the connection with a TCP reset; what was written and not yet sent is lost."""
        self.left_by_us = True
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # the client may have been quicker
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        self._more.set()

    async def _run(self) -> None:
        try:
            while not self.left_by_us:
                if not self._requests:
                    self._more.clear()
                    await self._more.wait()
                    continue
                self.read_at, request = self._requests.popleft()
                if not await self._serve(self, request):
                    break
        finally:  # also after a mistake of ours: the client must not wait for ever
            self.close()
