"""One request to an upstream on its way, and the listener that hears of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from pilotfish.http1.exchange import Header


class Listener(Protocol):
    """Sends a request and hears of its answer. Nothing more is called after `on_end` or `on_lost`,
    which come once.
    """

    def on_sent(self, upstream: SendingConnection) -> None:
        """A connection was at hand and the request is written to it."""
        ...

    def on_head(self, status: int, headers: list[Header]) -> None:
        """Header names are in lower case."""
        ...

    def on_body(self, data: bytes) -> None:
        """What one read from the socket held of the body, unframed. Never empty."""
        ...

    def on_end(self) -> None:
        """The message is complete by its framing."""
        ...

    def on_lost(self, kind: str, message: str) -> None:
        """`kind`: connect (refused, DNS, TLS), local (nothing left here to connect with),
        connect_timeout, stale (a kept connection that was closed before the request came, as far
        as anybody can tell: it is worth sending on a new one), reset (before the head), cut (within
        the body), protocol (not HTTP)."""
        ...


class SendingConnection(Protocol):
    """The connection that a request is sent on."""

    def abort(self) -> None:
        """The request is given up, and the connection with it."""
        ...

    def pause(self) -> None:
        """Stops reading the answer."""
        ...

    def resume(self) -> None: ...


class PendingRequest:
    """One request on its way. `lost` and `cancel` are safe at any time and more than once."""

    __slots__ = ("cancelled", "connect_s", "listener", "request", "task", "upstream")

    def __init__(self, request: Sequence[bytes], listener: Listener, connect_s: float) -> None:
        self.request, self.listener, self.connect_s = request, listener, connect_s
        self.cancelled = False
        self.task: asyncio.Task[None] | None = None
        self.upstream: SendingConnection | None = None

    def lost(self, kind: str, message: str) -> None:
        if not self.cancelled:
            self.cancelled = True
            self.listener.on_lost(kind, message)

    def ended(self) -> None:
        """The answer is complete. If the listener fails at that, it hears that the answer was lost,
        and may still end its own request.
        """
        self.cancelled = True
        try:
            self.listener.on_end()
        except Exception:
            self.listener.on_lost("protocol", "an error inside the proxy; its log has more")
            raise  # the loop logs it

    def cancel(self) -> None:
        """The listener hears nothing more, and the connection in use is closed at once: the vendor
        stops, and the tokens with it.
        """
        if self.cancelled:
            return
        self.cancelled = True
        if self.upstream is not None:
            self.upstream.abort()
        elif self.task is not None:
            self.task.cancel()

    def pause(self) -> None:
        if self.upstream is not None:
            self.upstream.pause()

    def resume(self) -> None:
        if self.upstream is not None:
            self.upstream.resume()
