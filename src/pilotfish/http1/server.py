"""The client's side: requests in, whole; answers out, at once or in pieces.

One `Connection` serves one request after the other: those that the hot path takes through an
`Exchange`, by the server's `handle`; every other one by a protocol that it is handed over to
(`http1.handover`). The connection looks after limits of head and body, slow clients, pipelining,
keep-alive, `Expect: 100-continue`, declined upgrades and HTTP/1.0.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from pilotfish.http1.callers import AllowedCallers
from pilotfish.http1.exchange import Exchange as Exchange
from pilotfish.http1.exchange import Header as Header
from pilotfish.http1.exchange import Responder as Responder
from pilotfish.http1.handover import HandOver, RequestTransport
from pilotfish.http1.request_head import Callers, RefusedRequest
from pilotfish.http1.request_reader import RequestReader, Takes

# Longer than the pools of common SDKs keep a connection, so that it is not closed under a request.
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
# What may come behind a request for a WebSocket before it is answered.
MAX_HELD_BYTES = 64 * 1024

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
        max_buffered_bytes: int = 1 << 62,
        clock: Callable[[], float],
        callers: Callers | None = None,
        takes: Takes | None = None,
        hand_over: HandOver | None = None,
    ) -> None:
        """`refuse` answers what never became a request (too large, not HTTP) with this status and
        message, in some client's style. Requests that `takes` refuses (by method, target and
        headers) are not handled here: `hand_over` makes the protocol that answers one of them.
        `max_buffered_bytes`: of the bodies of all requests under way; what is beyond is refused
        with 503. `callers`: who may call; by default no web page, and not by a name that strangers
        can have.
        """
        self.handle, self.refuse = handle, refuse
        self.max_body_bytes = max_body_bytes
        self.max_buffered_bytes = max_buffered_bytes
        self.buffered_bytes = 0
        # Of large bodies that are done with, since somebody last set it to 0.
        self.given_back_bytes = 0
        self.clock = clock
        self.callers = callers if callers is not None else AllowedCallers()
        self.takes = takes if hand_over is not None else None
        self.hand_over = hand_over
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
        # It has the methods; a base that is not compiled would keep it from being compiled.
        return cast(asyncio.Protocol, Connection(self))


class Connection:
    """One client's connection. `busy` is the exchange being answered; requests that come meanwhile
    wait in the reader's queue. `_lent` is the transport that another protocol answers through.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.busy: Exchange | None = None
        self.peer = ""
        self._reader = RequestReader(self, server)
        self._lent: RequestTransport | None = None
        self._paused = self._write_paused = self._closing = False
        self._unsent = 0
        self._since = server.clock()

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self.write, self.writelines = self._transport.write, self._transport.writelines
        self._transport.set_write_buffer_limits(HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        self._closing = True
        self._reader.close()
        self._lent = None
        busy, self.busy = self.busy, None
        responder = busy.detach() if busy is not None else None
        if responder is not None:
            responder.on_client_disconnect()

    def eof_received(self) -> bool:
        # A client that closes its half has left: waiting for a write to fail would let the upstream
        # run on, and cost tokens.
        return False

    def pause_writing(self) -> None:
        self._write_paused = True
        if self.busy is not None and self.busy.responder is not None:
            self.busy.responder.pause()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self.busy is None:
            self._resume()
        elif self.busy.responder is not None:
            self.busy.responder.resume()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if self._closing or reader.bad is not None:
            return  # what a refused client still sends is not read
        lent = self._lent
        if lent is not None and lent.upgraded:
            self._tunnel(lent, data)
            return
        reader.feed(data)
        if lent is not None:
            self._pass_on(lent)
        if self.busy is None:
            self._next()
        if reader.queue or reader.current is not None:
            self._hold_back()

    # ---- one request after the other

    def _next(self) -> None:
        if self._write_paused:
            return  # this client does not read: its next answer waits until it does
        reader = self._reader
        if reader.queue:
            exchange = self.busy = reader.queue.popleft()
            if exchange.handed_over:
                self._lend(exchange, complete=True)
            else:
                self.server.handle(exchange)
        elif reader.bad is not None:
            if not self._closing:
                self._refuse(reader.bad)
        elif (current := reader.current) is not None:
            if current.handed_over:
                self.busy = current
                self._lend(current, complete=False)
            elif not self._closing and reader.offers_to_continue():
                self.write(_CONTINUE)

    def _hold_back(self) -> None:
        """Leaves what else comes in the client's socket."""
        if not self._paused and self._waits_too_much(MAX_WAITING):
            self._paused = True
            self._set_reading()

    def _waits_too_much(self, most: int) -> bool:
        """Whether enough is read before its turn. A body that is to be handed over waits in the
        client's socket.
        """
        reader = self._reader
        queue, current = reader.queue, reader.current
        return (
            len(queue) >= most
            or (most == MAX_WAITING and sum([len(x.body) for x in queue]) > MAX_WAITING_BYTES)
            or (current is not None and current.handed_over and current is not self.busy)
        )

    def hold_reading(self, on: bool) -> None:
        """Whether the protocol that the connection is lent to takes no more for now."""
        if not on:
            self._reader.since = self.server.clock()
        self._set_reading()

    def _set_reading(self) -> None:
        if self._paused or (self._lent is not None and self._lent.holds_reading):
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def answered(self, exchange: Exchange) -> None:
        reader = self._reader
        self.busy = None
        if exchange.buffered_bytes:
            reader.give_back(exchange.buffered_bytes)
        self._since = reader.since = reader.began = self.server.clock()
        lent = self._lent
        if lent is not None:
            self._take_back(lent, exchange)
        if not exchange.keep_alive or self.server.draining:
            self._close()
        elif reader.queue or self._paused or not reader.between or reader.bad is not None:
            # Not from within the answer's own call stack: a thousand pipelined requests would be a
            # thousand frames.
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if self._closing or self.busy is not None:
            return
        self._next()
        if self._closing or self._write_paused:
            return
        if self._paused and not self._waits_too_much(MAX_WAITING // 2):
            self._paused = False
            self._set_reading()

    def _refuse(self, bad: RefusedRequest) -> None:
        exchange = self._reader.current or Exchange(self, b"", self._reader.target, [])
        exchange.keep_alive = False
        self.busy = exchange
        self.server.refuse(exchange, bad.status, bad.message)

    # ---- requests that another protocol answers

    def _lend(self, exchange: Exchange, *, complete: bool) -> None:
        assert self.server.hand_over is not None
        reader = self._reader
        if exchange.is_http10:
            exchange.keep_alive = False
        if not complete:
            reader.streaming = True
            exchange.body = reader.take_body()
        lent = self._lent = RequestTransport(exchange, self, self._transport)
        exchange.responder = lent
        # A request for a WebSocket is the last that is read.
        lent.websocket = reader.held is not None and not reader.queue
        lent.begin(self.server.hand_over(), complete=complete)

    def _pass_on(self, lent: RequestTransport) -> None:
        """Passes on what has come while the connection is lent, unless it belongs to requests
        behind.
        """
        reader, exchange = self._reader, self.busy
        if exchange is None or self._lent is not lent:
            return
        if reader.held is not None and len(reader.held) > MAX_HELD_BYTES and not self._paused:
            self._paused = True
            self._set_reading()
        if reader.current is not exchange:
            if not lent.has_all:
                body, exchange.body = exchange.body, b""
                lent.receive(body, last=True)
        elif reader.bad is None:
            lent.receive(reader.take_body(), last=False)
        else:
            self._break_off(exchange, reader.bad)

    def _break_off(self, exchange: Exchange, bad: RefusedRequest) -> None:
        """The rest of a request that is being answered will not come, or cannot be read."""
        responder, started = exchange.responder, exchange.started
        if started:
            exchange.abort()
        else:
            exchange.detach()
            self._lent = self.busy = None
        if responder is not None:
            responder.on_client_disconnect()
        if started:
            return
        refused = Exchange(self, exchange.method, exchange.target, exchange.headers)
        self._reader.current = refused
        self._refuse(bad)

    def _tunnel(self, lent: RequestTransport, data: bytes) -> None:
        held = self._reader.held
        if held:
            self._reader.held = b""
            data = held + data
        if data:
            lent.receive(data, last=False)

    def on_upgraded(self) -> None:
        """The request for a WebSocket was accepted: all that comes is passed on as it is."""
        asyncio.get_running_loop().call_soon(self._begin_tunnel)

    def _begin_tunnel(self) -> None:
        if self._lent is not None:
            self._paused = False
            self._set_reading()
            self._tunnel(self._lent, b"")

    def _take_back(self, lent: RequestTransport, exchange: Exchange) -> None:
        """The other protocol has finished with the connection."""
        self._lent = None
        if lent.holds_reading:
            self._set_reading()
        if self._reader.current is exchange or lent.upgraded:
            exchange.keep_alive = False  # the rest of its body has no reader any more
        elif lent.websocket:
            self._reader.release_held()

    # ---- the end

    def _close(self) -> None:
        """No more requests. A client that may still be sending is read, for a while, so that no
        reset overtakes its answer.
        """
        reader = self._reader
        unread = reader.bad is not None or bool(reader.queue) or not reader.between
        self._closing = True
        self._since = self.server.clock()
        reader.drop()
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
        reader = self._reader
        if self.busy is None and reader.between and not reader.queue and not self._closing:
            self._closing = True
            self._since = self.server.clock()
            self._transport.close()

    def expire(self, now: float) -> None:
        """Ends the connection, or the request that it is sending, where its time is over at `now`
        (the server's clock).
        """
        reader = self._reader
        waited = now - self._since
        lent = self._lent
        if self._closing or (self._write_paused and (self.busy is None or lent is not None)):
            self._expire_unread(now, waited)
        elif lent is not None:
            if reader.streaming and not lent.holds_reading and reader.is_late(now):
                self._late()
        elif self.busy is None and not reader.queue and reader.bad is None:
            if reader.between:
                if waited > IDLE_S:
                    self.close_if_idle()
            elif reader.is_late(now):
                self._late()

    def _late(self) -> None:
        bad = self._reader.bad = RefusedRequest(408, "the request did not arrive in time")
        if self.busy is not None:
            self._break_off(self.busy, bad)
        else:
            self._next()

    def _expire_unread(self, now: float, waited: float) -> None:
        """What is written is not all sent."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._since = unsent, now
        elif waited > (STALLED_S if unsent else LINGER_S):
            self._transport.abort()
