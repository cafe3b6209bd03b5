"""What passes by in OpenAI Responses, looked at without being changed. The hot path: one call per
event.
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
)
from pilotfish.styles._inspector import BaseInspector, whole_answer
from pilotfish.styles._loose import BAD_JSON, decode_as
from pilotfish.styles.openai.inspector import FILTERED, OpenAITokenCounts
from pilotfish.styles.openai_responses.errors import response_error


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None

    def chars(self) -> int:
        count = len(self.name or "") + len(self.arguments or self.input or "")
        for part in (*(self.content or ()), *(self.summary or ())):
            count += len(part.text or part.refusal or "")
        return count

    def says_something(self) -> bool:
        """Whether it is more than reasoning or a refusal."""
        if self.type == "message":
            return any(part.text for part in self.content or ())
        return self.type != "reasoning"

    def refuses(self) -> bool:
        return any(part.refusal for part in self.content or ())


class _Reason(msgspec.Struct, gc=False):
    reason: str | None = None


class _Response(msgspec.Struct, gc=False):
    object: str | None = None
    model: str | None = None
    status: str | None = None
    usage: OpenAITokenCounts | None = None
    error: Any = None
    incomplete_details: _Reason | None = None
    output: list[_Item] | None = None
    service_tier: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    delta: Any = None
    item: _Item | None = None
    response: _Response | None = None
    error: Any = None


_events = msgspec.json.Decoder(_Event)
_responses = msgspec.json.Decoder(_Response)


class ResponsesInspector(BaseInspector):
    """A `core.formats.style.ResponseInspector`. `finish_reason` is the status, or why an answer is
    incomplete.
    """

    __slots__ = ()

    def event(self, event: bytes) -> int:
        data = data_of(event)
        if not data:
            return PING
        try:
            found = _events.decode(data)
        except BAD_JSON:
            if data.strip() == b"[DONE]":
                return PING  # some servers end as in Chat Completions, after `response.completed`
            try:
                found = decode_as(_events, data)
            except BAD_JSON:
                return MALFORMED
        kind = found.type or ""
        if kind.endswith(".delta"):
            if not isinstance(found.delta, str) or not found.delta:
                return 0
            if kind == "response.output_text.delta":
                self.said.append(found.delta)
                return CONTENT
            self.other_chars += len(found.delta)
            if not kind.startswith("response.reasoning"):
                self.beyond_text = True
            return DECLINED if kind == "response.refusal.delta" else CONTENT
        if kind == "error" or found.error:
            return self._failed(msgspec.json.decode(data))
        if kind == "response.output_item.added" and found.item:
            # Messages and reasoning are filled later; a tool call is something from its name on.
            self.other_chars += found.item.chars()
            if found.item.type in ("message", "reasoning"):
                return 0
            self.beyond_text = True
            return CONTENT
        return self._stage(kind, found.response) if found.response else 0

    def reply(self, body: bytes) -> int:
        found = whole_answer(_responses, body)
        if found is None:
            return MALFORMED
        if found.error:
            return self._failed(found.error)
        self.other_chars = sum(item.chars() for item in found.output or ())
        declined = self._finished(found)
        if any(item.says_something() for item in found.output or ()):
            declined = 0
        return TERMINAL | (declined or CONTENT)

    def _stage(self, kind: str, response: _Response) -> int:
        """`response.created`, `.in_progress`, and how it ended."""
        if kind == "response.failed":
            self._finished(response)
            return self._failed(response.error)
        if kind in ("response.completed", "response.incomplete"):
            return FINISH | TERMINAL | self._finished(response)
        self.model = response.model or self.model
        return 0

    def _finished(self, response: _Response) -> int:
        """DECLINED where a filter or the model has declined."""
        self.model = response.model or self.model
        self.finish_reason = (
            response.incomplete_details and response.incomplete_details.reason
        ) or response.status
        if response.usage:
            self.usage = response.usage.usage(response.service_tier)
        refuses = any(item.refuses() for item in response.output or ())
        return DECLINED if refuses or self.finish_reason == FILTERED else 0

    def _failed(self, error: Any) -> int:
        self.error = response_error(error)
        return ERROR
