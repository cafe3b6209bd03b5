"""Reading a Chat Completions stream into neutral deltas."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.neutral import Audio, Signature, Thinking
from pilotfish.core.formats.sse import data_of
from pilotfish.styles._errors import json_or_none
from pilotfish.styles._fields import Losses, ReplyFields
from pilotfish.styles._loose import BAD_JSON, decode_as
from pilotfish.styles.openai.errors import stream_error
from pilotfish.styles.openai.inspector import OpenAITokenCounts, XGroq
from pilotfish.styles.openai.parts import (
    ExtraContent,
    GoogleExtra,
    images_in,
    read_content,
    read_thinking,
)
from pilotfish.styles.openai.reply import finish_from, read_annotation, read_logprobs


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None
    input: str | None = None


class _Call(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Function | None = None
    extra_content: ExtraContent | None = None


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Any = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    annotations: list[Any] | None = None
    images: Any = None
    audio: Any = None
    extra_content: ExtraContent | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Chunk(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    object: str | None = None
    choices: list[_Choice] | None = None
    usage: OpenAITokenCounts | None = None
    error: Any = None
    x_groq: XGroq | None = None


_decoder = msgspec.json.Decoder(_Chunk)


class OpenAIStreamReader:
    """See `core.formats.style.StreamReader`. Follows the first choice only."""

    __slots__ = ("_arguments", "_calls", "_current", "_highest", "_refused", "_started", "_thinks")

    def __init__(self) -> None:
        self._started = False
        self._refused = False
        self._thinks = False  # a run of thinking has begun that no signature ended
        self._current: dict[int, int] = {}  # the upstream's index of a tool call -> ours
        self._highest = 0  # of those indexes
        self._calls: list[str] = []  # ids of the calls so far
        self._arguments: list[str] = []  # of the last call

    def feed(self, event: bytes) -> list[Delta]:
        data = data_of(event)
        if not data:
            return [deltas.Ping()]
        try:
            chunk = decode_as(_decoder, data)
        except BAD_JSON:
            if data.strip() == b"[DONE]":
                return [deltas.End()]
            return [deltas.Malformed(event)]
        if chunk.error or chunk.object == "error":
            failed: list[Delta] = [deltas.StreamError(stream_error(msgspec.json.decode(data)))]
            if chunk.usage:
                failed.append(deltas.UsageDelta(chunk.usage.usage()))
            return failed
        out: list[Delta] = []
        if not self._started:
            self._started = True
            out.append(deltas.MessageStart(chunk.id or "", chunk.model or ""))
        for choice in chunk.choices or ():
            if not choice.index:
                self._choice(choice, out)
        counts = chunk.usage or (chunk.x_groq and chunk.x_groq.usage)
        if counts:
            out.append(deltas.UsageDelta(counts.usage()))
        return out

    def _choice(self, choice: _Choice, out: list[Delta]) -> None:
        delta = choice.delta
        if delta:
            self._thinking(delta, out)
            google = delta.extra_content and delta.extra_content.google
            if google:
                self._gemini(delta.content, google, out)
            elif delta.content:
                self._content(delta.content, out)
            if delta.refusal:
                self._refused = True
                out.append(deltas.RefusalDelta(delta.refusal))
            for call in delta.tool_calls or ():
                self._call(call, out)
            legacy = delta.function_call
            if legacy and (legacy.name or legacy.arguments):
                self._call(_Call(index=0, function=legacy), out)
            self._rare(delta, out)
        elif choice.text:
            out.append(deltas.TextDelta(choice.text))
        if choice.logprobs:
            tokens = read_logprobs(choice.logprobs)
            if tokens:
                out.append(deltas.LogprobsDelta(tokens))
        if choice.finish_reason:
            called, word = bool(self._calls), choice.finish_reason
            out.append(deltas.Finish(finish_from(word, called=called, refused=self._refused)))

    def _gemini(self, content: Any, extra: GoogleExtra, out: list[Delta]) -> None:
        """Gemini's thoughts in this style stand between tags; a signature may come alone."""
        text = content if isinstance(content, str) else ""
        if extra.thought:
            text = text.removeprefix("<thought>").removesuffix("</thought>")
            self._thought(text, False, out)
            text = ""
        if extra.thought_signature:
            out.append(deltas.TextDelta(text, Signature("google", extra.thought_signature)))
        elif text:
            out.append(deltas.TextDelta(text.removeprefix("</thought>")))

    def _thought(self, text: str, summary: bool, out: list[Delta]) -> None:
        if text:
            self._thinks = True
            out.append(deltas.ThinkingDelta(text, summary))

    def _content(self, content: Any, out: list[Delta]) -> None:
        if isinstance(content, str):
            out.append(deltas.TextDelta(content))
            return
        try:
            parts = read_content(ReplyFields({"content": content}), Losses())
        except ValueError:
            return  # neither text nor parts: nothing that could be shown
        for part in parts:
            text = getattr(part, "text", "")
            if isinstance(part, Thinking):
                self._thought(text, False, out)
            elif text:
                out.append(deltas.TextDelta(text))

    def _thinking(self, delta: _Delta, out: list[Delta]) -> None:
        text = delta.reasoning_content or delta.reasoning
        if text:
            self._thought(text, False, out)
        if not delta.reasoning_details:
            return
        try:
            details = read_thinking(ReplyFields({"reasoning_details": delta.reasoning_details}))
        except ValueError:
            return  # not the form that OpenRouter gave them
        for detail in details:
            if not text:
                self._thought(detail.text, detail.summary, out)
            if detail.signature:
                # Gemini signs the part that follows, or the call with this id, not the thinking.
                if self._thinks and detail.signature.origin == "google" and not detail.text:
                    out.append(deltas.ThinkingEnd())
                self._thinks = False
                out.append(deltas.ThinkingEnd(detail.signature, detail.redacted, detail.id))

    def _call(self, call: _Call, out: list[Delta]) -> None:
        """A new call has an index not seen before. Some servers number all 0: then it has another
        id than the one before, or, where they give no ids, comes with a name when the one before is
        whole.
        """
        function = call.function or call.custom or _Function()
        place = call.index if call.index is not None else self._highest
        ours = self._current.get(place)
        if ours is None or (function.name and self._is_another(call, ours)):
            ours = self._current[place] = len(self._calls)
            self._highest = max(self._highest, place)
            self._calls.append(call.id or "")
            self._arguments.clear()
            proof = (
                call.extra_content
                and call.extra_content.google
                and call.extra_content.google.thought_signature
            )
            out.append(
                deltas.ToolStart(
                    index=ours,
                    id=self._calls[ours],
                    name=function.name or "",
                    kind="custom" if call.custom else "function",
                    signature=Signature("google", proof) if proof else None,
                )
            )
        arguments = function.arguments or function.input
        if arguments:
            text = (
                arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
            )
            self._arguments.append(text)
            out.append(deltas.ToolArgs(ours, text))

    def _is_another(self, call: _Call, ours: int) -> bool:
        if call.id:
            return self._calls[ours] != call.id
        whole = json_or_none("".join(self._arguments).encode("utf-8", "surrogatepass"))
        return ours == len(self._calls) - 1 and isinstance(whole, dict)

    def _rare(self, delta: _Delta, out: list[Delta]) -> None:
        if delta.annotations:
            found = (read_annotation(value) for value in delta.annotations)
            out.extend(deltas.CitationDelta(citation) for citation in found if citation is not None)
        if delta.images:
            out.extend(deltas.PartDelta(image) for image in images_in(delta.images))
        if isinstance(delta.audio, dict):
            fields = {name: value for name, value in delta.audio.items() if isinstance(value, str)}
            audio = Audio(
                id=fields.get("id", ""),
                data=fields.get("data", ""),
                transcript=fields.get("transcript", ""),
                origin="openai",
            )
            out.append(deltas.PartDelta(audio))


READER = OpenAIStreamReader
