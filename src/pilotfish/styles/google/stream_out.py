"""Writing a stream of generateContent from neutral deltas."""

from __future__ import annotations

import msgspec

from pilotfish.core.formats.deltas import (
    CitationDelta,
    Delta,
    Finish,
    LogprobsDelta,
    PartDelta,
    Ping,
    RefusalDelta,
    StreamError,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import (
    Citation,
    FinishReason,
    Json,
    Part,
    Signature,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._in_turn import InTurn
from pilotfish.styles.google.array import ArrayFraming
from pilotfish.styles.google.citations import write_citations
from pilotfish.styles.google.errors import error_body
from pilotfish.styles.google.parts import seal
from pilotfish.styles.google.reply import word_for, write_answer_part, write_logprobs, write_usage


class GoogleWriter:
    """A `core.formats.style.StreamWriter`: Server-Sent Events, or with `array` the elements of one
    JSON array.

    Google sends a call whole, so its arguments are held back until it is complete; the finish
    reason goes with the usage into the last chunk.
    """

    def __init__(self, *, model: str, request_id: str, array: bool) -> None:
        self._frame: Json = {"modelVersion": model, "responseId": request_id}
        self._text_head = b'{"candidates":[{"content":{"parts":[{"text":'
        self._text_tail = b'}],"role":"model"},"index":0}],' + msgspec.json.encode(self._frame)[1:]
        self._array = ArrayFraming() if array else None
        self._closed = False
        self._call: ToolCall | None = None  # the open one, without its arguments
        self._arguments: list[str] = []
        self._in_turn = InTurn()
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._texts: list[str] = []  # all of them, since citations count from the beginning
        self._citations: list[Citation] = []

    def write(self, deltas: list[Delta]) -> bytes:
        """One chunk for all of these deltas, or nothing. An error in them ends the stream."""
        if len(deltas) == 1 and self._call is None and not self._closed:
            only = deltas[0]
            if (
                isinstance(only, TextDelta) and only.text and only.signature is None
            ):  # nearly every delta
                self._texts.append(only.text)
                return self._event(
                    self._text_head + msgspec.json.encode(only.text) + self._text_tail
                )
        parts: list[Json] = []
        tokens: tuple[TokenLogprob, ...] = ()
        for delta in deltas:
            for ready in self._in_turn.feed(delta):
                if isinstance(ready, StreamError):
                    self._flush(parts)
                    return self._chunk(parts, tokens) + self.error(ready.error)
                if isinstance(ready, LogprobsDelta):
                    tokens += ready.tokens
                else:
                    self._delta(ready, parts)
        return self._chunk(parts, tokens)

    def ping(self) -> bytes:
        """White space; see `Google.ping_event`."""
        return b"\n\n"

    def error(self, error: ErrorInfo) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        return (
            self._array.error(error) if self._array else event_from(error_body(error, error.status))
        )

    def end(self) -> bytes:
        if self._closed:
            return b""
        parts: list[Json] = []
        for ready in self._in_turn.rest():
            self._delta(ready, parts)
        self._flush(parts)
        candidate: Json = {"content": {"parts": parts or [{"text": ""}], "role": "model"}}
        finish = self._finish or Finish(FinishReason.STOP)
        candidate["finishReason"] = word_for(finish.reason)
        if finish.details:
            candidate["finishMessage"] = finish.details
        candidate["index"] = 0
        if self._citations:
            candidate["groundingMetadata"] = write_citations(
                [(0, "".join(self._texts), tuple(self._citations))]
            )
        chunk: Json = {"candidates": [candidate]}
        if self._usage:
            chunk["usageMetadata"] = write_usage(self._usage)
        event = self._event(msgspec.json.encode(chunk | self._frame))
        self._closed = True
        return event + self._array.end() if self._array else event

    def _delta(self, delta: Delta, parts: list[Json]) -> None:
        if isinstance(delta, ToolArgs):
            self._arguments.append(delta.text)
            return
        if isinstance(delta, UsageDelta):
            self._usage = delta.usage
            return
        if isinstance(delta, Ping):
            return
        self._flush(parts)
        if isinstance(delta, TextDelta):
            self._texts.append(delta.text)
            _append(parts, {"text": delta.text}, delta.signature)
        elif isinstance(delta, RefusalDelta):
            self._texts.append(delta.text)
            _append(parts, {"text": delta.text}, None)
        elif isinstance(delta, ThinkingDelta):
            _append(parts, {"text": delta.text, "thought": True}, None)
        elif isinstance(delta, ToolStart):
            self._call = ToolCall(
                id=delta.id, name=delta.name, kind=delta.kind, signature=delta.signature
            )
        elif isinstance(delta, ThinkingEnd) and delta.signature:
            _put(parts, Thinking(signature=delta.signature, redacted=delta.redacted))
        elif isinstance(delta, PartDelta):
            _put(parts, delta.part)
        elif isinstance(delta, CitationDelta):
            self._citations.append(_placed(delta.citation, sum(map(len, self._texts))))
        elif isinstance(delta, Finish):
            self._finish = delta

    def _flush(self, parts: list[Json]) -> None:
        """The open call, which is complete when something else comes."""
        if self._call:
            _put(parts, msgspec.structs.replace(self._call, arguments="".join(self._arguments)))
            self._call, self._arguments = None, []

    def _chunk(self, parts: list[Json], tokens: tuple[TokenLogprob, ...]) -> bytes:
        if not (parts or tokens) or self._closed:
            return b""
        candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if tokens:
            candidate["logprobsResult"] = write_logprobs(tokens)
        return self._event(msgspec.json.encode({"candidates": [candidate]} | self._frame))

    def _event(self, body: bytes) -> bytes:
        return self._array.element(body) if self._array else event_from(body)


def _put(parts: list[Json], part: Part) -> None:
    written = write_answer_part(part)
    if written is not None:
        parts.append(written)


def _append(parts: list[Json], part: Json, signature: Signature | None) -> None:
    """A part at the end; text that goes on is put to the text before it. A part with a signature
    stands alone.
    """
    if signature:
        parts.append(part | {"thoughtSignature": seal(signature)})
        return
    last = parts[-1] if parts else None
    if (
        last
        and "text" in last
        and "thoughtSignature" not in last
        and last.get("thought") == part.get("thought")
    ):
        last["text"] += part["text"]
    elif part["text"]:
        parts.append(part)


def _placed(citation: Citation, text_so_far: int) -> Citation:
    """A citation with an end, which in a stream is often only where it stands (Anthropic's cite the
    block that goes before).
    """
    if citation.end is not None or citation.origin == "google":
        return citation
    return msgspec.structs.replace(citation, start=citation.start or 0, end=text_so_far)
