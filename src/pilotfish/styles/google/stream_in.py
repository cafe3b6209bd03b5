"""Reading a stream of generateContent into neutral deltas."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.neutral import (
    Audio,
    Document,
    Image,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
)
from pilotfish.styles._fields import ReplyFields
from pilotfish.styles._loose import BAD_JSON
from pilotfish.styles.google.citations import Offsets, read_citations
from pilotfish.styles.google.errors import google_error
from pilotfish.styles.google.inspector import GoogleTokenCounts, payload_of
from pilotfish.styles.google.reply import (
    finish_for,
    finish_of,
    read_logprobs,
    read_parts,
    read_usage,
)


class _Words(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str
    thought: bool = False


class _Content(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    parts: list[_Words] = []
    role: str = ""


class _Candidate(msgspec.Struct, gc=False, forbid_unknown_fields=True, rename="camel"):
    content: _Content | None = None
    index: int = 0
    finish_reason: str | None = None
    safety_ratings: Any = None


class _Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True, rename="camel"):
    """What nearly every chunk is: words and counts. With anything else in it a chunk is read field
    by field.
    """

    candidates: list[_Candidate] = []
    usage_metadata: GoogleTokenCounts | None = None
    model_version: str = ""
    response_id: str = ""
    create_time: Any = None


_plain = msgspec.json.Decoder(_Plain)


class GoogleStreamReader:
    """A `core.formats.style.StreamReader`. `End` comes with an array's closing bracket alone; see
    `styles.google.inspector`.
    """

    def __init__(self) -> None:
        self._response_id = ""
        self._started = False
        self._calls = 0
        self._thinking = False
        # The whole text, since citations count from the beginning: read so far, and since.
        self._read = Offsets()
        self._texts: list[str] = []

    def feed(self, event: bytes) -> list[Delta]:
        data = payload_of(event)
        if not data:
            return [deltas.End()] if event.strip() == b"]" else [deltas.Ping()]
        try:
            return self._quickly(_plain.decode(data))
        except BAD_JSON:
            pass  # more than words, or no JSON
        try:
            value = msgspec.json.decode(data)
        except BAD_JSON:
            return [deltas.Malformed(event)]
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict) and value.get("error"):
            return [deltas.StreamError(google_error(value))]
        try:
            return self._chunk(ReplyFields(value))
        except ValueError:
            return [deltas.Malformed(event)]

    def _quickly(self, chunk: _Plain) -> list[Delta]:
        self._response_id = chunk.response_id or self._response_id
        out = self._start(chunk.model_version)
        candidate = chunk.candidates[0] if chunk.candidates else _Candidate()
        for part in candidate.content.parts if candidate.content else ():
            if part.thought:
                out += self._thought(Thinking(text=part.text))
                continue
            out += self._end_of_thought()
            if part.text:
                self._texts.append(part.text)
                out.append(deltas.TextDelta(part.text))
        if candidate.finish_reason:
            out += self._end_of_thought()
            out.append(deltas.Finish(finish_for(candidate.finish_reason, self._calls > 0)))
        if chunk.usage_metadata:
            out.append(deltas.UsageDelta(chunk.usage_metadata.usage()))
        return out

    def _start(self, model: str) -> list[Delta]:
        was, self._started = self._started, True
        return [] if was else [deltas.MessageStart(self._response_id, model)]

    def _chunk(self, fields: ReplyFields) -> list[Delta]:
        self._response_id = fields.text("responseId") or self._response_id
        out = self._start(fields.text("modelVersion") or "")
        candidate = next(fields.objects("candidates"), ReplyFields({}, "candidates[0]"))
        for part in read_parts(candidate, self._response_id, first_index=self._calls):
            out += self._part(part)
        if "groundingMetadata" in candidate or "citationMetadata" in candidate:
            self._read.add("".join(self._texts))
            self._texts.clear()
            out += [
                deltas.CitationDelta(citation)
                for _, citation in read_citations(candidate, {0: self._read})
            ]
        tokens = read_logprobs(candidate)
        if tokens:
            out.append(deltas.LogprobsDelta(tokens))
        word, details = finish_of(fields, candidate)
        usage = read_usage(fields)
        if word:
            out += self._end_of_thought()
            out.append(deltas.Finish(finish_for(word, self._calls > 0), details=details))
        if usage:
            out.append(deltas.UsageDelta(usage))
        return out

    def _part(self, part: Part) -> list[Delta]:
        if isinstance(part, Thinking):
            return self._thought(part)
        out = self._end_of_thought()
        if isinstance(part, Text):
            self._texts.append(part.text)
            if part.text or part.signature:
                out.append(deltas.TextDelta(part.text, part.signature))
        elif isinstance(part, ToolCall):
            index = self._calls
            self._calls += 1
            out.append(
                deltas.ToolStart(index=index, id=part.id, name=part.name, signature=part.signature)
            )
            out.append(deltas.ToolArgs(index, part.arguments or "{}"))
        elif isinstance(part, Image | Audio | Document | Opaque):
            out.append(deltas.PartDelta(part))
        return out

    def _thought(self, part: Thinking) -> list[Delta]:
        """Thoughts run on from chunk to chunk; a signature closes the run it stands at."""
        out: list[Delta] = []
        if part.text:
            self._thinking = True
            out.append(deltas.ThinkingDelta(part.text))
        if part.signature:
            self._thinking = False
            out.append(deltas.ThinkingEnd(part.signature, part.redacted))
        return out

    def _end_of_thought(self) -> list[Delta]:
        was, self._thinking = self._thinking, False
        return [deltas.ThinkingEnd()] if was else []


READER = GoogleStreamReader
