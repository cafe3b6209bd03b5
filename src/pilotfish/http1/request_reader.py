"""A client's bytes as requests, by llhttp: limits of head and body, declined upgrades, and what is
left for another protocol to read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import httptools

from pilotfish.http1.exchange import Exchange, Header, ServerConnection
from pilotfish.http1.request_head import (
    Callers,
    RefusedRequest,
    check_head,
    check_unfinished_head,
    head_bytes,
    origin_form,
    refusal_for,
    wants_websocket,
    without_upgrade,
)

# A head that has begun must be complete by then; a body must grow at least this often and, on the
# whole, at least this fast: slow senders do not hold memory for ever.
HEAD_S = 15.0
BODY_S = 60.0
BODY_BYTES_PER_S = 1024
# Requests that ask for an upgrade, in one read: each is read once more by a parser of its own.
MAX_UPGRADES = 16
# Chunk sizes, chunk extensions and trailers may take this much, and a multiple of what they frame.
FRAMING_BYTES = 16 * 1024
FRAMING_FACTOR = 8
# Pieces of a body that are smaller are joined as they come: a body sent byte by byte must not take
# 40 times its size.
PIECE_BYTES = 16 * 1024
# Bodies of this size leave room behind that is worth being given back to the system.
LARGE_BYTES = 1024 * 1024

# Whether the hot path takes a request; another protocol answers the others.
Takes = Callable[[bytes, bytes, list[Header]], bool]


class ReaderSettings(Protocol):
    """What a reader needs of its server."""

    max_body_bytes: int
    max_buffered_bytes: int
    buffered_bytes: int
    given_back_bytes: int
    callers: Callers
    takes: Takes | None
    clock: Callable[[], float]


class RequestReader:
    """Feed it bytes; complete requests are in `queue`, in their order.

    `current`: its head is complete, its body is not, or it is the request that `bad` is about.
    `bad`: why nothing more is read. `streaming`: the body of `current` is fetched as it comes, with
    `take_body`. `held`: bytes behind a request for a WebSocket, until it is known whose they are;
    None where there is none. `since`: when a head began, or a body last grew; `began`: when the
    body began. `between`: holds something while no message has begun. `buffered_bytes`: of bodies
    that the server counts for this connection: what has come of one, and those of requests that
    are not answered yet.
    """

    __deletable__ = ("_feed", "_parser")

    def __init__(self, connection: ServerConnection, settings: ReaderSettings) -> None:
        self._connection, self._settings = connection, settings
        self.queue: deque[Exchange] = deque()
        self.current: Exchange | None = None
        self.bad: RefusedRequest | None = None
        self.held: bytes | None = None
        self.streaming = False
        self._continues = self._in_body = False
        self.buffered_bytes = self._partial_bytes = 0
        # What was read last, and before it of a head that came in several pieces.
        self._data = b""
        self._earlier: list[bytes] = []
        self._read = self._head_bytes = self._body_bytes = self._raw_bytes = self._counted = 0
        self.since = self.began = settings.clock()
        # What llhttp finds goes straight into these lists, most of it without a frame of Python.
        self.between: list[None] = [None]
        self._target: list[bytes] = []
        self._headers: list[Header] = []
        self._parts: list[bytes] = []
        self.on_message_begin = self.between.clear
        self.on_url = self._target.append
        self.on_body = self._parts.append
        append = self._headers.append

        def on_header(name: bytes, value: bytes) -> None:
            append((name.lower(), value.rstrip()))  # llhttp leaves white space at a value's end

        self.on_header = on_header
        self._new_parser()

    def _new_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._feed = self._parser.feed_data

    def close(self) -> None:
        """Nothing more is read."""
        self.queue.clear()
        self._parts.clear()
        self.current = None
        self.give_back(self.buffered_bytes)
        # They hold this object, and it them: a ring that only the garbage collector would find.
        del self._parser, self._feed

    @property
    def target(self) -> bytes:
        """Of the head that is being read, as far as it has come."""
        return b"".join(self._target)

    def feed(self, data: bytes) -> None:
        if self.held is not None:
            self.held += data
            return
        self._read = len(data)
        self._data = data
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as e:
            if self.bad is None:
                self._upgrade(data[e.args[0] :])
        except httptools.HttpParserError as e:
            self.bad = self.bad or refusal_for(e)
        if not self.between and self.bad is None:
            self._unfinished()
        self._data = b""

    def take_body(self) -> bytes:
        """What has come of the body since the last time, while `streaming`."""
        body = b"".join(self._parts)
        self._parts.clear()
        self._counted = 0
        return body

    def release_held(self) -> None:
        """The request for a WebSocket was declined: what follows it is HTTP."""
        held, self.held = self.held, None
        self._new_parser()
        if held:
            self.feed(held)

    def drop(self) -> None:
        """Forgets what was read and not answered."""
        self.queue.clear()
        self._parts.clear()
        self._partial_bytes = 0
        self.give_back(self.buffered_bytes)

    def give_back(self, size: int) -> None:
        """So many bytes of bodies are not held any more."""
        self.buffered_bytes -= size
        self._settings.buffered_bytes -= size
        if size >= LARGE_BYTES:
            self._settings.given_back_bytes += size

    def _buffer(self, size: int) -> None:
        self.buffered_bytes += size
        settings = self._settings
        settings.buffered_bytes += size
        if settings.buffered_bytes > settings.max_buffered_bytes and self.bad is None:
            most = settings.max_buffered_bytes
            self.bad = RefusedRequest(
                503, f"requests under way hold {most} bytes of bodies, the most this proxy takes"
            )

    def _give_back_partial(self) -> None:
        self._parts.clear()
        self.give_back(self._partial_bytes)
        self._partial_bytes = 0

    def offers_to_continue(self) -> bool:
        """Whether the client of `current` waits for `100 Continue`; says so once."""
        if not self._continues or self.queue:
            return False
        self._continues = False
        return self.current is not None and not self._parts

    def is_late(self, now: float) -> bool:
        """Whether the message that has begun does not come in time."""
        waited = now - self.since
        current = self.current
        if current is None:
            return waited > HEAD_S
        # A handed-over body may be slow because its handler is.
        allowed = BODY_S + self._body_bytes / BODY_BYTES_PER_S
        return waited > BODY_S or (not current.handed_over and now - self.began > allowed)

    # ---- llhttp

    def on_headers_complete(self) -> None:
        # A copy: trailers may still be added to the list, and are no headers.
        headers = self._headers[:]
        target = self._target[0] if len(self._target) == 1 else b"".join(self._target)
        sent_target = target
        if target[:1] != b"/":
            target = origin_form(target)
        parser = self._parser
        method = parser.get_method()
        version = parser.get_http_version()
        exchange = Exchange(self._connection, method, target, headers, is_http10=version == "1.0")
        settings = self._settings
        takes = settings.takes
        if takes is not None and not takes(method, target, headers):
            exchange.handed_over = True
        if version == "1.0" and self.bad is None and not self._is_http10(sent_target):
            self.bad = RefusedRequest(505, "only HTTP is served here, and no protocol like it")
        if self.bad is None:
            at_most = self._head_bytes + self._read
            found = check_head(
                exchange, version, at_most, settings.max_body_bytes, settings.callers
            )
            if type(found) is RefusedRequest:
                self.bad = found
            else:
                self._continues = found is True and not exchange.handed_over
        self.current = exchange
        if self._earlier:
            self._earlier = []

    def on_message_complete(self) -> None:
        exchange, self.current = self.current, None
        self.between.append(None)
        self._headers.clear()
        self._target.clear()
        parts = self._parts
        if exchange is None or self.bad is not None:
            self.current = exchange  # the one that is refused
            self._give_back_partial()
            return
        if parts:
            exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            if not exchange.handed_over and not self._takes_body(exchange):
                exchange.body = b""
                self.current = exchange
                return
        self._head_bytes = self._counted = 0
        self._in_body = False
        # llhttp only knows it in here.
        exchange.keep_alive = exchange.keep_alive and self._parser.should_keep_alive()
        if self.streaming:
            self.streaming = False
        else:
            self.queue.append(exchange)

    def _takes_body(self, exchange: Exchange) -> bool:
        """Whether the body that is complete is within the limits; counts it."""
        size = len(exchange.body)
        if size > self._settings.max_body_bytes:
            self._too_large()
        else:
            self._buffer(size - self._partial_bytes)
            if self.bad is None:
                self._partial_bytes = 0
                exchange.buffered_bytes = size
                return True
            self._partial_bytes = size
        self._give_back_partial()
        return False

    def _too_large(self) -> None:
        most = self._settings.max_body_bytes
        self.bad = RefusedRequest(413, f"the request body is larger than {most} bytes")

    def _unfinished(self) -> None:
        """A read that ended within a message: is it still within the limits?"""
        current = self.current
        if current is None:
            self._unfinished_head()
            return
        if self._in_body:
            self._raw_bytes += self._read
        else:
            self._in_body = True
            self._body_bytes = self._raw_bytes = self._counted = 0
            self.since = self.began = self._settings.clock()
        parts = self._parts
        new = len(parts) - self._counted
        if new:
            self.since = self._settings.clock()
            size = sum(map(len, parts[self._counted :]))
            self._body_bytes += size
            if not current.handed_over:
                self._partial_bytes += size
                self._buffer(size)
            # A small piece before the new ones is joined with them.
            joins = self._counted > 0 and len(parts[self._counted - 1]) < PIECE_BYTES
            first = self._counted - joins
            if len(parts) - first > 1:
                parts[first:] = [b"".join(parts[first:])]
            self._counted = len(parts)
        if self._body_bytes > self._settings.max_body_bytes and not current.handed_over:
            self._too_large()
        if self.bad is not None:
            self._give_back_partial()
        elif self._raw_bytes - self._body_bytes > FRAMING_BYTES + FRAMING_FACTOR * self._body_bytes:
            self.bad = RefusedRequest(
                400,
                f"more than {FRAMING_BYTES} bytes of the request are framing of its chunks",
            )

    def _is_http10(self, target: bytes) -> bool:
        """Whether the request line says so: llhttp takes RTSP/1.0 and ICE/1.0 for it."""
        return target + b" HTTP/1.0" in b"".join((*self._earlier, self._data))

    def _unfinished_head(self) -> None:
        self._earlier.append(self._data)
        if self._head_bytes:
            self._head_bytes += self._read
        else:
            self.since = self._settings.clock()
            # The read in which a head begins may be mostly another message's. What it holds of this
            # one is at most one read.
            self._head_bytes = 1 if self.queue else self._read
        self.bad = check_unfinished_head(self._head_bytes, len(self._headers))

    def _upgrade(self, rest: bytes) -> None:
        """Declines an upgrade by going on in HTTP/1.1, as RFC 9110 7.8 allows. Only a request for a
        WebSocket that is handed over is left as it is: its answer decides what the bytes behind it
        are.

        llhttp takes what follows such a head for the other protocol, but it is this request's body,
        which another parser must frame.
        """
        for _ in range(MAX_UPGRADES):
            exchange = self.queue[-1]
            if exchange.handed_over and wants_websocket(exchange):
                self.held = rest
                return
            self.queue.pop()
            data = head_bytes(exchange, without_upgrade(exchange.headers)) + rest
            self._read = len(data)
            self._data = data
            self._new_parser()
            try:
                self._feed(data)
            except httptools.HttpParserUpgrade as e:
                if self.bad is not None:
                    return
                rest = data[e.args[0] :]
            except httptools.HttpParserError as e:
                self.bad = self.bad or refusal_for(e)
                return
            else:
                return
        self.queue.pop()
        self.bad = RefusedRequest(
            400, f"more than {MAX_UPGRADES} requests in one go ask for another protocol"
        )
