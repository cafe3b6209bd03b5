"""Writing an Anthropic stream from neutral deltas: blocks numbered, one open at a time, each closed
before the next.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Audio, Citation, FinishReason, Opaque, Signature
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._errors import text_of
from pilotfish.styles._signatures import UNSIGNED, seal, seal_thinking
from pilotfish.styles._stream_writer import BlockStreamWriter, payloads_of
from pilotfish.styles.anthropic.blocks_out import write_citation
from pilotfish.styles.anthropic.errors import error_event
from pilotfish.styles.anthropic.reply import finish_word, stop_details, write_usage

_encode = msgspec.json.encode
_TEXT_HEAD = (
    b"event: content_block_delta\ndata: "
    b'{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
)


class AnthropicStreamWriter(BlockStreamWriter):
    """See `core.formats.style.StreamWriter`. `options["input_tokens"]`: an estimate, for the event
    that begins the stream, since most upstreams count at the end.
    """

    _index = -1  # of the last block
    _text_head = b""  # of a delta of the open text block, up to its text
    _proof = UNSIGNED  # the signature of the open thinking block

    def ping(self) -> bytes:
        return b'event: ping\ndata: {"type":"ping"}\n\n'

    def _go_on(self, events: list[bytes], text: str) -> None:
        for event in payloads_of(events):
            index, kind = event.get("index"), event.get("type")
            if not isinstance(index, int):
                continue
            self._index = max(self._index, index)
            if kind == "content_block_start":
                block = event.get("content_block")
                self._block = text_of(block.get("type")) if isinstance(block, dict) else ""
            elif kind == "content_block_stop":
                self._block = ""
        self._text_head = _TEXT_HEAD % max(self._index, 0)

    def _error(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        self._out.append(event_from(_encode({"type": name} | fields), name.encode()))

    def _begin(self, first: deltas.Delta | None) -> None:
        """The counts are those known by now; all of them come at the end, where the SDKs take them
        over.
        """
        if isinstance(first, deltas.MessageStart) and not self._model:
            self._model = first.model
        usage = first.usage if isinstance(first, deltas.UsageDelta) else self._estimate()
        message: dict[str, Any] = {
            "id": f"msg_{self._request_id}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(usage),
        }
        self._event("message_start", {"message": message})

    def _estimate(self) -> Usage:
        return Usage(input=self._options.get("input_tokens", 0))

    def _finish_stream(self) -> None:
        self._close_all()
        finish = self._finish or deltas.Finish(FinishReason.STOP)
        reason = self._reason()
        delta: dict[str, Any] = {
            "stop_reason": finish_word(reason),
            "stop_sequence": finish.stop_sequence or None,
        }
        if reason is FinishReason.REFUSAL and finish.details:
            delta["stop_details"] = stop_details(finish.details)
        usage = write_usage(self._usage or self._estimate())
        self._event("message_delta", {"delta": delta, "usage": usage})
        self._event("message_stop", {})

    def _on_text(self, delta: deltas.TextDelta) -> None:
        self._on_signature(delta.signature)
        if not delta.text:
            return
        self._open_text()
        self._out.append(self._text_head + _encode(delta.text) + b"}}\n\n")

    def _on_arguments(self, delta: deltas.ToolArgs) -> None:
        if delta.text and self._block == "tool_use":  # else they come for a call that was closed
            self._put({"type": "input_json_delta", "partial_json": delta.text})

    def _on_thinking(self, delta: deltas.ThinkingDelta) -> None:
        if self._block != "thinking":
            self._open({"type": "thinking", "thinking": "", "signature": ""})
        self._put({"type": "thinking_delta", "thinking": delta.text})

    def _on_thinking_end(self, delta: deltas.ThinkingEnd) -> None:
        if delta.redacted and delta.signature:
            self._on_signature(delta.signature)
            return
        if delta.signature and self._block != "thinking":
            self._open({"type": "thinking", "thinking": "", "signature": ""})
        if self._block == "thinking":
            self._proof = seal_thinking(delta.signature, "anthropic")
            self._close()

    def _on_tool(self, delta: deltas.ToolStart) -> None:
        self._on_signature(delta.signature)
        self._open({"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}})

    def _on_signature(self, signature: Signature | None) -> None:
        """Gemini's signature of the part that follows; a client hands such a block back where it
        stood.
        """
        if signature:
            self._open({"type": "redacted_thinking", "data": seal(signature, "anthropic")})
            self._close()

    def _open_text(self) -> None:
        if self._block != "text":
            self._open({"type": "text", "text": ""})
            self._text_head = _TEXT_HEAD % self._index

    def _put_citation(self, citation: Citation) -> None:
        self._put({"type": "citations_delta", "citation": write_citation(citation)})

    def _on_part(self, delta: deltas.PartDelta) -> None:
        part = delta.part
        if isinstance(part, Opaque) and part.origin == "anthropic":
            self._open(part.raw)
            self._close()
        elif isinstance(part, Audio) and part.transcript:
            self._on_text(deltas.TextDelta(part.transcript))

    def _open(self, block: dict[str, Any]) -> None:
        self._close()
        self._index += 1
        self._block = block["type"]
        self._event("content_block_start", {"index": self._index, "content_block": block})

    def _put(self, delta: dict[str, Any]) -> None:
        self._event("content_block_delta", {"index": self._index, "delta": delta})

    def _close_block(self) -> None:
        if self._block == "thinking":
            self._put({"type": "signature_delta", "signature": self._proof})
            self._proof = UNSIGNED
        self._event("content_block_stop", {"index": self._index})


WRITER = AnthropicStreamWriter
