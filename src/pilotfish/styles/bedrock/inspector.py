"""What passes by in Converse, looked at without being changed. The hot path: one call per frame.

The last frame of a stream is `metadata`, with the usage; `messageStop`, with the stop reason,
stands before it. Every client expects the usage, so it is not USAGE_ONLY.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.eventstream import FrameError, read
from pilotfish.core.formats.style import (
    CANNED,
    CONTENT,
    DECLINED,
    ERROR,
    FINISH,
    MALFORMED,
    PING,
    TERMINAL,
)
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._errors import text_of
from pilotfish.styles._guardrail import declined_bits
from pilotfish.styles._inspector import BaseInspector, whole_answer
from pilotfish.styles._loose import BAD_JSON, decode_as
from pilotfish.styles.bedrock.errors import damage_error, message_error, read_error


class _CacheDetail(msgspec.Struct, gc=False, rename="camel"):
    ttl: str | None = None
    input_tokens: int | None = None


class _Tier(msgspec.Struct, gc=False):
    type: str | None = None


class BedrockTokenCounts(msgspec.Struct, gc=False, rename="camel"):
    """Bedrock's `usage`, whose `inputTokens` are only those that were neither read from a cache nor
    written to one.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[_CacheDetail] | None = None

    def usage(self, tier: _Tier | None = None) -> Usage:
        """In core terms: all input tokens in one sum. Bedrock does not count reasoning apart.
        `tier`: the answer's `serviceTier`.
        """
        read_tokens, written = self.cache_read_input_tokens or 0, self.cache_write_input_tokens or 0
        return Usage(
            input=(self.input_tokens or 0) + read_tokens + written,
            output=self.output_tokens or 0,
            cached_input=read_tokens,
            cache_write=written,
            cache_write_1h=sum(
                detail.input_tokens or 0
                for detail in self.cache_details or ()
                if detail.ttl == "1h"
            ),
            tier=(tier.type or "").lower() if tier is not None else "",
        )


class _ToolUse(msgspec.Struct, gc=False):
    name: str | None = None
    input: Any = None  # text in a stream, an object in a whole answer


class _Reasoning(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    reasoning_text: Any = None


class _Block(msgspec.Struct, gc=False, rename="camel"):
    """A content block, its start, or a delta of one."""

    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: Any = None
    image: Any = None


class _Frame(msgspec.Struct, gc=False, rename="camel"):
    """The payloads of all events."""

    delta: _Block | None = None
    start: _Block | None = None
    stop_reason: str | None = None
    usage: BedrockTokenCounts | None = None
    service_tier: _Tier | None = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block] | None = None


class _Output(msgspec.Struct, gc=False):
    message: _Message | None = None


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    """A whole answer; also of CountTokens, whose count is `inputTokens`."""

    output: _Output | None = None
    stop_reason: str | None = None
    usage: BedrockTokenCounts | None = None
    input_tokens: int | None = None
    service_tier: _Tier | None = None


_frames = msgspec.json.Decoder(_Frame)
_answers = msgspec.json.Decoder(_Answer)


class BedrockInspector(BaseInspector):
    """A `core.formats.style.ResponseInspector` for Converse and ConverseStream, which do not
    name the model."""

    __slots__ = ()

    def event(self, event: bytes) -> int:
        try:
            message = read(event)
        except FrameError as damage:
            self.error = damage_error(damage)
            return ERROR
        if message.headers.get(":message-type") != "event":
            self.error = message_error(message)
            return ERROR
        try:
            found = decode_as(_frames, message.payload or b"{}")
        except BAD_JSON:
            return MALFORMED
        kind = message.headers.get(":event-type")
        if kind == "contentBlockDelta":
            return self._block(found.delta)
        if kind == "contentBlockStart":
            return self._block(found.start)
        if kind == "messageStop":
            self.finish_reason = found.stop_reason
            return FINISH | declined_bits(found.stop_reason, self.chars)
        if kind == "metadata":
            if found.usage:
                self.usage = found.usage.usage(found.service_tier)
            return TERMINAL
        return PING if kind == "ping" else 0

    def reply(self, body: bytes) -> int:
        found = whole_answer(_answers, body)
        if found is None or body.lstrip()[:1] == b"[":
            return MALFORMED
        self.finish_reason = found.stop_reason
        if (
            found.output is None
            and found.stop_reason is None
            and (b'"message"' in body or b'"__type"' in body)
        ):
            self.error = read_error(500, body)
            return ERROR
        said = 0
        if found.output and found.output.message:
            for block in found.output.message.content or ():
                bits = self._block(block)
                said |= 0 if block.reasoning_content else bits
        if found.usage:
            self.usage = found.usage.usage(found.service_tier)
        elif found.input_tokens is not None:
            self.usage = Usage(input=found.input_tokens)
        declined = declined_bits(found.stop_reason, self.chars)
        return TERMINAL | (DECLINED if declined & CANNED or (declined and not said) else CONTENT)

    def _block(self, block: _Block | None) -> int:
        """A signature is no content: nobody waits for it."""
        if block is None:
            return 0
        if block.text:
            self.said.append(block.text)
            return CONTENT
        call = block.tool_use
        if call:
            self.other_chars += len(call.name or "") + _length(call.input)
            self.beyond_text = True
            return CONTENT if call.name or call.input else 0
        thought = block.reasoning_content
        if thought:
            inner = thought.reasoning_text
            text = thought.text or (text_of(inner.get("text")) if isinstance(inner, dict) else "")
            self.other_chars += len(text)
            return CONTENT if text else 0
        if block.image:
            self.beyond_text = True
        return CONTENT if block.citations_content or block.image else 0


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(msgspec.json.encode(value)) if value else 0
