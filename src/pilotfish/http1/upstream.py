"""One connection to a vendor: requests out, one at a time; answers in, passed on to the request's
listener.

Not for HEAD and CONNECT: whether an answer has a body is read from the answer alone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from pilotfish.http1.exchange import Header
from pilotfish.http1.pending import PendingRequest

MAX_HEAD_BYTES = 128 * 1024
# Below, one write of a joined copy is cheaper than a write of many pieces.
JOIN_BYTES = 128 * 1024
# A kept connection that was closed meanwhile reports it within a round trip. One that dies later
# may have died after the vendor had the request, and to send it again would pay for it twice.
STALE_S = 2.0
# A model may think for minutes without a byte; address translators on the way forget connections
# that are silent for so long.
KEEP_ALIVE_AFTER_S = 60


class ConnectionKeeper(Protocol):
    """The pool that a connection belongs to."""

    clock: Callable[[], float]

    def opened(self, upstream: Upstream) -> None: ...
    def keep(self, upstream: Upstream) -> None: ...
    def forget(self, upstream: Upstream) -> None: ...


class Upstream:
    """`closed` as soon as nothing more can be sent on it. `idle_since` on the pool's clock."""

    __deletable__ = ("_feed", "_parser")

    def __init__(self, pool: ConnectionKeeper) -> None:
        self.pool = pool
        self.closed = False
        self.idle_since = 0.0
        self._pending: PendingRequest | None = None
        self._paused = self._reused = False
        self._began = 0.0
        self._forget_answer()
        # What llhttp finds goes straight into these lists, most of it without a frame of Python.
        # `_between` holds something while no message has begun.
        self._between: list[None] = []
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self.on_message_begin = self._between.clear
        self.on_body = self._body.append
        append = self._headers.append

        def on_header(name: bytes, value: bytes) -> None:
            append((name.lower(), value))

        self.on_header = on_header

    def _forget_answer(self) -> None:
        self._status = 0  # of the answer's head, once it is here
        self._head: list[Header] | None = None
        self._dry_bytes = (
            0  # read since the last piece of body: heads, interim answers, chunk sizes, trailers
        )
        self._parts = (
            0  # pieces of `_body` that belong to the answer; what follows them is another message's
        )
        self._interim = self._complete = self._keep = False

    # ---- a request

    def begin(self, pending: PendingRequest, *, reused: bool) -> None:
        self._pending = pending
        pending.upstream = self
        self._reused = reused
        if reused:
            self._began = self.pool.clock()
            self._forget_answer()
            self._headers.clear()
        request = pending.request
        if len(request) == 1:
            self._transport.write(request[0])
        elif sum(map(len, request)) < JOIN_BYTES:
            self._transport.write(b"".join(request))
        else:
            self._transport.writelines(request)
        pending.listener.on_sent(self)

    def abort(self) -> None:
        """Gives up the request under way."""
        self._pending = None
        self.close()

    def release(self) -> None:
        """Becomes idle, in the pool."""
        self._pending = None
        self.idle_since = self.pool.clock()
        self.pool.keep(self)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._transport.abort()

    def pause(self) -> None:
        if not self._paused and not self.closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports are of no class of asyncio's
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self.pool.opened(self)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_AFTER_S)
            except (OSError, AttributeError):
                # closed already, and connection_lost follows; or a system without these options
                pass

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.pool.forget(self)
        del (
            self._parser,
            self._feed,
        )  # they hold this object, and it them: a ring that only the garbage collector would find
        pending, self._pending = self._pending, None
        if pending is None:
            return
        pending.upstream = None
        answered = bool(self._status or self._dry_bytes)
        if not answered and self._reused and self.pool.clock() - self._began <= STALE_S:
            pending.lost("stale", "the upstream closed a kept connection before it answered")
        elif not self._status:
            when = "within the head of its answer" if answered else "before it answered"
            pending.lost("reset", f"the upstream closed the connection {when}")
        elif exc is None and not self._is_framed():
            # neither length nor chunks: the end of the connection is the end of the answer
            pending.ended()
        else:
            pending.lost("cut", "the upstream closed the connection in the middle of its answer")

    def data_received(self, data: bytes) -> None:
        pending = self._pending
        if pending is None:
            # bytes without a request: this connection cannot be trusted with one
            self.close()
            return
        broken = False
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            broken = True
        if self._head is not None:
            head, self._head = self._head, None
            pending.listener.on_head(self._status, head)
            if self._pending is not pending:
                return
        body = self._body
        if body:
            if self._complete:
                del body[self._parts :]
            piece = body[0] if len(body) == 1 else b"".join(body)
            body.clear()
            self._dry_bytes = 0
            if piece:
                pending.listener.on_body(piece)
                if self._pending is not pending:
                    return
        else:
            self._dry_bytes += len(data)
        if self._complete:
            self._ended(pending, broken)
        elif broken:
            self._fail(pending, "the upstream's answer is not HTTP/1.1")
        elif self._dry_bytes > MAX_HEAD_BYTES:
            self._fail(
                pending,
                f"the upstream's answer has {'trailers' if self._status else 'a head'} "
                f"of more than {MAX_HEAD_BYTES} bytes",
            )

    def _ended(self, pending: PendingRequest, broken: bool) -> None:
        self._pending = pending.upstream = None
        # Kept only if nothing follows the answer, and if all of the request is sent: an answer may
        # come before that.
        if (
            self._keep
            and self._between
            and not broken
            and not self._transport.get_write_buffer_size()
        ):
            self.resume()
            self.release()
        else:
            self.close()
        pending.ended()

    def _fail(self, pending: PendingRequest, message: str) -> None:
        self._pending = pending.upstream = None
        self.close()
        pending.lost("protocol", message)

    def _is_framed(self) -> bool:
        """Whether the answer under way says where it ends. Its headers are still in `_headers`:
        trailers come with chunks only.
        """
        return any(
            name == b"content-length" or name == b"transfer-encoding" for name, _ in self._headers
        )

    def eof_received(self) -> None:
        pass  # asyncio closes it, and connection_lost follows

    def pause_writing(self) -> None:
        pass  # a request is whole in memory before it is sent

    def resume_writing(self) -> None:
        pass

    # ---- llhttp

    def on_headers_complete(self) -> None:
        if self._complete:
            return  # a second answer to one request
        status = self._parser.get_status_code()
        if not 100 <= status < 600:
            raise ValueError(status)  # the parser reports it as an error of its own
        if status < 200:
            self._interim = True  # 100 Continue, 103 Early Hints: the answer is still to come
            self._headers.clear()
            return
        self._status = status
        self._head = self._headers[:]  # the list itself may still get trailers

    def on_message_complete(self) -> None:
        self._between.append(None)
        if self._interim:
            self._interim = False
        elif self._complete:
            self._keep = False  # a second answer to one request
        else:
            self._complete = True
            self._parts = len(self._body)
            self._keep = self._parser.should_keep_alive()  # llhttp only knows it in here
