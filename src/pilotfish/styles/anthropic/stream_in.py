"""Reading an Anthropic stream into neutral deltas."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.neutral import FinishReason
from pilotfish.core.formats.sse import data_of
from pilotfish.styles._errors import json_or_none
from pilotfish.styles._guardrail import ACTION, CANNED_CHARS, INTERVENED
from pilotfish.styles._loose import BAD_JSON, decode_as
from pilotfish.styles._signatures import unseal, unseal_thinking
from pilotfish.styles.anthropic.blocks_in import opaque, read_citation
from pilotfish.styles.anthropic.errors import stream_error
from pilotfish.styles.anthropic.inspector import AnthropicTokenCounts
from pilotfish.styles.anthropic.reply import explanation_in, finish_from
from pilotfish.styles.anthropic.structured import OBJECT_TOOL, TOOLS, VALUE_TOOL, unwrapped


class _Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None
    content: Any = None
    encrypted_content: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: AnthropicTokenCounts | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    delta: _Delta | None = None
    content_block: Any = None
    message: _Message | None = None
    usage: AnthropicTokenCounts | None = None
    error: Any = None
    guardrail: str | None = msgspec.field(default=None, name=ACTION)  # of a Claude on Bedrock


_decoder = msgspec.json.Decoder(_Event)


class AnthropicStreamReader:
    """See `core.formats.style.StreamReader`."""

    __slots__ = (
        "_arguments",
        "_block",
        "_chars",
        "_counts",
        "_index",
        "_signature",
        "_structured",
    )

    def __init__(self) -> None:
        self._block: dict[str, Any] = {}  # the block that is open, as it began
        self._arguments: list[str] = []  # its `partial_json` so far, where it is kept back
        self._signature = ""
        self._index = -1  # of the last tool call
        self._structured = False  # the tool that stands for structured output was called
        self._counts = AnthropicTokenCounts()
        self._chars = 0

    def feed(self, event: bytes) -> list[Delta]:
        data = data_of(event)
        if not data:
            return [deltas.Ping()]
        try:
            found = decode_as(_decoder, data)
        except BAD_JSON:
            return [deltas.Malformed(event)]
        kind = found.type
        if kind == "content_block_delta":
            return self._delta(found.delta) if found.delta else []
        if kind == "content_block_start":
            return self._begin(found.content_block) if isinstance(found.content_block, dict) else []
        if kind == "content_block_stop":
            return self._end()
        return self._message(kind, found, data)

    def _message(self, kind: str | None, found: _Event, data: bytes) -> list[Delta]:
        """Events about the whole message."""
        if kind == "message_start" and found.message:
            message = found.message
            return [
                deltas.MessageStart(message.id or "", message.model or ""),
                *self._counted(message.usage),
            ]
        if kind == "message_delta":
            return [*self._finished(found.delta), *self._counted(found.usage)]
        if kind == "message_stop":
            return [*self._guarded(found), deltas.End()]
        if kind == "ping":
            return [deltas.Ping()]
        if kind == "error" or found.error:
            return [deltas.StreamError(stream_error(json_or_none(data)))]
        return []

    def _guarded(self, found: _Event) -> list[Delta]:
        if found.guardrail != INTERVENED:
            return []
        return [deltas.Finish(FinishReason.CONTENT_FILTER, canned=self._chars <= CANNED_CHARS)]

    def _counted(self, counts: AnthropicTokenCounts | None) -> list[Delta]:
        if counts is None:
            return []
        self._counts = self._counts.updated(counts)
        return [deltas.UsageDelta(self._counts.usage())]

    def _finished(self, delta: _Delta | None) -> list[Delta]:
        if delta is None or not delta.stop_reason:
            return []
        reason = finish_from(delta.stop_reason)
        if reason is FinishReason.TOOL_CALLS and self._structured and self._index < 0:
            reason = FinishReason.STOP  # the client knows nothing of that tool
        return [
            deltas.Finish(reason, delta.stop_sequence or "", explanation_in(delta.stop_details))
        ]

    def _begin(self, block: dict[str, Any]) -> list[Delta]:
        self._block, self._signature = block, ""
        kind, text = block.get("type"), block.get("text")
        if kind == "text":
            return [deltas.TextDelta(text)] if isinstance(text, str) and text else []
        if kind == "thinking":
            thought, signature = block.get("thinking"), block.get("signature")
            self._signature = signature if isinstance(signature, str) else ""
            return [deltas.ThinkingDelta(thought)] if isinstance(thought, str) and thought else []
        if kind == "redacted_thinking":
            return [
                deltas.ThinkingEnd(unseal(str(block.get("data") or ""), "anthropic"), redacted=True)
            ]
        self._arguments = []
        name = str(block.get("name") or "")
        if kind == "tool_use" and name in TOOLS:
            self._structured = True
        elif kind == "tool_use":
            self._index += 1
            return [deltas.ToolStart(index=self._index, id=str(block.get("id") or ""), name=name)]
        return []

    def _delta(self, delta: _Delta) -> list[Delta]:
        if delta.text:
            self._chars += len(delta.text)
            return [deltas.TextDelta(delta.text)]
        if delta.thinking:
            return [deltas.ThinkingDelta(delta.thinking)]
        if delta.partial_json:
            self._arguments.append(delta.partial_json)
            if self._block.get("type") != "tool_use" or self._block.get("name") == VALUE_TOOL:
                return []  # of a server's tool, or to be unwrapped: known when it is whole
            if self._block.get("name") == OBJECT_TOOL:
                return [deltas.TextDelta(delta.partial_json)]
            return [deltas.ToolArgs(self._index, delta.partial_json)]
        if delta.signature:
            self._signature += delta.signature
        elif isinstance(delta.citation, dict):
            return [deltas.CitationDelta(read_citation(delta.citation))]
        elif delta.type == "compaction_delta":
            found = {"content": delta.content, "encrypted_content": delta.encrypted_content}
            self._block |= {name: value for name, value in found.items() if value is not None}
        return []

    def _end(self) -> list[Delta]:
        """Blocks that could not be passed on piece by piece come out here."""
        block, self._block = self._block, {}
        kind, name, arguments = block.get("type"), block.get("name"), "".join(self._arguments)
        if kind == "thinking":
            return [deltas.ThinkingEnd(unseal_thinking(self._signature, "anthropic"))]
        if kind == "tool_use" and name == VALUE_TOOL:
            return [deltas.TextDelta(unwrapped(VALUE_TOOL, arguments)), deltas.BlockEnd()]
        if kind == "tool_use" and not arguments and block.get("input"):
            whole = msgspec.json.encode(
                block["input"]
            ).decode()  # some servers of this style send it at the start
            return [
                deltas.TextDelta(whole)
                if name == OBJECT_TOOL
                else deltas.ToolArgs(self._index, whole),
                deltas.BlockEnd(),
            ]
        if kind in ("text", "tool_use"):
            return [deltas.BlockEnd()]
        if kind in (None, "redacted_thinking"):
            return []
        given = json_or_none(arguments.encode("utf-8", "surrogatepass")) if arguments else None
        raw = block | ({"input": given} if given is not None else {})
        return [deltas.PartDelta(opaque(raw))]


READER = AnthropicStreamReader
