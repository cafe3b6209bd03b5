"""Writing ConverseStream from neutral deltas: blocks numbered, one open at a time, each closed
before the next.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.formats import deltas, eventstream
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Audio, Citation, Image, Json, Opaque, Signature
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._errors import json_or_none
from pilotfish.styles._media import short_type
from pilotfish.styles._signatures import UNSIGNED, seal_thinking
from pilotfish.styles._stream_writer import BlockStreamWriter
from pilotfish.styles.bedrock.blocks_in import ORIGIN, SIGNER
from pilotfish.styles.bedrock.blocks_out import redacted_data, write_citation
from pilotfish.styles.bedrock.errors import error_frame
from pilotfish.styles.bedrock.reply import finish_word, write_usage


def frame(name: str, payload: Json) -> bytes:
    """One event as a frame, its headers in the order in which Bedrock has them."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return eventstream.write(headers, msgspec.json.encode(payload))


class BedrockStreamWriter(BlockStreamWriter):
    """A `core.formats.style.StreamWriter` without options. `messageStop` and `metadata` come at the
    end, when usage is known.
    """

    _index = -1  # of the last block
    _proof = UNSIGNED  # the signature of the open block of thinking

    def ping(self) -> bytes:
        """An event that no SDK knows, which all of them pass over."""
        return frame("ping", {})

    def _go_on(self, events: list[bytes], text: str) -> None:
        for event in events:
            message = eventstream.read(event)
            fields = json_or_none(message.payload)
            index = fields.get("contentBlockIndex") if isinstance(fields, dict) else None
            if not isinstance(index, int):
                continue
            self._index = max(self._index, index)
            kind, delta = message.headers.get(":event-type"), fields.get("delta")
            if kind == "contentBlockStop":
                self._block = ""
            elif isinstance(delta, dict):
                self._block = "thinking" if "reasoningContent" in delta else "text"

    def _error(self, error: ErrorInfo) -> bytes:
        return error_frame(error)

    def _frame(self, name: str, payload: Json) -> None:
        self._out.append(frame(name, payload))

    def _begin(self, first: deltas.Delta | None) -> None:
        self._frame("messageStart", {"role": "assistant"})

    def _finish_stream(self) -> None:
        self._close_all()
        stop: Json = {"stopReason": finish_word(self._reason())}
        if self._finish and self._finish.stop_sequence:
            stop["additionalModelResponseFields"] = {"stop_sequence": self._finish.stop_sequence}
        self._frame("messageStop", stop)
        counts = write_usage(self._usage or Usage())
        self._frame("metadata", {"usage": counts, "metrics": {"latencyMs": 0}})

    def _on_text(self, delta: deltas.TextDelta) -> None:
        self._on_signature(delta.signature)
        if delta.text:
            self._open_text()
            self._put({"text": delta.text})

    def _on_arguments(self, delta: deltas.ToolArgs) -> None:
        self._put({"toolUse": {"input": delta.text}})

    def _on_thinking(self, delta: deltas.ThinkingDelta) -> None:
        self._open("thinking")
        self._put({"reasoningContent": {"text": delta.text}})

    def _on_thinking_end(self, delta: deltas.ThinkingEnd) -> None:
        if delta.redacted and delta.signature:
            self._on_signature(delta.signature)
            return
        if delta.signature:
            self._open("thinking")
        if self._block == "thinking":
            self._proof = seal_thinking(delta.signature, SIGNER)
            self._close()

    def _on_tool(self, delta: deltas.ToolStart) -> None:
        self._on_signature(delta.signature)
        self._open("tool", again=True)
        self._start({"toolUse": {"toolUseId": delta.id, "name": delta.name}})

    def _on_signature(self, signature: Signature | None) -> None:
        """Gemini's signature of the part that follows; a client hands such a block back where it
        stood.
        """
        if signature:
            self._open("redacted", again=True)
            self._put({"reasoningContent": {"redactedContent": redacted_data(signature)}})
            self._close()

    def _server_block(self, raw: Json) -> None:
        """A call of a tool that ran at Bedrock, or its result."""
        call, result = raw.get("toolUse"), raw.get("toolResult")
        if isinstance(call, dict):
            self._open("server", again=True)
            self._start({"toolUse": {key: call[key] for key in call if key != "input"}})
            given = msgspec.json.encode(call.get("input") or {}).decode()
            self._put({"toolUse": {"input": given}})
        elif isinstance(result, dict):
            self._open("server", again=True)
            self._start({"toolResult": {key: result[key] for key in result if key != "content"}})
            self._put({"toolResult": result.get("content") or []})
        self._close()

    def _open_text(self) -> None:
        self._open("text")

    def _put_citation(self, citation: Citation) -> None:
        self._put({"citation": write_citation(citation)})

    def _on_part(self, delta: deltas.PartDelta) -> None:
        part = delta.part
        if isinstance(part, Opaque) and part.origin == ORIGIN:
            self._server_block(part.raw)
            return
        if isinstance(part, Audio) and part.transcript:
            self._on_text(deltas.TextDelta(part.transcript))
        elif isinstance(part, Image) and part.data:
            self._on_signature(part.signature)
            self._open("image", again=True)
            self._start({"image": {"format": short_type(part.media_type or "image/png")}})
            self._put({"image": {"source": {"bytes": part.data}}})
            self._close()

    def _open(self, kind: str, *, again: bool = False) -> None:
        """Makes a block of that kind the open one; `again`: a new one in any case. Only some kinds
        have a start (`_start`)."""
        if self._block != kind or again:
            self._close()
            self._index += 1
            self._block = kind

    def _start(self, start: Json) -> None:
        self._frame("contentBlockStart", {"start": start, "contentBlockIndex": self._index})

    def _put(self, delta: Json) -> None:
        self._frame("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._index})

    def _close_block(self) -> None:
        if self._block == "thinking":
            self._put({"reasoningContent": {"signature": self._proof}})
            self._proof = UNSIGNED
        self._frame("contentBlockStop", {"contentBlockIndex": self._index})


WRITER = BedrockStreamWriter
