"""The client's side: requests in, whole; answers out, at once or in pieces.

One `Connection` serves one request after the other. For each it makes an `Exchange` and hands it to
the server's `handle`, which answers through it, now or later. The connection looks after limits of
head and body, slow clients, pipelining, keep-alive, `Expect: 100-continue`, declined upgrades and
HTTP/1.0, so that nobody else has to.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from pilotfish.http1.exchange import Exchange as Exchange
from pilotfish.http1.exchange import Header as Header
from pilotfish.http1.exchange import Owner as Owner
from pilotfish.http1.reading import (
    BadRequest,
    check_head,
    check_unfinished_head,
    head_without_upgrade,
    refusal_for,
)

# A head that has begun must be complete by then; a body must grow at least this often and, on the
# whole, at least this fast: slow senders do not hold memory for ever.
HEAD_S = 15.0
BODY_S = 60.0
BODY_BYTES_PER_S = 1024
# Longer than the pools of common SDKs keep a connection, so that we are not the ones who close it
# under a request.
IDLE_S = 330.0
# A client that is still sending when it is refused gets this long to read why; closing at once
# would reset the answer away.
LINGER_S = 5.0
# An answer that is complete on our side may take as long as its client goes on reading.
STALLED_S = 30.0
# What may wait in the transport's buffer for a slow reader before the upstream is no longer read.
HIGH_WATER = 256 * 1024
# Pipelined requests that are read before their turn.
MAX_WAITING = 16
MAX_WAITING_BYTES = 1024 * 1024
# Chunk sizes, chunk extensions and trailers may take this much, and a multiple of what they frame.
FRAMING_BYTES = 16 * 1024
FRAMING_FACTOR = 8
# Pieces of a body that are smaller are joined as they come: a body sent byte by byte must not take
# 40 times its size.
PIECE_BYTES = 16 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Server:
    """What the connections of one listening port share."""

    def __init__(
        self,
        handle: Callable[[Exchange], None],
        refuse: Callable[[Exchange, int, str], None],
        *,
        max_body_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        """`refuse` answers what never became a request (too large, not HTTP) with this status and
        message, in some client's style.
        """
        self.handle, self.refuse = handle, refuse
        self.max_body_bytes = max_body_bytes
        self.clock = clock
        self.draining = False
        self.connections: set[Connection] = set()

    def drain(self) -> None:
        """From now on each answer is its connection's last; idle connections close at once."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def sweep(self, now: float) -> None:
        """Called about once a second: ends connections that are slow beyond their limits, or idle
        for too long.
        """
        for connection in list(self.connections):
            connection.expire(now)

    def protocol(self) -> asyncio.Protocol:
        return cast(
            asyncio.Protocol, Connection(self)
        )  # it has the methods; a base that is not compiled would keep it from being so


