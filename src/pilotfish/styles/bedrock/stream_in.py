"""Reading the frames of ConverseStream into neutral deltas."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats import deltas
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.eventstream import FrameError, read
from pilotfish.core.formats.neutral import FinishReason, Image, Json, Opaque, Signature
from pilotfish.styles._errors import json_or_none, text_of
from pilotfish.styles._fields import ReplyFields
from pilotfish.styles._guardrail import CANNED_CHARS, GUARDRAIL
from pilotfish.styles._signatures import unseal_thinking
from pilotfish.styles.anthropic.structured import TOOLS, VALUE_TOOL, unwrapped
from pilotfish.styles.bedrock.blocks_in import (
    ORIGIN,
    SIGNER,
    is_server_call,
    is_server_result,
    read_citation,
    redacted_signature,
)
from pilotfish.styles.bedrock.errors import damage_error, message_error
from pilotfish.styles.bedrock.reply import finish_from, read_usage, stop_sequence_in


class _Block:
    """A content block that is open."""

    __slots__ = ("arguments", "index", "kind", "name", "proof", "redacted", "results", "start")

    def __init__(
        self, kind: str, *, index: int = -1, name: str = "", start: Json | None = None
    ) -> None:
        self.kind = kind  # text, tool, structured, thinking, image or server
        self.index = index  # of a tool call
        self.name = name  # of a tool, or the format of an image
        self.arguments: list[str] = []  # held back: of a server's tool, or of structured output
        self.start = start or {}  # how the block of a server's tool began
        self.results: list[Any] = []  # of a server's tool
        self.proof = ""
        self.redacted = ""


class BedrockStreamReader:
    """A `core.formats.style.StreamReader`."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._calls = self._chars = 0
        self._structured = False  # the tool that stands for structured output was called

    def feed(self, event: bytes) -> list[Delta]:
        try:
            message = read(event)
        except FrameError as damage:
            return [deltas.StreamError(damage_error(damage))]
        if message.headers.get(":message-type") != "event":
            return [deltas.StreamError(message_error(message))]
        kind = message.headers.get(":event-type")
        if kind == "ping":
            return [deltas.Ping()]
        try:
            return self._event(text_of(kind), ReplyFields.of(message.payload or b"{}"))
        except ValueError:  # no JSON, or fields of the wrong type
            return [deltas.Malformed(event)]

    def _event(self, kind: str, fields: ReplyFields) -> list[Delta]:
        if kind == "messageStart":
            return [deltas.MessageStart()]
        if kind == "contentBlockStart":
            return self._begin(fields.whole("contentBlockIndex") or 0, fields.object("start"))
        if kind == "contentBlockDelta":
            return self._delta(fields.whole("contentBlockIndex") or 0, fields.object("delta"))
        if kind == "contentBlockStop":
            return self._end(fields.whole("contentBlockIndex") or 0)
        if kind == "messageStop":
            word = fields.text("stopReason") or ""
            reason = finish_from(word)
            if reason is FinishReason.TOOL_CALLS and self._structured and not self._calls:
                reason = FinishReason.STOP  # the client knows nothing of that tool
            canned = word == GUARDRAIL and self._chars <= CANNED_CHARS
            return [deltas.Finish(reason, stop_sequence_in(fields), canned=canned)]
        if kind == "metadata":
            usage = read_usage(fields.take("usage"))
            return [deltas.UsageDelta(usage), deltas.End()] if usage else [deltas.End()]
        return []

    def _begin(self, place: int, start: ReplyFields | None) -> list[Delta]:
        if start is None:
            return []
        if is_server_call(start.peek("toolUse")) or is_server_result(start.peek("toolResult")):
            self._blocks[place] = _Block("server", start=start.rest())
            return []
        image = start.object("image")
        if image is not None:
            self._blocks[place] = _Block("image", name=image.text("format") or "png")
            return []
        call = start.object("toolUse")
        if call is None:
            return []
        name = call.text("name") or ""
        if name in TOOLS:
            self._structured = True
            self._blocks[place] = _Block("structured", name=name)
            return []
        index = self._calls
        self._calls += 1
        self._blocks[place] = _Block("tool", index=index)
        return [deltas.ToolStart(index=index, id=call.text("toolUseId") or "", name=name)]

    def _delta(self, place: int, delta: ReplyFields | None) -> list[Delta]:
        if delta is None:
            return []
        text = delta.text("text")
        if text is not None:
            self._blocks.setdefault(place, _Block("text"))
            self._chars += len(text)
            return [deltas.TextDelta(text)] if text else []
        results = delta.take("toolResult")
        if isinstance(results, list):
            self._blocks.setdefault(place, _Block("server")).results += results
            return []
        call = delta.object("toolUse")
        if call is not None:
            return self._arguments(self._blocks.get(place), call.text("input") or "")
        thought = delta.object("reasoningContent")
        if thought is not None:
            return self._thought(self._blocks.setdefault(place, _Block("thinking")), thought)
        citation = delta.take("citation")
        if isinstance(citation, dict):
            return [deltas.CitationDelta(read_citation(citation))]
        image = delta.object("image")
        source = image.object("source") if image else None
        data = source.text("bytes") if source else None
        if not data:
            return []
        block = self._blocks.setdefault(place, _Block("image", name="png"))
        return [deltas.PartDelta(Image(media_type=f"image/{block.name}", data=data))]

    def _arguments(self, block: _Block | None, text: str) -> list[Delta]:
        if block is None or not text:
            return []
        if block.kind == "server":
            block.arguments.append(text)
            return []
        if block.kind == "structured":
            if block.name == VALUE_TOOL:
                block.arguments.append(text)  # to be unwrapped: known when it is whole
                return []
            return [deltas.TextDelta(text)]
        return [deltas.ToolArgs(block.index, text)]

    def _thought(self, block: _Block, thought: ReplyFields) -> list[Delta]:
        block.proof += thought.text("signature") or ""
        block.redacted += thought.text("redactedContent") or ""
        text = thought.text("text")
        return [deltas.ThinkingDelta(text)] if text else []

    def _end(self, place: int) -> list[Delta]:
        block = self._blocks.pop(place, None)
        if block is None:
            return []
        if block.kind == "thinking":
            signature: Signature | None = None
            if block.redacted:
                signature = redacted_signature(block.redacted)
            else:
                signature = unseal_thinking(block.proof, SIGNER)
            return [
                deltas.ThinkingEnd(
                    signature, bool(block.redacted), signature.id if signature else ""
                )
            ]
        if block.kind == "server":
            return _server_block(block)
        if block.kind == "structured" and block.name == VALUE_TOOL:
            return [
                deltas.TextDelta(unwrapped(VALUE_TOOL, "".join(block.arguments))),
                deltas.BlockEnd(),
            ]
        return [deltas.BlockEnd()]


def _server_block(block: _Block) -> list[Delta]:
    """A call of a tool that runs at Bedrock, or its result, as a whole."""
    for kind, began in block.start.items():
        if isinstance(began, dict):
            whole = began | {"content": block.results}
            if kind == "toolUse":
                given = json_or_none("".join(block.arguments).encode("utf-8", "surrogatepass"))
                whole = began | {"input": given or {}}
            return [deltas.PartDelta(Opaque(ORIGIN, {kind: whole}))]
    return []


READER = BedrockStreamReader
