"""From an upstream's bytes to the client's: what one attempt's answer goes through on its way.

`PassThrough` (`core.exchange.pass_through`) for the same style in and out: events are looked at and
passed on as they are. `Translated` for another style: every event is read into deltas and written
anew. Both tell what they saw, and neither decides anything.
"""

from __future__ import annotations

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
from pilotfish.core.formats.style import EventDecoder, StreamReader, StreamWriter
from pilotfish.core.formats.usage import Usage


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