class Connection:
    """One client's connection. `busy` is the exchange being answered; requests that come meanwhile
    wait in `_queue`.
    """

    __deletable__ = ("_feed", "_parser")
    __slots__ = (
        "_bad", "_began", "_between", "_body_bytes", "_closing", "_continues", "_counted", "_current", "_feed", "_head_bytes", "_headers", "_in_body",
        "_parser", "_parts", "_paused", "_queue", "_raw_bytes", "_read", "_since", "_target", "_transport", "_unsent", "_write_paused", "busy",
        "on_body", "on_header", "on_message_begin", "on_url", "peer", "server", "write", "writelines",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self.server = server
        self.busy: Exchange | None = None
        self.peer = ""
        self._queue: deque[Exchange] = deque()
        self._current: Exchange | None = None  # its head is complete, its body is not
        self._bad: BadRequest | None = None
        self._paused = self._write_paused = self._closing = self._continues = self._in_body = False
        self._read = self._head_bytes = self._body_bytes = self._raw_bytes = self._counted = (
            self._unsent
        ) = 0
        self._since = self._began = server.clock()
        # What llhttp finds goes straight into these lists, most of it without a frame of Python.
        # `_between` holds something while no message has begun.
        self._between: list[None] = [None]
        self._target: list[bytes] = []
        self._headers: list[Header] = []
        self._parts: list[bytes] = []
        self.on_message_begin = self._between.clear
        self.on_url = self._target.append
        self.on_body = self._parts.append
        append = self._headers.append

        def on_header(name: bytes, value: bytes) -> None:
            append((name.lower(), value.rstrip()))  # llhttp leaves white space at a value's end

        self.on_header = on_header

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports are of no class of asyncio's
        self.write, self.writelines = self._transport.write, self._transport.writelines
        self._transport.set_write_buffer_limits(HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.server.connections.add(self)
        self._new_parser()

    def _new_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._feed = self._parser.feed_data

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        self._closing = True
        self._queue.clear()
        self._parts.clear()
        self._current = None
        del (
            self._parser,
            self._feed,
        )  # they hold this object, and it them: a ring that only the garbage collector would find
        busy, self.busy = self.busy, None
        owner = busy.detach() if busy is not None else None
        if owner is not None:
            owner.client_left()

    def eof_received(self) -> bool:
        # A client that closes its half has left: waiting for a write to fail would let the upstream
        # run on, and cost tokens.
        return False

    def pause_writing(self) -> None:
        self._write_paused = True
        if self.busy is not None and self.busy.owner is not None:
            self.busy.owner.pause()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self.busy is None:
            self._resume()
        elif self.busy.owner is not None:
            self.busy.owner.resume()

    def data_received(self, data: bytes) -> None:
        # by a name of its own: whoever checks types must not think that it stays None in all that
        # follows
        refused = self._bad
        if self._closing or refused is not None:
            return  # what a refused client still sends is nobody's
        self._read = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as e:
            if self._bad is None:
                self._decline_upgrades(data[e.args[0] :])
        except httptools.HttpParserError as e:
            self._bad = self._bad or refusal_for(e)
        if not self._between and self._bad is None:
            self._unfinished()
        if self.busy is None:
            self._next()
        if self._queue:
            self._hold_back()

    # ---- llhttp

    def on_headers_complete(self) -> None:
        headers = self._headers[
            :
        ]  # the list itself may still get trailers, which are nobody's headers
        target = self._target[0] if len(self._target) == 1 else b"".join(self._target)
        parser = self._parser
        method = parser.get_method()
        version = parser.get_http_version()
        exchange = Exchange(self, method, target, headers, old=version == "1.0")
        if self._bad is None:
            found = check_head(
                exchange, version, self._head_bytes + self._read, self.server.max_body_bytes
            )
            if type(found) is BadRequest:
                self._bad = found
            else:
                self._continues = found is True
        self._current = exchange

    def on_message_complete(self) -> None:
        exchange, self._current = self._current, None
        self._between.append(None)
        self._headers.clear()
        self._target.clear()
        parts = self._parts
        if exchange is None or self._bad is not None:
            self._current = exchange  # the one that is refused
            parts.clear()
            return
        if parts:
            exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            if len(exchange.body) > self.server.max_body_bytes:
                self._current = exchange
                self._too_large()
                return
        self._head_bytes = self._counted = 0
        self._in_body = False
        exchange.keep_alive = self._parser.should_keep_alive()  # llhttp only knows it in here
        self._queue.append(exchange)

    def _too_large(self) -> None:
        self._bad = BadRequest(
            413, f"the request body is larger than {self.server.max_body_bytes} bytes"
        )

    def _unfinished(self) -> None:
        """A read that ended within a message: is it still within the limits?"""
        current = self._current
        if current is None:
            self._unfinished_head()
            return
        if self._in_body:
            self._raw_bytes += self._read
        else:
            self._in_body = True
            self._body_bytes = self._raw_bytes = self._counted = 0
            self._since = self._began = self.server.clock()
        parts = self._parts
        new = len(parts) - self._counted
        if new:
            self._since = self.server.clock()
            self._body_bytes += sum(map(len, parts[self._counted :]))
            first = self._counted - (
                self._counted > 0 and len(parts[self._counted - 1]) < PIECE_BYTES
            )
            if len(parts) - first > 1:
                parts[first:] = [b"".join(parts[first:])]
            self._counted = len(parts)
        if self._body_bytes > self.server.max_body_bytes:
            self._too_large()
            parts.clear()
        elif self._raw_bytes - self._body_bytes > FRAMING_BYTES + FRAMING_FACTOR * self._body_bytes:
            self._bad = BadRequest(
                400,
                f"the request's chunks are framed by more than {FRAMING_BYTES} bytes that are not theirs",
            )
        else:
            self._offer_to_continue()

    def _unfinished_head(self) -> None:
        if self._head_bytes:
            self._head_bytes += self._read
        else:
            self._since = self.server.clock()
            # The read in which a head begins may be mostly another message's. What it holds of this
            # one is at most one read.
            self._head_bytes = 1 if self._queue else self._read
        self._bad = check_unfinished_head(self._head_bytes, len(self._headers))

    def _offer_to_continue(self) -> None:
        if self._continues and self.busy is None and not self._queue and not self._closing:
            self._continues = False
            if self._current is not None and not self._parts:
                self.write(_CONTINUE)

    def _decline_upgrades(self, rest: bytes) -> None:
        """`Upgrade: h2c` and the like are declined by going on in HTTP/1.1, as RFC 9110 7.8 allows.

        llhttp takes what follows such a head for the other protocol, but it is this request's body,
        which another parser must frame.
        """
        for _ in range(MAX_WAITING):
            data = head_without_upgrade(self._queue.pop()) + rest
            self._read = len(data)
            self._new_parser()
            try:
                self._feed(data)
            except httptools.HttpParserUpgrade as e:
                if self._bad is not None:
                    return
                rest = data[e.args[0] :]
            except httptools.HttpParserError as e:
                self._bad = self._bad or refusal_for(e)
                return
            else:
                return
        self._queue.pop()
        self._bad = BadRequest(
            400, f"more than {MAX_WAITING} requests in one go ask for another protocol"
        )

    # ---- one request after the other

    def _next(self) -> None:
        if self._write_paused:
            return  # this client does not read: its next answer waits until it does
        if self._queue:
            self.busy = self._queue.popleft()
            self.server.handle(self.busy)
        elif self._bad is not None:
            self._refuse(self._bad)

    def _hold_back(self) -> None:
        """Enough waits: the rest stays in the client's socket."""
        if not self._paused and (
            len(self._queue) >= MAX_WAITING
            or sum(len(x.body) for x in self._queue) > MAX_WAITING_BYTES
        ):
            self._paused = True
            self._transport.pause_reading()

    def answered(self, exchange: Exchange) -> None:
        self.busy = None
        self._since = self._began = self.server.clock()
        if not exchange.keep_alive or self.server.draining:
            self._close()
        elif self._queue or self._paused or not self._between or self._bad is not None:
            # Not from within the answer's own call stack: a thousand pipelined requests would be a
            # thousand frames.
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if self._closing or self.busy is not None:
            return
        self._next()
        if (
            self._paused
            and not self._closing
            and not self._write_paused
            and len(self._queue) < MAX_WAITING // 2
        ):
            self._paused = False
            self._transport.resume_reading()
        self._offer_to_continue()

    def _refuse(self, bad: BadRequest) -> None:
        exchange = self._current or Exchange(self, b"", b"".join(self._target), [])
        exchange.keep_alive = False
        self.busy = exchange
        self.server.refuse(exchange, bad.status, bad.message)

    # ---- the end

    def _close(self) -> None:
        """No more requests. A client that may still be sending is read, for a while, so that no
        reset overtakes its answer.
        """
        unread = self._bad is not None or bool(self._queue) or not self._between
        self._closing = True
        self._since = self.server.clock()
        self._queue.clear()
        self._parts.clear()
        if unread:
            try:
                self._transport.write_eof()
            except OSError:  # it has left already
                self._transport.abort()
                return
            if self._paused:
                self._transport.resume_reading()
        else:
            self._transport.close()

    def close(self, *, reset: bool) -> None:
        """Ends the connection where it stands; `reset` with a reset."""
        self._closing = True
        sock = self._transport.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def close_if_idle(self) -> None:
        if self.busy is None and self._between and not self._queue and not self._closing:
            self._closing = True
            self._since = self.server.clock()
            self._transport.close()

    def expire(self, now: float) -> None:
        """Ends the connection, or the request that it is sending, where its time is over at `now`
        (the server's clock).
        """
        waited = now - self._since
        if self._closing or (self._write_paused and self.busy is None):
            self._expire_unread(now, waited)
        elif self.busy is None and not self._queue and self._bad is None:
            if self._between:
                if waited > IDLE_S:
                    self.close_if_idle()
            elif self._current is None:
                if waited > HEAD_S:
                    self._late()
            elif (
                waited > BODY_S or now - self._began > BODY_S + self._body_bytes / BODY_BYTES_PER_S
            ):
                self._late()

    def _late(self) -> None:
        self._bad = BadRequest(408, "the request did not arrive in time")
        self._next()

    def _expire_unread(self, now: float, waited: float) -> None:
        """All answers are written, but not all of them are sent."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._since = unsent, now
        elif waited > (STALLED_S if unsent else LINGER_S):
            self._transport.abort()
