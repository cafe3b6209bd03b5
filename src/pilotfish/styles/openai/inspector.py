"""What passes by in Chat Completions, Completions, Embeddings and the like, looked at without being
changed.

The hot path: one call per event. Structs hold only what is needed, so the decoder skips the rest;
they cannot form cycles, so the garbage collector need not know them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.sse import data_of
from pilotfish.core.formats.style import (
    CONTENT,
    DECLINED,
    ERROR,
    FINISH,
    MALFORMED,
    PING,
    TERMINAL,
    USAGE_ONLY,
)
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._inspector import BaseInspector, whole_answer
from pilotfish.styles._loose import BAD_JSON, decode_as
from pilotfish.styles.openai.errors import stream_error


class CachedDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class ReasoningDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class OpenAITokenCounts(msgspec.Struct, gc=False):
    """`usage` of every OpenAI endpoint. The `input_` and `output_` names are those of images, audio
    and Responses; `prompt_cache_hit_tokens` is DeepSeek's, `cached_tokens` Moonshot's,
    `num_cached_tokens` Mistral's.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: CachedDetails | None = None
    completion_tokens_details: ReasoningDetails | None = None
    input_tokens_details: CachedDetails | None = None
    output_tokens_details: ReasoningDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    num_cached_tokens: int | None = None

    def usage(self, tier: str | None = None) -> Usage:
        """In core terms; OpenAI's input counts already hold cached tokens, its output counts
        reasoning. `tier`: the answer's `service_tier`.
        """
        given = self.prompt_tokens if self.prompt_tokens is not None else self.input_tokens
        output = self.completion_tokens or self.output_tokens or 0
        cached = self.prompt_tokens_details or self.input_tokens_details or CachedDetails()
        thought = self.completion_tokens_details or self.output_tokens_details
        reasoning = (thought.reasoning_tokens if thought else None) or 0
        if given is not None:
            apart = self._thought_apart(given, output, reasoning)
            output, reasoning = output + apart, reasoning or apart
        return Usage(
            input=given if given is not None else max(0, (self.total_tokens or 0) - output),
            output=output,
            cached_input=cached.cached_tokens
            or self.prompt_cache_hit_tokens
            or self.cached_tokens
            or self.num_cached_tokens
            or 0,
            cache_write=cached.cache_write_tokens or cached.cache_creation_tokens or 0,
            reasoning=reasoning,
            audio_input=cached.audio_tokens or 0,
            audio_output=(thought.audio_tokens if thought else None) or 0,
            image_input=cached.image_tokens or 0,
            image_output=(thought.image_tokens if thought else None) or 0,
            tier=tier.lower() if tier else "",
        )

    def _thought_apart(self, given: int, output: int, reasoning: int) -> int:
        """Tokens of reasoning that the output leaves out: xAI counts them beside it, and so does
        Gemini in this style, which tells of them only by the total. Prompt 12, completion 1,
        reasoning 290, total 303: the output is 291.
        """
        missing = (self.total_tokens or 0) - given - output
        if missing <= 0:
            return 0
        if reasoning:
            return reasoning if missing >= reasoning else 0
        details = self.completion_tokens_details or self.output_tokens_details
        return missing if details is None else 0


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None  # of a custom tool


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None
    custom: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    """A delta or a whole message. `content` may be a list (Mistral)."""

    content: Any = None
    reasoning_content: str | None = None  # DeepSeek, vLLM, xAI
    reasoning: str | None = None  # OpenRouter, Groq, newer vLLM  # fmt: skip
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: Any = None
    images: Any = None
    extra_content: Any = None  # Gemini's marks of thoughts and signatures

    def chars(self) -> int:
        """Characters of everything that a client would see."""
        count = 0
        if self.content:
            count += len(self.content) if isinstance(self.content, str) else _chars_in(self.content)
        thought = self.reasoning_content or self.reasoning
        if thought:
            count += len(thought)
        if self.refusal:
            count += len(self.refusal)
        if self.tool_calls:
            count += sum(_call_chars(call.function or call.custom) for call in self.tool_calls)
        if self.function_call:
            count += _call_chars(self.function_call)
        return count

    def has_content(self) -> bool:
        return bool(self.reasoning_content or self.reasoning) or self.says_something()

    def says_something(self) -> bool:
        """Whether it holds more than reasoning and a refusal."""
        return bool(
            self.content
            or self.tool_calls
            or (self.function_call and _call_chars(self.function_call))
            or self.images
            or (
                self.audio
                and isinstance(self.audio, dict)
                and (self.audio.get("data") or self.audio.get("transcript"))
            )
        )


