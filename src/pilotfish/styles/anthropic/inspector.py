"""What passes by in Anthropic Messages, looked at without being changed. The hot path: one call per
event.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.sse import data_of
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
from pilotfish.styles._guardrail import ACTION, GUARDRAIL, INTERVENED, declined_bits
from pilotfish.styles._inspector import BaseInspector, whole_answer
from pilotfish.styles._loose import BAD_JSON, decode_as
from pilotfish.styles.anthropic.errors import stream_error


class OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class CacheCreation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: int | None = None


class Iteration(msgspec.Struct, gc=False):
    """One model call of several behind an answer."""

    type: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None


# Iterations whose tokens the top of `usage` leaves out: a compaction of the context, and another
# model's advice. Source: Claude API reference, "Messages", `usage.iterations`, read 2026-11.
_COUNTED_APART = ("compaction", "advisor_message")


class AnthropicTokenCounts(msgspec.Struct, gc=False):
    """Anthropic's `usage`, whose `input_tokens` are only those that were neither read from a cache
    nor written to one.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    cache_creation: CacheCreation | None = None
    iterations: list[Iteration] | None = None
    service_tier: str | None = None
    speed: str | None = None  # `fast` is charged apart from the tier

    def updated(self, later: AnthropicTokenCounts) -> AnthropicTokenCounts:
        """With what a later event says; counts are cumulative, and what it leaves out stands."""
        return AnthropicTokenCounts(
            *(
                new if new is not None else old
                for old, new in zip(
                    msgspec.structs.astuple(self), msgspec.structs.astuple(later), strict=True
                )
            )
        )

    def usage(self) -> Usage:
        """In core terms: all input tokens in one sum, all that the answer took in another."""
        thought = self.output_tokens_details
        total = _usage_of(self)
        total.reasoning = thought.thinking_tokens or 0 if thought else 0
        total.tier = "fast" if self.speed == "fast" else (self.service_tier or "").lower()
        for iteration in self.iterations or ():
            if iteration.type in _COUNTED_APART:
                total = total.plus(_usage_of(iteration))
        return total


def _usage_of(counts: AnthropicTokenCounts | Iteration) -> Usage:
    written, read = counts.cache_creation_input_tokens or 0, counts.cache_read_input_tokens or 0
    split = counts.cache_creation
    return Usage(
        input=(counts.input_tokens or 0) + written + read,
        output=counts.output_tokens or 0,
        cached_input=read,
        cache_write=written,
        cache_write_1h=split.ephemeral_1h_input_tokens or 0 if split else 0,
    )


class _Body(msgspec.Struct, gc=False):
    """`message` of message_start, `delta` and `content_block` of any event: the fields of all of
    them.
    """

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    name: str | None = None
    input: Any = None
    stop_reason: str | None = None
    model: str | None = None
    usage: AnthropicTokenCounts | None = None


class _Event(msgspec.Struct, gc=False):
    """An event of a stream, or a whole message."""

    type: str | None = None
    delta: _Body | None = None
    content_block: _Body | None = None
    message: _Body | None = None
    usage: AnthropicTokenCounts | None = None
    content: list[_Body] | None = None
    stop_reason: str | None = None
    model: str | None = None
    error: Any = None
    input_tokens: int | None = None  # the answer of count_tokens
    guardrail: str | None = msgspec.field(default=None, name=ACTION)  # of a Claude on Bedrock


_decoder = msgspec.json.Decoder(_Event)
REFUSAL = "refusal"


class AnthropicInspector(BaseInspector):
    """A `core.formats.style.ResponseInspector` for Messages and count_tokens."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        super().__init__()
        self._counts = AnthropicTokenCounts()

    def event(self, event: bytes) -> int:
        data = data_of(event)
        if not data:
            return PING
        try:
            found = _decoder.decode(data)
        except BAD_JSON:
            try:
                found = decode_as(_decoder, data)  # in a shape we do not know, or no JSON
            except BAD_JSON:
                return MALFORMED
        kind = found.type
        if kind == "content_block_delta":
            return self._delta(found.delta)
        if kind == "content_block_start":
            return self._block(found.content_block)
        if kind == "ping":
            return PING
        if kind == "message_stop":
            return TERMINAL | self._guarded(found)
        if kind == "error" or found.error:
            return self._failed(data)
        if kind == "message_start" and found.message:
            self.model = found.message.model
            self._count(found.message.usage)
        elif kind == "message_delta":
            self._count(found.usage)
            if found.delta and found.delta.stop_reason:
                self.finish_reason = found.delta.stop_reason
                declined = DECLINED if self.finish_reason == REFUSAL else 0
                return FINISH | declined | self._guarded(found)
        return 0

    def _guarded(self, found: _Event) -> int:
        """The bits of an answer that a guardrail stepped into."""
        if found.guardrail != INTERVENED:
            return 0
        self.finish_reason = GUARDRAIL
        return declined_bits(GUARDRAIL, self.chars)

    def reply(self, body: bytes) -> int:
        found = whole_answer(_decoder, body)
        if found is None:
            return MALFORMED
        if found.type == "error" or found.error:
            return self._failed(body)
        self.model = found.model
        self.finish_reason = found.stop_reason
        for block in found.content or ():
            self._block(block)
        self._count(
            found.usage
            or (
                AnthropicTokenCounts(found.input_tokens) if found.input_tokens is not None else None
            )
        )
        thoughts = ("thinking", "redacted_thinking")
        said = any(b.text or b.type not in ("text", *thoughts) for b in found.content or ())
        declines = self.finish_reason == REFUSAL and not said
        if declines or self._guarded(found) & CANNED:
            return TERMINAL | DECLINED
        return TERMINAL | CONTENT

    def _delta(self, delta: _Body | None) -> int:
        """A signature or a citation is no content: nobody waits for it."""
        if delta is None:
            return 0
        if delta.text:
            self.said.append(delta.text)
            return CONTENT
        seen = delta.thinking or delta.partial_json
        if not seen:
            return 0
        self.other_chars += len(seen)
        return CONTENT

    def _block(self, block: _Body | None) -> int:
        """Blocks of text and thinking start empty and are no content until they are filled; any
        other block is some as it stands.
        """
        if block is None:
            return 0
        if block.text:
            self.said.append(block.text)
            return CONTENT
        self.other_chars += len(block.thinking or block.name or "")
        if block.input:
            self.other_chars += len(msgspec.json.encode(block.input))
        if block.type not in ("text", "thinking"):
            self.beyond_text = True
            return CONTENT
        return CONTENT if block.thinking else 0

    def _count(self, counts: AnthropicTokenCounts | None) -> None:
        if counts:
            self._counts = self._counts.updated(counts)
            self.usage = self._counts.usage()

    def _failed(self, data: bytes) -> int:
        self.error = stream_error(msgspec.json.decode(data))
        return ERROR
