"""What a complete answer is worth in a race for quality: what can be told of it without reading it
as a person would.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.exchange.schema_fit import fits
from pilotfish.core.formats.bounds import has_too_many_values
from pilotfish.core.formats.deltas import Finish, RefusalDelta, TextDelta, ToolArgs, ToolStart
from pilotfish.core.formats.json_array import JsonArrayDecoder
from pilotfish.core.formats.neutral import (
    FinishReason,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    ToolCall,
)
from pilotfish.core.formats.style import Style

# Each sign outweighs all that follow it. An answer that is not complete is worth 0.
NOT_REFUSED, FINISHED, CALLS_PARSE, FITS, COMPLETE = 16.0, 8.0, 4.0, 2.0, 1.0
_REFUSES = (FinishReason.REFUSAL, FinishReason.CONTENT_FILTER)
_UNFINISHED = (
    FinishReason.LENGTH,
    FinishReason.CONTEXT,
    FinishReason.MALFORMED,
    FinishReason.MALFORMED_CALL,
)


def quality_of(reply: Reply, wanted: ResponseFormat | None) -> float:
    """The worth of an answer to a request that asked for the format `wanted`."""
    text = "".join(part.text for part in reply.parts if isinstance(part, Text))
    calls = [part for part in reply.parts if isinstance(part, ToolCall)]
    refuses = reply.finish in _REFUSES or any(isinstance(part, Refusal) for part in reply.parts)
    worth = COMPLETE
    worth += NOT_REFUSED * (not refuses)
    worth += FINISHED * (reply.finish not in _UNFINISHED)
    worth += CALLS_PARSE * all(call.kind == "custom" or _parses(call.arguments) for call in calls)
    # A tool call stands in for the answer that was to have the format.
    worth += FITS * (wanted is None or (bool(calls) and not text) or _has_format(text, wanted))
    return worth


def _parses(arguments: str) -> bool:
    found, value = _decoded(arguments or "{}")
    return found and isinstance(value, dict)


def _has_format(text: str, wanted: ResponseFormat) -> bool:
    found, value = _decoded(text)
    if not found:
        return False
    if wanted.schema is None:
        return isinstance(value, dict)
    return fits(value, wanted.schema)


def _decoded(text: str) -> tuple[bool, Any]:
    """Whether it is JSON, and what it says."""
    try:
        data = text.encode()
        if has_too_many_values(data):
            return True, {}  # reading it would take long
        return True, msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False, None


def reply_in(style: Style, stream: bytes, *, array: bool = False) -> Reply:
    """The answer that a whole stream holds, as far as its worth depends on it. `array`: it is
    Google's JSON array."""
    reader = style.stream_reader()
    decoder = JsonArrayDecoder() if array else style.event_decoder()
    texts: list[str] = []
    refusals: list[str] = []
    calls: dict[int, tuple[ToolStart, list[str]]] = {}
    finish = FinishReason.STOP
    for event in decoder.feed(stream):
        for delta in reader.feed(event):
            if isinstance(delta, TextDelta):
                texts.append(delta.text)
            elif isinstance(delta, ToolStart):
                calls[delta.index] = (delta, [])
            elif isinstance(delta, ToolArgs) and delta.index in calls:
                calls[delta.index][1].append(delta.text)
            elif isinstance(delta, RefusalDelta):
                refusals.append(delta.text)
            elif isinstance(delta, Finish):
                finish = delta.reason
    return Reply(
        parts=(
            *((Text("".join(texts)),) if texts else ()),
            *((Refusal("".join(refusals)),) if refusals else ()),
            *(
                ToolCall(id=start.id, name=start.name, kind=start.kind, arguments="".join(given))
                for start, given in calls.values()
            ),
        ),
        finish=finish,
    )
