"""Writing an Anthropic stream from neutral deltas: blocks numbered, one open at a time, each closed
before the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    Delta,
    Finish,
    MessageStart,
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
from pilotfish.core.formats.neutral import Audio, FinishReason, Opaque, Signature, seal
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._in_turn import InTurn
from pilotfish.styles.anthropic.blocks_out import write_citation
from pilotfish.styles.anthropic.errors import error_event
from pilotfish.styles.anthropic.reply import finish_word, stop_details, write_usage

_encode = msgspec.json.encode


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return event_from(_encode({"type": name} | fields), name.encode())


class AnthropicStreamWriter:
    """See `core.formats.style.StreamWriter`. It has no options."""

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        self._model = model
        self._id = f"msg_{request_id}"
        self._begun = False
        self._index = -1  # of the last block
        self._block = ""  # the type of the open one; empty: none is
        self._text_head = b""  # of a delta of the open text block, up to its text
        self._refused = False
        self._called = False
        self._finish: Finish | None = None
        self._usage = Usage()
        self._in_turn = InTurn()

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            if not self._begun:
                self._begin(delta, out)
            for ready in self._in_turn.feed(delta):
                self._write(ready, out)
        return b"".join(out)

    def ping(self) -> bytes:
        return b'event: ping\ndata: {"type":"ping"}\n\n'

    def error(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def end(self) -> bytes:
        out: list[bytes] = []
        if not self._begun:
            self._begin(None, out)
        for ready in self._in_turn.rest():
            self._write(ready, out)
        self._close(out)
        finish = self._finish or Finish(FinishReason.STOP)
        reason = finish.reason
        if reason is FinishReason.STOP and (self._refused or self._called):
            reason = FinishReason.REFUSAL if self._refused else FinishReason.TOOL_CALLS
        delta: dict[str, Any] = {
            "stop_reason": finish_word(reason),
            "stop_sequence": finish.stop_sequence or None,
        }
        if reason is FinishReason.REFUSAL and finish.details:
            delta["stop_details"] = stop_details(finish.details)
        out.append(_event("message_delta", {"delta": delta, "usage": write_usage(self._usage)}))
        out.append(_event("message_stop", {}))
        return b"".join(out)

    def _begin(self, first: Delta | None, out: list[bytes]) -> None:
        """The counts are those known by now; all of them come at the end, where the SDKs take them
        over.
        """
        self._begun = True
        if isinstance(first, MessageStart) and not self._model:
            self._model = first.model
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(first.usage if isinstance(first, UsageDelta) else self._usage),
        }
        out.append(_event("message_start", {"message": message}))

    def _write(self, delta: Delta, out: list[bytes]) -> None:
        if isinstance(delta, TextDelta | RefusalDelta):
            self._text(delta, out)
        elif isinstance(delta, ToolArgs):
            if (
                delta.text and self._block == "tool_use"
            ):  # else they come for a call that was closed
                self._put({"type": "input_json_delta", "partial_json": delta.text}, out)
        elif isinstance(delta, ThinkingDelta):
            if self._block != "thinking":
                self._open({"type": "thinking", "thinking": "", "signature": ""}, out)
            self._put({"type": "thinking_delta", "thinking": delta.text}, out)
        elif isinstance(delta, ThinkingEnd):
            self._thinking_ended(delta, out)
        elif isinstance(delta, ToolStart):
            self._called = True
            self._sealed(delta.signature, out)
            self._open({"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}}, out)
        elif isinstance(delta, CitationDelta):
            if self._block != "text":
                self._open({"type": "text", "text": ""}, out)
            self._put({"type": "citations_delta", "citation": write_citation(delta.citation)}, out)
        elif isinstance(delta, PartDelta):
            self._part(delta, out)
        else:
            self._whole(delta, out)

    def _whole(self, delta: Delta, out: list[bytes]) -> None:
        """What concerns the answer and no block of it."""
        if isinstance(delta, Finish):
            self._finish = self._finish or delta
        elif isinstance(delta, UsageDelta):
            self._usage = delta.usage
        elif isinstance(delta, BlockEnd):
            self._close(out)
        elif isinstance(delta, StreamError):
            out.append(self.error(delta.error))
        elif isinstance(delta, Ping):
            out.append(self.ping())

    def _text(self, delta: TextDelta | RefusalDelta, out: list[bytes]) -> None:
        if isinstance(delta, RefusalDelta):
            self._refused = True
        elif delta.signature:
            self._sealed(delta.signature, out)
        if not delta.text:
            return
        if self._block != "text":
            self._open({"type": "text", "text": ""}, out)
            self._text_head = (
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
                % self._index
            )
        out.append(self._text_head + _encode(delta.text) + b"}}\n\n")

    def _thinking_ended(self, delta: ThinkingEnd, out: list[bytes]) -> None:
        proof = seal(delta.signature, "anthropic") if delta.signature else ""
        if delta.redacted and proof:
            self._open({"type": "redacted_thinking", "data": proof}, out)
        elif proof:
            if self._block != "thinking":
                self._open({"type": "thinking", "thinking": "", "signature": ""}, out)
            self._put({"type": "signature_delta", "signature": proof}, out)
        if self._block in ("thinking", "redacted_thinking"):
            self._close(out)

    def _sealed(self, signature: Signature | None, out: list[bytes]) -> None:
        """Gemini's signature of the part that follows; a client hands such a block back where it
        stood.
        """
        if signature:
            self._open({"type": "redacted_thinking", "data": seal(signature, "anthropic")}, out)
            self._close(out)

    def _part(self, delta: PartDelta, out: list[bytes]) -> None:
        part = delta.part
        if isinstance(part, Opaque) and part.origin == "anthropic":
            self._open(part.raw, out)
            self._close(out)
        elif isinstance(part, Audio) and part.transcript:
            self._text(TextDelta(part.transcript), out)

    def _open(self, block: dict[str, Any], out: list[bytes]) -> None:
        self._close(out)
        self._index += 1
        self._block = block["type"]
        out.append(_event("content_block_start", {"index": self._index, "content_block": block}))

    def _put(self, delta: dict[str, Any], out: list[bytes]) -> None:
        out.append(_event("content_block_delta", {"index": self._index, "delta": delta}))

    def _close(self, out: list[bytes]) -> None:
        if self._block:
            out.append(_event("content_block_stop", {"index": self._index}))
            self._block = ""
