"""Requests that another protocol answers (aiohttp's), on the connection that they came by.

The connection stays with `http1.server` and is lent for one request: the other protocol gets that
request's bytes and no others, and its answer goes out as it writes it. When the answer is complete,
the connection goes on with the next request. So llhttp frames all requests, by the same strict
rules; the head that the other protocol reads is written anew from what was understood, so that the
two cannot differ.

For a WebSocket the connection is lent for good: all that comes is passed on unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from pilotfish.http1.exchange import Exchange, Header
from pilotfish.http1.request_head import head_bytes, without_upgrade

_SWITCHED = b"HTTP/1.1 101 "
_LAST_CHUNK = b"0\r\n\r\n"


class Lender(Protocol):
    """The connection, as the transport that it lends out sees it."""

    def write(self, data: bytes) -> None: ...
    def hold_reading(self, on: bool) -> None: ...
    def on_upgraded(self) -> None: ...


class RequestTransport(asyncio.Transport):
    """What the other protocol takes for its connection.

    `get_extra_info("keep_alive")` says whether the connection goes on after the answer, `"page"`
    which web page may read it. The
    protocol calls `answer_complete` when all of its answer is written, and `close` when it has
    finished: without the first, the second ends the connection, since a client that has got a part
    of an answer would read the next one as the rest of it.
    """

    def __init__(self, exchange: Exchange, lender: Lender, transport: asyncio.Transport) -> None:
        super().__init__()
        self._exchange, self._lender, self._transport = exchange, lender, transport
        self._protocol: asyncio.Protocol | None = None
        self._chunked = self._answered = self._closed = False
        self.websocket = False  # the request asks for one
        self.upgraded = False  # and got it
        self.holds_reading = False
        self.has_all = True  # the protocol has the whole request

    # ---- for the connection

    def begin(self, protocol: asyncio.Protocol, *, complete: bool) -> None:
        """Gives the protocol the request, or with `complete` false its head and the beginning of
        its body.
        """
        exchange = self._exchange
        self._protocol = protocol
        self.has_all = complete
        self._chunked = not complete and any(n == b"transfer-encoding" for n, _ in exchange.headers)
        head = head_bytes(exchange, self._headers(complete))
        body, exchange.body = exchange.body, b""
        protocol.connection_made(self)
        protocol.data_received(head)
        self.receive(body, last=False)

    def _headers(self, complete: bool) -> list[Header]:
        """The request's headers for this one hop: the connection is for one request, and a body
        that is here already has a length.
        """
        exchange = self._exchange
        headers = [h for h in without_upgrade(exchange.headers) if h[0] != b"connection"]
        if complete:
            framed = any(n in (b"content-length", b"transfer-encoding") for n, _ in headers)
            left_out = (b"content-length", b"transfer-encoding", b"expect")
            headers = [h for h in headers if h[0] not in left_out]
            if framed:
                headers.append((b"content-length", b"%d" % len(exchange.body)))
        else:
            headers = [
                (n, b"chunked" if n == b"transfer-encoding" else v)
                for n, v in headers
                if n != b"expect" or v.lower() == b"100-continue"
            ]
        if self.websocket:
            headers.append((b"upgrade", b"websocket"))
        headers.append((b"connection", b"close, upgrade" if self.websocket else b"close"))
        return headers

    def receive(self, data: bytes, *, last: bool) -> None:
        """More of the body, or of what the client sends after an upgrade."""
        self.has_all = self.has_all or last
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            data += _LAST_CHUNK if last else b""
        if data and self._protocol is not None:
            self._protocol.data_received(data)

    def on_client_disconnect(self) -> None:
        if not self._closed:
            self._closed = True
            self._lose(ConnectionResetError("the client has left"))

    def pause(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()

    # ---- for the protocol

    def answer_complete(self) -> None:
        """All of the answer is written, and its framing says so."""
        self._answered = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "keep_alive":
            return self._exchange.keeps_connection
        if name == "page":
            return self._exchange.page
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        asyncio.get_running_loop().call_soon(self._lose, None)
        exchange = self._exchange
        if not self._answered:
            exchange.keep_alive = False
        exchange.finish()

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._lose, None)
            self._exchange.abort()

    def _lose(self, error: Exception | None) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(error)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            return
        if not self._exchange.started:
            self._exchange.started = True
            if bytes(data[: len(_SWITCHED)]) == _SWITCHED:
                self.upgraded = True
                self._lender.on_upgraded()
        self._lender.write(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._hold(True)

    def resume_reading(self) -> None:
        self._hold(False)

    def is_reading(self) -> bool:
        return not self._closed and not self.holds_reading

    def _hold(self, on: bool) -> None:
        if self.holds_reading is not on and not self._closed:
            self.holds_reading = on
            self._lender.hold_reading(on)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Has no effect: the connection has marks of its own."""


HandOver = Callable[[], asyncio.Protocol]
