"""Writing ConverseStream from neutral deltas: blocks numbered, one open at a time, each closed
before the next.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.formats import eventstream
from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    Delta,
    Finish,
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
from pilotfish.core.formats.neutral import Audio, FinishReason, Image, Json, Signature, seal
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._in_turn import InTurn
from pilotfish.styles._media import short_type
from pilotfish.styles.bedrock.blocks_in import SIGNER
from pilotfish.styles.bedrock.blocks_out import redacted_data, write_citation
from pilotfish.styles.bedrock.errors import error_frame
from pilotfish.styles.bedrock.reply import finish_word, write_usage


def frame(name: str, payload: Json) -> bytes:
    """One event as a frame, its headers in the order in which Bedrock has them."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return eventstream.write(headers, msgspec.json.encode(payload))


class BedrockWriter:
    """A `core.formats.style.StreamWriter`. `messageStop` and `metadata` come at the end, when usage
    is known.
    """

    def __init__(self) -> None:
        self._begun = False
        self._index = -1  # of the last block
        self._open = ""  # kind of the open block: text, tool, thinking; empty: none is
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._called = False
        self._refused = False
        self._closed = False
        self._in_turn = InTurn()

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            self._begin(out)
            for ready in self._in_turn.feed(delta):
                self._write(ready, out)
        return b"".join(out)

    def ping(self) -> bytes:
        """An event that no SDK knows, which all of them pass over."""
        return frame("ping", {})

    def error(self, error: ErrorInfo) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        return error_frame(error)

    def end(self) -> bytes:
        if self._closed:
            return b""
        out: list[bytes] = []
        self._begin(out)
        for ready in self._in_turn.rest():
            self._write(ready, out)
        self._close(out)
        finish = self._finish or Finish(FinishReason.STOP)
        reason = finish.reason
        if reason is FinishReason.STOP and (self._called or self._refused):
            reason = FinishReason.REFUSAL if self._refused else FinishReason.TOOL_CALLS
        stop: Json = {"stopReason": finish_word(reason)}
        if finish.stop_sequence:
            stop["additionalModelResponseFields"] = {"stop_sequence": finish.stop_sequence}
        out.append(frame("messageStop", stop))
        out.append(
            frame(
                "metadata",
                {"usage": write_usage(self._usage or Usage()), "metrics": {"latencyMs": 0}},
            )
        )
        self._closed = True
        return b"".join(out)

    def _begin(self, out: list[bytes]) -> None:
        if not self._begun:
            self._begun = True
            out.append(frame("messageStart", {"role": "assistant"}))

    def _write(self, delta: Delta, out: list[bytes]) -> None:
        if isinstance(delta, TextDelta):
            self._text(delta.text, delta.signature, out)
        elif isinstance(delta, RefusalDelta):
            self._refused = True
            self._text(delta.text, None, out)
        elif isinstance(delta, ToolArgs):
            self._put({"toolUse": {"input": delta.text}}, out)
        elif isinstance(delta, ThinkingDelta):
            self._switch("thinking", out)
            self._put({"reasoningContent": {"text": delta.text}}, out)
        elif isinstance(delta, ThinkingEnd):
            self._thinking_ended(delta, out)
        elif isinstance(delta, ToolStart):
            self._called = True
            self._sealed(delta.signature, out)
            self._switch("tool", out, again=True)
            start = {"toolUse": {"toolUseId": delta.id, "name": delta.name}}
            out.append(
                frame("contentBlockStart", {"start": start, "contentBlockIndex": self._index})
            )
        elif isinstance(delta, CitationDelta):
            self._switch("text", out)
            self._put({"citation": write_citation(delta.citation)}, out)
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

    def _text(self, text: str, signature: Signature | None, out: list[bytes]) -> None:
        self._sealed(signature, out)
        if text:
            self._switch("text", out)
            self._put({"text": text}, out)

    def _thinking_ended(self, delta: ThinkingEnd, out: list[bytes]) -> None:
        if delta.signature:
            self._switch("thinking", out, again=delta.redacted)
            proof = (
                {"redactedContent": redacted_data(delta.signature)}
                if delta.redacted
                else {"signature": seal(delta.signature, SIGNER)}
            )
            self._put({"reasoningContent": proof}, out)
        if self._open == "thinking":
            self._close(out)

    def _sealed(self, signature: Signature | None, out: list[bytes]) -> None:
        """Gemini's signature of the part that follows; a client hands such a block back where it
        stood.
        """
        if signature:
            self._switch("thinking", out, again=True)
            self._put({"reasoningContent": {"redactedContent": redacted_data(signature)}}, out)
            self._close(out)

    def _part(self, delta: PartDelta, out: list[bytes]) -> None:
        part = delta.part
        if isinstance(part, Audio) and part.transcript:
            self._text(part.transcript, None, out)
        elif isinstance(part, Image) and part.data:
            self._switch("image", out, again=True)
            start = {"image": {"format": short_type(part.media_type or "image/png")}}
            out.append(
                frame("contentBlockStart", {"start": start, "contentBlockIndex": self._index})
            )
            self._put({"image": {"source": {"bytes": part.data}}}, out)
            self._close(out)

    def _switch(self, kind: str, out: list[bytes], *, again: bool = False) -> None:
        """Makes a block of that kind the open one; `again`: a new one in any case."""
        if self._open == kind and not again:
            return
        self._close(out)
        self._index += 1
        self._open = kind

    def _put(self, delta: Json, out: list[bytes]) -> None:
        out.append(frame("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._index}))

    def _close(self, out: list[bytes]) -> None:
        if self._open:
            out.append(frame("contentBlockStop", {"contentBlockIndex": self._index}))
            self._open = ""
