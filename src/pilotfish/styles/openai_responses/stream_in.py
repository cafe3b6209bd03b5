"""Reading a Responses stream into neutral deltas."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.neutral import Opaque
from pilotfish.core.formats.sse import data_of
from pilotfish.styles._errors import json_or_none
from pilotfish.styles._fields import ReplyFields
from pilotfish.styles._loose import BAD_JSON, decode_as, loosely
from pilotfish.styles.openai.inspector import OpenAITokenCounts
from pilotfish.styles.openai.reply import read_annotation, read_logprobs
from pilotfish.styles.openai_responses.errors import response_error
from pilotfish.styles.openai_responses.items_in import read_image, read_reasoning
from pilotfish.styles.openai_responses.reply import finish_from


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    delta: Any = None
    output_index: int | None = None
    summary_index: int | None = None
    logprobs: Any = None
    item: Any = None
    annotation: Any = None
    response: Any = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Event)
_ARGUMENTS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")


class ResponsesStreamReader:
    """See `core.formats.style.StreamReader`."""

    __slots__ = ("_calls", "_filled", "_reasoning", "_refused", "_started")

    def __init__(self) -> None:
        self._started = False
        self._reasoning = ""  # the id of the item of reasoning that came last
        self._refused = False
        self._calls: dict[int, int] = {}  # output_index of a call -> its number among the calls
        self._filled: set[int] = set()  # calls whose arguments came in pieces

    def feed(self, event: bytes) -> list[Delta]:
        data = data_of(event)
        if not data:
            return [deltas.Ping()]
        try:
            found = decode_as(_decoder, data)
        except BAD_JSON:
            if data.strip() == b"[DONE]":
                return []
            return [deltas.Malformed(event)]
        kind = found.type or ""
        if kind.endswith(".delta"):
            return self._delta(kind, found) if isinstance(found.delta, str) and found.delta else []
        if kind == "error" or found.error:
            return [deltas.StreamError(response_error(json_or_none(data)))]
        if kind == "response.output_item.added" and isinstance(found.item, dict):
            return self._item_added(found.output_index or 0, found.item)
        if kind == "response.output_item.done" and isinstance(found.item, dict):
            return self._item_done(found.output_index or 0, found.item)
        if kind == "response.reasoning_summary_part.added":
            return (
                [deltas.ThinkingDelta("\n\n", True, self._reasoning)] if found.summary_index else []
            )
        if kind == "response.output_text.annotation.added":
            citation = read_annotation(found.annotation)
            return [deltas.CitationDelta(citation)] if citation else []
        return self._stage(kind, found.response) if isinstance(found.response, dict) else []

    def _delta(self, kind: str, found: _Event) -> list[Delta]:
        text: str = found.delta
        if kind == "response.output_text.delta":
            tokens = read_logprobs(found.logprobs) if found.logprobs else ()
            return (
                [deltas.TextDelta(text), deltas.LogprobsDelta(tokens)]
                if tokens
                else [deltas.TextDelta(text)]
            )
        if kind == "response.reasoning_summary_text.delta":
            return [deltas.ThinkingDelta(text, True, self._reasoning)]
        if kind == "response.reasoning_text.delta":
            return [deltas.ThinkingDelta(text, False, self._reasoning)]
        if kind == "response.refusal.delta":
            self._refused = True
            return [deltas.RefusalDelta(text)]
        if kind in _ARGUMENTS:
            call = self._calls.get(found.output_index or 0)
            if call is not None:
                self._filled.add(call)
                return [deltas.ToolArgs(call, text)]
        return []  # of a tool that runs at OpenAI: its item comes whole when it is done

    def _item_added(self, place: int, item: dict[str, Any]) -> list[Delta]:
        kind = item.get("type")
        if kind == "reasoning":
            self._reasoning = str(item.get("id") or "")
        if kind not in ("function_call", "custom_tool_call"):
            return []
        call = self._calls[place] = len(self._calls)
        identity, name = (
            str(item.get("call_id") or item.get("id") or f"call_{call}"),
            str(item.get("name") or ""),
        )
        return [
            deltas.ToolStart(
                index=call,
                id=identity,
                name=name,
                kind="custom" if kind == "custom_tool_call" else "function",
            )
        ]

    def _item_done(self, place: int, item: dict[str, Any]) -> list[Delta]:
        """What was not written piece by piece: whole arguments, the proof of reasoning, items of
        OpenAI's own tools.
        """
        kind = item.get("type")
        if kind in ("function_call", "custom_tool_call"):
            started = self._item_added(place, item) if place not in self._calls else []
            call = self._calls[place]
            arguments = item.get("arguments") or item.get("input")
            whole = (
                [deltas.ToolArgs(call, arguments)]
                if call not in self._filled and isinstance(arguments, str) and arguments
                else []
            )
            return [*started, *whole, deltas.BlockEnd()]
        if kind == "reasoning":
            try:
                thinking = read_reasoning(ReplyFields(item))
            except ValueError:
                return [deltas.ThinkingEnd()]
            return [deltas.ThinkingEnd(thinking.signature, thinking.redacted, thinking.id)]
        if kind == "message":
            return [deltas.BlockEnd()]
        if kind == "image_generation_call" and isinstance(item.get("result"), str):
            return [deltas.PartDelta(read_image(item))]
        return [deltas.PartDelta(Opaque("openai_responses", item))]

    def _stage(self, kind: str, response: dict[str, Any]) -> list[Delta]:
        """The response as a whole: that it began, and how it ended."""
        out: list[Delta] = []
        if not self._started:
            self._started = True
            identity, model = response.get("id") or "", response.get("model") or ""
            out.append(deltas.MessageStart(str(identity), str(model)))
        if kind == "response.failed":
            return [*out, deltas.StreamError(response_error(response.get("error")))]
        if kind not in ("response.completed", "response.incomplete"):
            return out
        incomplete = response.get("incomplete_details")
        reason = finish_from(incomplete, called=bool(self._calls), refused=self._refused)
        out.append(deltas.Finish(reason))
        counts = response.get("usage")
        if isinstance(counts, dict):
            out.append(deltas.UsageDelta(loosely(counts, OpenAITokenCounts).usage()))
        return [*out, deltas.End()]


READER = ResponsesStreamReader
