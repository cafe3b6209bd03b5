"""A whole answer as the deltas of a stream, for a client that asked for a stream and is answered by
a service that does not stream.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    Delta,
    Finish,
    LogprobsDelta,
    MessageStart,
    PartDelta,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.neutral import (
    Audio,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    ToolCall,
)


def deltas_of(reply: Reply) -> list[Delta]:
    """All that a stream of this answer would have held, but for its end."""
    told: list[Delta] = [MessageStart(id=reply.id, model=reply.model)]
    calls = 0
    for part in reply.parts:
        told += _part(part, calls)
        calls += isinstance(part, ToolCall)
    if reply.logprobs:
        told.append(LogprobsDelta(reply.logprobs))
    told.append(Finish(reply.finish, reply.stop_sequence, reply.finish_details))
    if reply.usage is not None:
        told.append(UsageDelta(reply.usage))
    return told


def _part(part: Part, calls: int) -> Iterator[Delta]:
    if isinstance(part, Text):
        yield TextDelta(part.text, part.signature)
        for citation in part.citations:
            yield CitationDelta(citation)
        yield BlockEnd()
    elif isinstance(part, Thinking):
        if part.text:
            yield ThinkingDelta(part.text, part.summary)
        yield ThinkingEnd(part.signature, part.redacted, part.id)
    elif isinstance(part, ToolCall):
        yield ToolStart(
            index=calls, id=part.id, name=part.name, kind=part.kind, signature=part.signature
        )
        yield ToolArgs(calls, part.arguments)
        yield BlockEnd()
    elif isinstance(part, Refusal):
        yield RefusalDelta(part.text)
    elif isinstance(part, Image | Audio | Document | Opaque):
        yield PartDelta(part)
