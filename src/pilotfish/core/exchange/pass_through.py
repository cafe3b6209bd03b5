"""A stream of the client's own style on its way: looked at, and passed on byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import EventTooLong
from pilotfish.core.formats.style import (
    CANNED,
    CONTENT,
    DECLINED,
    ERROR,
    FINISH,
    MALFORMED,
    PING,
    TERMINAL,
    USAGE_ONLY,
    EventDecoder,
    ResponseInspector,
)
from pilotfish.core.formats.usage import Usage


class Framing(Protocol):
    """How events become elements of an array (`styles.google.array`)."""

    def feed(self, event: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def error(self, error: ErrorInfo) -> bytes: ...


# What is kept of a stream that passes through, for a service that would have to go on with it: so
# many events beside its content, and so many of their bytes. The text is joined now and then.
KEPT_EVENTS = 512
KEPT_BYTES = 512 * 1024
_JOINED_EVERY = 512


class PassThrough:
    """`hide_usage`: the client did not ask for the usage event. `rename`: (upstream's model or
    None, model to show) as JSON strings. `canned_chars`: as the style has it.

    It keeps what another service needs to go on where it breaks: the text that was said, and the
    events that give the stream its form.
    """

    __slots__ = (
        "_canned_chars",
        "_close",
        "_content",
        "_declined",
        "_hide_usage",
        "_inspector",
        "_kept",
        "_kept_bytes",
        "_rename",
        "_split",
        "contents",
        "error",
        "events",
        "finished",
        "malformed",
        "terminal",
        "too_long",
    )

    def __init__(
        self,
        decoder: EventDecoder,
        inspector: ResponseInspector,
        *,
        hide_usage: bool,
        rename: Callable[[bytes], bytes] | None,
        close: bytes,
        canned_chars: int = 0,
    ) -> None:
        self._canned_chars = canned_chars
        self._declined = 0
        self._split, self._inspector = decoder.feed, inspector
        self._hide_usage, self._rename, self._close = hide_usage, rename, close
        self.contents = self.events = self.malformed = 0
        self.finished = self.terminal = False
        self.error: ErrorInfo | None = None
        self.too_long = ""
        self._content = b""  # the last event of the run of content that goes on
        self._kept: list[bytes] = []  # other events, and the last one of each run before
        self._kept_bytes = 0

    @property
    def usage(self) -> Usage | None:
        return self._inspector.usage

    @property
    def chars(self) -> int:
        return self._inspector.chars

    @property
    def finish_reason(self) -> str | None:
        return self._inspector.finish_reason

    @property
    def diverged(self) -> bool:
        return False

    @property
    def declined(self) -> bool:
        return self._declined != 0 and (not self.contents or self._declined & CANNED != 0)

    @property
    def may_be_canned(self) -> bool:
        return self._canned_chars > 0 and self._inspector.chars <= self._canned_chars

    @property
    def said(self) -> str | None:
        """The text so far; None where it is not all that there is, so that nobody can go on."""
        inspector = self._inspector
        inspector.join_said()
        if inspector.beyond_text or len(self._kept) > KEPT_EVENTS or self._kept_bytes > KEPT_BYTES:
            return None
        return inspector.said[0]

    @property
    def form(self) -> list[bytes]:
        """The events that the client has had, but that of a run of content only the last is here."""
        return [*self._kept, self._content] if self._content else self._kept

    def _keep(self, event: bytes) -> None:
        if len(self._kept) > KEPT_EVENTS or self._kept_bytes > KEPT_BYTES:
            return
        if self._content:
            self._kept.append(self._content)
            self._kept_bytes += len(self._content)
            self._content = b""
        self._kept.append(event)
        self._kept_bytes += len(event)

    def feed(self, data: bytes) -> bytes:
        try:
            events = self._split(data)
        except EventTooLong as e:
            events, self.too_long = e.events, str(e)
        out: list[bytes] = []
        see = self._inspector.event
        coming = iter(events)
        for event in coming:
            flags = see(event)
            if flags == CONTENT:  # nearly all of them
                self.contents += 1
                self._content = event
                if not self.contents % _JOINED_EVERY:
                    self._inspector.join_said()
            elif flags:
                if flags & MALFORMED:
                    self.malformed += 1
                    continue
                if flags & ERROR:
                    self.error = self._inspector.error or ErrorInfo(
                        message="the upstream reported an error"
                    )
                    for later in coming:  # counts may come after the error
                        see(later)
                    break
                if flags & CONTENT:
                    self.contents += 1
                if flags & FINISH:
                    self.finished = True
                if flags & TERMINAL:
                    self.terminal = True
                if flags & DECLINED:
                    self._declined |= flags & (DECLINED | CANNED)
                if flags & USAGE_ONLY and self._hide_usage:
                    continue
                if flags & PING:
                    self.events -= 1
                else:
                    self._keep(event)
            else:
                self._keep(event)
            self.events += 1
            out.append(event)
        if self._rename is not None:
            out = [self._rename(event) for event in out]
        return out[0] if len(out) == 1 else b"".join(out)

    def close(self) -> bytes:
        if self.terminal:
            return b""
        self.terminal = True
        return self._close


class InArray(PassThrough):
    """A Google stream for a client that wants a JSON array: events come, elements go, each payload
    byte for byte.
    """

    __slots__ = ("_framing",)

    def __init__(
        self,
        decoder: EventDecoder,
        inspector: ResponseInspector,
        rename: Callable[[bytes], bytes] | None,
        framing: Framing,
    ) -> None:
        super().__init__(decoder, inspector, hide_usage=False, rename=None, close=b"")
        self._framing = framing
        self._rename = framing.feed if rename is None else lambda event: framing.feed(rename(event))

    def close(self) -> bytes:
        self.terminal = True
        return self._framing.end()

    def error_element(self, error: ErrorInfo) -> bytes:
        return self._framing.error(error)
