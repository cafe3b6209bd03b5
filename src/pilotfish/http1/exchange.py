"""One request and its answer, for the code that answers."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

Header = tuple[bytes, bytes]

# Below, one write of a joined copy is cheaper than a write of two pieces.
JOIN_BYTES = 128 * 1024
_STATUS_LINES = {s.value: b"HTTP/1.1 %d %s" % (s.value, s.phrase.encode()) for s in HTTPStatus}
_WITHOUT_BODY = (204, 304)
_LAST_CHUNK = b"0\r\n\r\n"
_LINE = b": ".join

# How the body of an answer in pieces is delimited.
_CHUNKED, _TO_THE_END, _NO_BODY = 0, 1, 2


class Responder(Protocol):
    """Answers an exchange, and hears of its client's connection."""

    def on_client_disconnect(self) -> None: ...
    def pause(self) -> None:
        """The client does not read: more than the high-water mark waits to be sent."""
        ...

    def resume(self) -> None: ...


class Port(Protocol):
    """What the connections of one listening port share."""

    draining: bool


class ServerConnection(Protocol):
    """The connection that an exchange came by."""

    peer: str

    @property
    def server(self) -> Port: ...
    def write(self, data: bytes) -> None: ...
    def writelines(self, pieces: Sequence[bytes]) -> None: ...
    def answered(self, exchange: Exchange) -> None: ...
    def close(self, *, reset: bool) -> None: ...


def readable_by(page: bytes) -> list[Header]:
    """What a browser wants to see in an answer before it gives it to a page of this origin. The
    answer is not another page's, so caches must tell them apart.
    """
    return [
        (b"access-control-allow-origin", page),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    ]


class Exchange:
    """One request and its answer. Answer with `respond`, or with `start`, `write`..., `end`;
    `abort` breaks the connection off. `finish` is for an answer that was written by other means.

    `target` is in origin form or `*`; header names are in lower case, trailers are not among them.
    `fields`: the first value of each header. `buffered_bytes`: of the body, as its server counts
    them. `page`: the origin of the web page that may read the answer, empty where none asked.
    `handed_over`: another protocol answers it (`http1.handover`). Once `finished`, or when the
    client has left, nothing that is called here has an effect any more.
    """

    __slots__ = (
        "_connection",
        "_framing",
        "body",
        "buffered_bytes",
        "fields",
        "finished",
        "handed_over",
        "headers",
        "is_http10",
        "keep_alive",
        "method",
        "page",
        "responder",
        "started",
        "target",
    )

    def __init__(
        self,
        connection: ServerConnection,
        method: bytes,
        target: bytes,
        headers: list[Header],
        *,
        is_http10: bool = False,
    ) -> None:
        self._connection: ServerConnection | None = connection
        self.method, self.target, self.headers = method, target, headers
        self.fields = dict(reversed(headers))
        # HTTP/1.0 has no chunks, and keeps no connection without saying so.
        self.is_http10 = is_http10
        self.body = self.page = b""
        self.buffered_bytes = 0
        self.handed_over = False
        self.responder: Responder | None = None
        self.keep_alive = True
        self.started = self.finished = False
        self._framing = _CHUNKED

    @property
    def peer(self) -> str:
        return self._connection.peer if self._connection is not None else ""

    @property
    def is_gone(self) -> bool:
        """The client has left, or has its whole answer."""
        return self._connection is None

    @property
    def keeps_connection(self) -> bool:
        """Whether the connection goes on after this answer, as far as is known yet."""
        connection = self._connection
        return connection is not None and self.keep_alive and not connection.server.draining

    def respond(self, status: int, head: Sequence[Header], body: bytes) -> None:
        """A whole answer; `content-length` is added. The answer to HEAD says its body's length and
        leaves the body out.
        """
        connection = self._connection
        if connection is None:
            return
        if self.started:
            self.abort()  # a head is out already: a second one would be read as part of its body
            return
        self.started = True
        length = b"content-length: %d" % len(body)
        closing = self._closing(connection)
        if status in _WITHOUT_BODY or self.method == b"HEAD":
            connection.write(
                _head(status, head, closing if status in _WITHOUT_BODY else (length, *closing))
            )
        elif len(body) < JOIN_BYTES:
            connection.write(_head(status, head, (length, *closing), body))
        else:
            connection.writelines((_head(status, head, (length, *closing)), body))
        self._finish(connection)

    def start(self, status: int, head: Sequence[Header]) -> None:
        """The head of an answer that comes in pieces."""
        connection = self._connection
        if connection is None or self.started:
            return
        self.started = True
        framing: tuple[bytes, ...] = ()
        if status in _WITHOUT_BODY or self.method == b"HEAD":
            self._framing = _NO_BODY
        elif self.is_http10:
            self._framing = _TO_THE_END
            self.keep_alive = False
        else:
            framing = (b"transfer-encoding: chunked",)
        connection.write(_head(status, head, (*framing, *self._closing(connection))))

    def write(self, data: bytes) -> None:
        connection = self._connection
        if connection is None or not data:
            return
        if self._framing == _CHUNKED:
            connection.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif self._framing == _TO_THE_END:
            connection.write(data)

    def end(self, data: bytes = b"") -> None:
        """The rest of the answer, and its proper end."""
        connection = self._connection
        if connection is None:
            return
        if not self.started:
            self.abort()  # a body without a head is no answer
            return
        if self._framing == _CHUNKED:
            connection.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else _LAST_CHUNK)
        elif data and self._framing == _TO_THE_END:
            connection.write(data)
        self._finish(connection)

    def abort(self) -> None:
        """Breaks off: the client sees an answer that is not complete."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self.finished = True
            # Where the end of the connection is the end of the answer, only a reset says that
            # something is missing.
            connection.close(reset=self._framing == _TO_THE_END)

    def finish(self) -> None:
        """The answer is on its way whole, or as much of it as there will be."""
        if self._connection is not None:
            self._finish(self._connection)

    def detach(self) -> Responder | None:
        """The client is gone; returns the responder, None if the answer was complete."""
        responder, self.responder, self._connection = self.responder, None, None
        return None if self.finished else responder

    def _finish(self, connection: ServerConnection) -> None:
        self.finished = True
        self.responder = self._connection = None
        connection.answered(self)

    def _closing(self, connection: ServerConnection) -> tuple[bytes, ...]:
        """Our own lines at the end of the head."""
        lines: tuple[bytes, ...] = (b"connection: keep-alive",) if self.is_http10 else ()
        if not self.keep_alive or connection.server.draining:
            self.keep_alive = False
            lines = (b"connection: close",)
        return (*lines, *map(_LINE, readable_by(self.page))) if self.page else lines


def _head(status: int, head: Sequence[Header], own: tuple[bytes, ...], body: bytes = b"") -> bytes:
    """Status line, headers and our own lines, and a body behind them, in one go.

    A header that holds a line break is left out: the client would read it as more than one.
    """
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d -" % status
    answer = b"\r\n".join([line, *map(_LINE, head), *own, b"", body])
    if answer.count(b"\n", 0, len(answer) - len(body)) != len(head) + len(own) + 2:
        clean = [h for h in head if not any(c in part for part in h for c in (b"\r", b"\n", b"\0"))]
        return b"\r\n".join([line, *map(_LINE, clean), *own, b"", body])
    return answer
