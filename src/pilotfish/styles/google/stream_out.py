"""Writing a stream of generateContent from neutral deltas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.deltas import Delta, Finish, TextDelta
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import (
    Citation,
    FinishReason,
    Image,
    Json,
    Part,
    Signature,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from pilotfish.core.formats.sse import event_from
from pilotfish.styles._errors import text_of
from pilotfish.styles._stream_writer import BaseStreamWriter, payloads_of
from pilotfish.styles.google.array import ArrayFraming
from pilotfish.styles.google.citations import write_citations
from pilotfish.styles.google.errors import error_body
from pilotfish.styles.google.parts import ORIGIN, seal
from pilotfish.styles.google.reply import word_for, write_answer_part, write_logprobs, write_usage


class GoogleStreamWriter(BaseStreamWriter):
    """A `core.formats.style.StreamWriter`: Server-Sent Events, or with `options["array"]` the
    elements of one JSON array, as Google answers without `alt=sse`.

    Google sends a call whole, so its arguments are held back until it is complete; the finish
    reason goes with the usage into the last chunk.
    """

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        super().__init__(model=model, request_id=request_id, now=now, options=options)
        self._text_head = b'{"candidates":[{"content":{"parts":[{"text":'
        self._frame_by(model, request_id)
        self._array = ArrayFraming() if options.get("array") else None
        self._call: ToolCall | None = None  # the open one, without its arguments
        self._arguments: list[str] = []
        self._pending: Signature | None = None  # Google's own, of the part that follows
        self._parts: list[Json] = []  # of the chunk that is being written
        self._tokens: tuple[TokenLogprob, ...] = ()
        # All of them, since citations count from the beginning, and how long they are.
        self._texts: list[str] = []
        self._chars = 0
        self._citations: list[Citation] = []

    def write(self, deltas: list[Delta]) -> bytes:
        """One chunk for all of these deltas, or nothing. An error in them ends the stream."""
        if len(deltas) == 1 and not (self._call or self._pending or self._closed):
            only = deltas[0]
            if (
                isinstance(only, TextDelta) and only.text and only.signature is None
            ):  # nearly always
                self._texts.append(only.text)
                self._chars += len(only.text)
                text = msgspec.json.encode(only.text)
                return self._event(self._text_head + text + self._text_tail)
        for delta in deltas:
            for ready in self._order.feed(delta):
                self._write(ready)
        if not self._closed:
            self._chunk()
        return self._written()

    def _frame_by(self, model: str, response_id: str) -> None:
        """What every chunk has beside its candidates."""
        self._frame: Json = {"modelVersion": model, "responseId": response_id}
        self._text_tail = b'}],"role":"model"},"index":0}],' + msgspec.json.encode(self._frame)[1:]

    def _go_on(self, events: list[bytes], text: str) -> None:
        chunks = payloads_of(events)
        if not chunks:
            raise ValueError("no chunk to go on from")
        last = chunks[-1]
        model = self._model or text_of(last.get("modelVersion"))
        self._frame_by(model, text_of(last.get("responseId")) or self._request_id)
        self._texts, self._chars = [text], len(text)
        if self._array:
            self._array.go_on()

    def ping(self) -> bytes:
        """White space; see `Google.ping_event`."""
        return b"\n\n"

    def _error(self, error: ErrorInfo) -> bytes:
        self._flush()
        self._chunk()
        body = error_body(error, error.status)
        return self._written() + (self._array.error(error) if self._array else event_from(body))

    def _finish_stream(self) -> None:
        self._flush()
        if self._pending:
            self._append({"text": ""}, self._taken())
        parts = self._parts or [{"text": ""}]
        candidate: Json = {"content": {"parts": parts, "role": "model"}}
        finish = self._finish or Finish(FinishReason.STOP)
        candidate["finishReason"] = word_for(finish.reason)
        if finish.details:
            candidate["finishMessage"] = finish.details
        candidate["index"] = 0
        if self._citations:
            texts = "".join(self._texts)
            candidate["groundingMetadata"] = write_citations([(0, texts, tuple(self._citations))])
        chunk: Json = {"candidates": [candidate]}
        if self._usage:
            chunk["usageMetadata"] = write_usage(self._usage)
        self._out.append(self._event(msgspec.json.encode(chunk | self._frame)))
        if self._array:
            self._out.append(self._array.end())

    def _on_text(self, delta: deltas.TextDelta) -> None:
        self._flush()
        self._texts.append(delta.text)
        self._chars += len(delta.text)
        self._append({"text": delta.text}, delta.signature or self._taken())

    def _on_arguments(self, delta: deltas.ToolArgs) -> None:
        self._arguments.append(delta.text)

    def _on_thinking(self, delta: deltas.ThinkingDelta) -> None:
        self._flush()
        self._append({"text": delta.text, "thought": True}, None)

    def _on_thinking_end(self, delta: deltas.ThinkingEnd) -> None:
        signature = delta.signature
        if signature is None:
            return
        if signature.origin == ORIGIN:
            # It signs the call whose id it has, or else the part that follows.
            if self._call and signature.id == self._call.id and self._call.signature is None:
                self._call = msgspec.structs.replace(self._call, signature=signature)
            else:
                self._pending = signature
            return
        self._flush()
        self._put(Thinking(signature=signature, redacted=delta.redacted))

    def _on_tool(self, delta: deltas.ToolStart) -> None:
        self._flush()
        self._call = ToolCall(
            id=delta.id,
            name=delta.name,
            kind=delta.kind,
            signature=delta.signature or self._taken(),
        )

    def _on_citation(self, delta: deltas.CitationDelta) -> None:
        self._flush()
        self._citations.append(_placed(delta.citation, self._chars))

    def _on_logprobs(self, delta: deltas.LogprobsDelta) -> None:
        self._tokens += delta.tokens

    def _on_part(self, delta: deltas.PartDelta) -> None:
        self._flush()
        part = delta.part
        if isinstance(part, Image) and part.signature is None:
            part = msgspec.structs.replace(part, signature=self._taken())
        self._put(part)

    def _on_block_end(self) -> None:
        self._flush()

    def _on_finish(self, delta: deltas.Finish) -> None:
        self._flush()
        self._finish = delta

    def _on_ping(self) -> None:
        """Nothing: what keeps a client's connection alive is `ping`, between chunks."""

    def _taken(self) -> Signature | None:
        """The signature that waits for its part."""
        signature, self._pending = self._pending, None
        return signature

    def _flush(self) -> None:
        """The open call, which is complete when something else comes."""
        if self._call:
            self._put(msgspec.structs.replace(self._call, arguments="".join(self._arguments)))
            self._call, self._arguments = None, []

    def _chunk(self) -> None:
        """What came since the last chunk."""
        if not (self._parts or self._tokens):
            return
        candidate: Json = {"content": {"parts": self._parts, "role": "model"}, "index": 0}
        if self._tokens:
            candidate["logprobsResult"] = write_logprobs(self._tokens)
        self._parts, self._tokens = [], ()
        self._out.append(
            self._event(msgspec.json.encode({"candidates": [candidate]} | self._frame))
        )

    def _event(self, body: bytes) -> bytes:
        return self._array.element(body) if self._array else event_from(body)

    def _put(self, part: Part) -> None:
        written = write_answer_part(part)
        if written is not None:
            self._parts.append(written)

    def _append(self, part: Json, signature: Signature | None) -> None:
        """A part at the end; text that goes on is put to the text before it. A part with a
        signature stands alone.
        """
        if signature:
            self._parts.append(part | {"thoughtSignature": seal(signature)})
            return
        last = self._parts[-1] if self._parts else {}
        goes_on = "text" in last and "thoughtSignature" not in last
        if goes_on and last.get("thought") == part.get("thought"):
            last["text"] += part["text"]
        elif part["text"]:
            self._parts.append(part)


def _placed(citation: Citation, text_so_far: int) -> Citation:
    """A citation with an end, which in a stream is often only where it stands (Anthropic's cite the
    block that goes before).
    """
    if citation.end is not None or citation.origin == "google":
        return citation
    return msgspec.structs.replace(citation, start=citation.start or 0, end=text_so_far)


WRITER = GoogleStreamWriter
