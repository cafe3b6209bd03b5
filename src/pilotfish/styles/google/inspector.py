"""What passes by in generateContent and its sisters, looked at without being changed. The hot path:
one call per event.

Google has no last event. A stream is well ended when its body ends after a chunk with a finish
reason, or with a refusal of the prompt (`promptFeedback.blockReason`), so these are FINISH and
nothing in SSE is TERMINAL: usage may come in the same chunk or in one after it, and some models
repeat their finish reason in every chunk. Of a stream that is a JSON array the closing bracket is
TERMINAL. Every client expects usage, so none of it is ever USAGE_ONLY.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import json_array
from pilotfish.core.formats.sse import data_of
from pilotfish.core.formats.style import (
    CONTENT,
    DECLINED,
    ERROR,
    FINISH,
    MALFORMED,
    PING,
    TERMINAL,
)
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._inspector import BaseInspector, whole_answer
from pilotfish.styles._loose import BAD_JSON, decode_as
from pilotfish.styles.google.errors import google_error


class _Modality(msgspec.Struct, gc=False, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class GoogleTokenCounts(msgspec.Struct, gc=False, rename="camel"):
    """`usageMetadata`. `promptTokenCount` holds cached tokens; `candidatesTokenCount` leaves
    thoughts out, and is `responseTokenCount` in Live's answers; totals are sums.
    """

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    response_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    service_tier: str | None = None

    def usage(self) -> Usage:
        """In core terms. Tokens of tools that ran at Google are input, too."""
        given = (self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0)
        thoughts = self.thoughts_token_count or 0
        written = self.candidates_token_count
        if written is None:
            written = self.response_token_count
        if written is None and self.total_token_count is not None:
            output = max(0, self.total_token_count - given)
        else:
            output = (written or 0) + thoughts
        return Usage(
            input=given,
            output=output,
            cached_input=self.cached_content_token_count or 0,
            reasoning=thoughts,
            audio_input=_of("AUDIO", self.prompt_tokens_details),
            audio_output=_of("AUDIO", self.candidates_tokens_details),
            image_input=_of("IMAGE", self.prompt_tokens_details),
            image_output=_of("IMAGE", self.candidates_tokens_details),
            tier=self.service_tier.lower() if self.service_tier else "",
        )


def _of(modality: str, details: list[_Modality] | None) -> int:
    """The tokens of one modality."""
    return sum(d.token_count or 0 for d in details or () if d.modality == modality)


class _Call(msgspec.Struct, gc=False):
    name: str | None = None
    args: Any = None


class _Part(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: Any = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None

    def holds_data(self) -> bool:
        return bool(
            self.inline_data or self.file_data or self.executable_code or self.code_execution_result
        )


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None

    def says_something(self) -> bool:
        """Whether it holds more than thoughts."""
        parts = self.content.parts if self.content else None
        return any(
            not part.thought and (part.text or part.function_call or part.holds_data())
            for part in parts or ()
        )


class _Feedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False, rename="camel"):
    """A chunk of a stream or a whole answer; also of countTokens, whose count is `totalTokens`."""

    candidates: list[_Candidate] | None = None
    usage_metadata: GoogleTokenCounts | None = None
    model_version: str | None = None
    prompt_feedback: _Feedback | None = None
    error: Any = None
    total_tokens: int | None = None


_decoder = msgspec.json.Decoder(_Chunk)
# Finish reasons, and reasons to block a prompt, that say that a filter stepped in. Source:
# ai.google.dev/api/generate-content#FinishReason, read 2026-11.
FILTERED = frozenset(
    {
        "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
        "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER",
        "MODEL_ARMOR", "JAILBREAK", "PUP_LIMITED_DISABLED",
    }
)  # fmt: skip


def payload_of(event: bytes) -> bytes:
    """The JSON of an event, which is one of SSE or an element of an array; empty if it holds
    none.
    """
    data = data_of(event)
    return data if data or event.startswith((b"data", b":")) else json_array.value_of(event)


class GoogleInspector(BaseInspector):
    """A `core.formats.style.ResponseInspector` for generateContent, countTokens and the
    embeddings.
    """

    __slots__ = ()

    def event(self, event: bytes) -> int:
        data = data_of(event)
        try:
            chunk = _decoder.decode(data)
        except BAD_JSON:
            data = payload_of(event)
            if not data:
                return TERMINAL if event.strip() == b"]" else PING
            try:
                chunk = decode_as(_decoder, data)
            except BAD_JSON:
                return MALFORMED
            if data.startswith(b"[") and b'"error"' in data:
                return self._failed(data)  # Google's error where it was to stream an array
        if chunk.error:
            return self._failed(data)
        return self._seen(chunk)

    def reply(self, body: bytes) -> int:
        chunk = whole_answer(_decoder, body)
        if chunk is None:
            return MALFORMED
        if chunk.error or (body.lstrip()[:1] == b"[" and b'"error"' in body):
            return self._failed(body)
        bits = self._seen(chunk)
        if chunk.total_tokens is not None and self.usage is None:
            self.usage = Usage(input=chunk.total_tokens)
        if bits & DECLINED and not any(c.says_something() for c in chunk.candidates or ()):
            return DECLINED | TERMINAL
        return CONTENT | TERMINAL

    def _seen(self, chunk: _Chunk) -> int:
        bits = 0
        for candidate in chunk.candidates or ():
            if candidate.content and candidate.content.parts:
                for part in candidate.content.parts:
                    bits |= self._part(part)
            if candidate.finish_reason:
                bits |= FINISH
                self.finish_reason = candidate.finish_reason
                if candidate.finish_reason in FILTERED:
                    bits |= DECLINED
        if self.model is None:
            self.model = chunk.model_version
        feedback = chunk.prompt_feedback
        if feedback and feedback.block_reason:
            self.finish_reason = feedback.block_reason
            bits |= FINISH | DECLINED
        counts = chunk.usage_metadata
        if counts:
            self.usage = counts.usage()
        return bits

    def _part(self, part: _Part) -> int:
        if part.text:
            if part.thought:
                self.other_chars += len(part.text)
            else:
                self.said.append(part.text)
            if part.thought_signature:
                self.beyond_text = True
            return CONTENT
        call = part.function_call
        if call:
            self.other_chars += len(call.name or "") + (
                len(msgspec.json.encode(call.args)) if call.args else 0
            )
        elif not part.holds_data():
            return 0
        self.beyond_text = True
        return CONTENT

    def _failed(self, data: bytes) -> int:
        self.error = google_error(msgspec.json.decode(data))
        return ERROR