def _call_chars(function: _Function | None) -> int:
    return (
        len(function.name or "") + len(function.arguments or function.input or "")
        if function
        else 0
    )


def _chars_in(content: Any) -> int:
    """Text in content that is a list of parts, nested as it may be."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, list):
        return sum(map(_chars_in, content))
    if isinstance(content, dict):
        return sum(_chars_in(content[key]) for key in ("text", "thinking") if key in content)
    return 0


class _Choice(msgspec.Struct, gc=False):
    delta: _Message | None = None
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class XGroq(msgspec.Struct, gc=False):
    usage: OpenAITokenCounts | None = None


class _Chunk(msgspec.Struct, gc=False):
    """A chunk of a stream or a whole answer."""

    choices: list[_Choice] | None = None
    usage: OpenAITokenCounts | None = None
    model: str | None = None
    error: Any = None
    object: str | None = None
    x_groq: XGroq | None = None
    service_tier: str | None = None


_decoder = msgspec.json.Decoder(_Chunk)
FILTERED = "content_filter"  # Gemini adds its own word: `content_filter: PROHIBITED_CONTENT`


class OpenAIInspector(BaseInspector):
    """A `core.formats.style.ResponseInspector` for every OpenAI endpoint but Responses."""

    __slots__ = ()

    def event(self, event: bytes) -> int:
        data = data_of(event)
        try:
            chunk = _decoder.decode(data)
        except BAD_JSON:
            found = self._odd(data)
            if isinstance(found, int):
                return found
            chunk = found
        if chunk.error or chunk.object == "error":
            self._seen(chunk)
            return self._failed(data)
        if self.model is None:
            self.model = chunk.model
        return self._seen(chunk)

    def reply(self, body: bytes) -> int:
        chunk = whole_answer(_decoder, body)
        if chunk is None:
            return MALFORMED
        if chunk.error or chunk.object == "error":
            return self._failed(body)
        self.model = chunk.model
        return TERMINAL | (
            DECLINED if self._seen(chunk) & (CONTENT | DECLINED) == DECLINED else CONTENT
        )

    def _seen(self, chunk: _Chunk) -> int:
        bits = 0
        for choice in chunk.choices or ():
            message = choice.delta or choice.message
            if (
                message
                and message.content.__class__ is str
                and message.content
                and not message.tool_calls
                and not message.extra_content
            ):  # most chunks: text
                bits |= CONTENT
                self.said.append(message.content)
            elif message and (message.has_content() if choice.delta else message.says_something()):
                bits |= CONTENT
                self.other_chars += message.chars()
                # Text in parts (Mistral's chunks of thinking) is not told apart here.
                self.beyond_text = self.beyond_text or message.says_something()
            elif message and message.refusal:
                bits |= DECLINED
                self.other_chars += message.chars()
                self.beyond_text = True
            elif choice.text:
                bits |= CONTENT
                self.other_chars += len(choice.text)
            if choice.finish_reason:
                bits |= FINISH
                self.finish_reason = choice.finish_reason
                if choice.finish_reason.startswith(FILTERED):
                    bits |= DECLINED
        counts = chunk.usage or (chunk.x_groq and chunk.x_groq.usage)
        if counts:
            self.usage = counts.usage(chunk.service_tier)
            if not chunk.choices:
                bits |= USAGE_ONLY
        return bits

    def _odd(self, data: bytes) -> int | _Chunk:
        """What an event is that is no chunk as documented: the end, a comment, a chunk in a new
        shape, or no JSON at all.
        """
        if data.strip() == b"[DONE]":
            return TERMINAL
        if not data:
            return PING
        try:
            return decode_as(_decoder, data)
        except BAD_JSON:
            return MALFORMED

    def _failed(self, data: bytes) -> int:
        self.error = stream_error(msgspec.json.decode(data))
        return ERROR
