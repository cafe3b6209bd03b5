"""From an upstream's bytes to the client's: what one attempt's answer goes through on its way.

`PassThrough` for the same style in and out: events are looked at and passed on as they are.
`Translated` for another style: every event is read into deltas and written anew. Both tell what
they saw, and neither decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pilotfish.core.exchange.stream_resume import Continuation, Transcript
from pilotfish.core.formats.deltas import (
    CitationDelta,
    Delta,
    End,
    Finish,
    Malformed,
    PartDelta,
    Ping,
    RefusalDelta,
    StreamError,
    TextDelta,
    ThinkingDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import FinishReason
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
    StreamReader,
    StreamWriter,
)
from pilotfish.core.formats.usage import Usage


class Framing(Protocol):
    """How events become elements of an array (`styles.google.array`)."""

    def feed(self, event: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def error(self, error: ErrorInfo) -> bytes: ...


class ResponseStream(Protocol):
    """`events` counts events that carried something, `contents` those with content; `too_long` says
    that the stream is of no use. `declined`: until now there is a refusal and no content.
    `may_be_canned`: what came as content could still be a guardrail's own text. `diverged`: it was
    to go on with another stream, and is of no use for that (`stream_resume.OverlapTrimmer`).
    """

    contents: int
    events: int
    malformed: int
    finished: bool
    terminal: bool
    error: ErrorInfo | None
    too_long: str

    @property
    def usage(self) -> Usage | None: ...
    @property
    def chars(self) -> int: ...
    @property
    def finish_reason(self) -> str | None: ...
    @property
    def declined(self) -> bool: ...
    @property
    def may_be_canned(self) -> bool: ...
    @property
    def diverged(self) -> bool: ...
    def feed(self, data: bytes) -> bytes:
        """What the client may see of this; stops at an error event."""
        ...

    def close(self) -> bytes:
        """What is missing to a proper end, for an answer that is complete without it."""
        ...


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


# Deltas that are content if their text is not empty, and those that always are.
_WORDS = (TextDelta, ThinkingDelta, ToolArgs)
_SPOKEN = (ToolStart, PartDelta, CitationDelta)
_DECLINES = (FinishReason.CONTENT_FILTER, FinishReason.REFUSAL)


class Translated:
    """`reader` is the upstream style's, `writer` the client's. With `continuation` the writer is
    shared with the attempt that this one goes on from. `transcript` takes note of what the client sees,
    where the rule would have a broken stream continued. `canned_chars`: as the upstream's style has it."""

    __slots__ = (
        "_canned",
        "_canned_chars",
        "_continuation",
        "_declined",
        "_read",
        "_split",
        "chars",
        "contents",
        "error",
        "events",
        "finish_reason",
        "finished",
        "malformed",
        "terminal",
        "too_long",
        "transcript",
        "usage",
        "writer",
    )

    def __init__(
        self,
        decoder: EventDecoder,
        reader: StreamReader,
        writer: StreamWriter,
        *,
        transcript: Transcript | None = None,
        continuation: Continuation | None = None,
        canned_chars: int = 0,
    ) -> None:
        self._canned_chars = canned_chars
        self._declined = self._canned = False
        self._split, self._read, self.writer = decoder.feed, reader.feed, writer
        self.transcript = transcript
        self._continuation = continuation
        self.contents = self.events = self.malformed = self.chars = 0
        self.finished = self.terminal = False
        self.error: ErrorInfo | None = None
        self.too_long = ""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None

    @property
    def diverged(self) -> bool:
        return self._continuation is not None and self._continuation.diverged

    @property
    def declined(self) -> bool:
        return self._declined and (not self.contents or self._canned)

    @property
    def may_be_canned(self) -> bool:
        return self._canned_chars > 0 and self.chars <= self._canned_chars

    def feed(self, data: bytes) -> bytes:
        try:
            events = self._split(data)
        except EventTooLong as e:
            events, self.too_long = e.events, str(e)
        kept: list[Delta] = []
        fit = None if self._continuation is None else self._continuation.fit
        for event in events:
            for delta in self._read(event):
                if self.error is not None:  # after it nothing counts but the counts
                    if isinstance(delta, UsageDelta):
                        self.usage = delta.usage
                elif isinstance(delta, StreamError):
                    self.error = delta.error
                elif self._note(delta):
                    for fitted in (delta,) if fit is None else fit(delta):
                        if self.transcript is not None:
                            self.transcript.note(fitted)
                        kept.append(fitted)
        self.events += len(kept)
        return self.writer.write(kept) if kept else b""

    def _note(self, delta: Delta) -> bool:
        """Takes notice; False for what the writer need not see."""
        if isinstance(delta, _WORDS):
            if delta.text:
                self.contents += 1
                self.chars += len(delta.text)
        elif isinstance(delta, Malformed):
            self.malformed += 1
            return False
        elif isinstance(delta, End):
            self.terminal = True
            return False
        elif isinstance(delta, Ping):
            return False
        elif isinstance(delta, UsageDelta):
            self.usage = delta.usage
        elif isinstance(delta, Finish):
            self.finished, self.finish_reason = True, str(delta.reason)
            self._declined, self._canned = self._declined or delta.reason in _DECLINES, delta.canned
        elif isinstance(delta, RefusalDelta):
            self._declined = True
            self.chars += len(delta.text)
        elif isinstance(delta, _SPOKEN):
            self.contents += 1
        return True

    def close(self) -> bytes:
        """The client's proper end, which the upstream's own end stands for."""
        self.terminal = True
        continuation = self._continuation
        if continuation is not None and self.declined and not continuation.has_begun:
            return b""  # it is of no use, and the client's stream is for another one to go on with
        rest = continuation.rest() if continuation is not None else []
        if self.diverged:
            return b""
        return (self.writer.write(rest) if rest else b"") + self.writer.end()


class Raw:
    """Bytes that are no events (audio, files): every one of them is content, and the end of the
    body is the end.
    """

    declined = False
    may_be_canned = False
    diverged = False
    __slots__ = (
        "chars",
        "contents",
        "error",
        "events",
        "finish_reason",
        "finished",
        "malformed",
        "terminal",
        "too_long",
        "usage",
    )

    def __init__(self) -> None:
        self.contents = self.events = self.malformed = self.chars = 0
        self.finished = self.terminal = False
        self.error: ErrorInfo | None = None
        self.too_long = ""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None

    def feed(self, data: bytes) -> bytes:
        self.contents += 1
        self.events += 1
        return data

    def close(self) -> bytes:
        self.terminal = True
        return b""
