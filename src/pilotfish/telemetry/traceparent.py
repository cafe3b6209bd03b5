"""W3C trace context: reading and writing the `traceparent` header (version 00)."""

from __future__ import annotations

import re
from typing import NamedTuple

from pilotfish.core.exchange.inbound import Inbound

# A later version may have more behind the flags; its beginning reads the same.
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?",
    re.DOTALL,
)


class TraceContext(NamedTuple):
    """`trace_id` 32 and `span_id` 16 hexadecimal digits; bit 0 of `flags`: the trace is sampled."""

    trace_id: str
    span_id: str
    flags: int


def read_traceparent(inbound: Inbound) -> TraceContext | None:
    """The trace that the client's request belongs to; None without a `traceparent` header, or with
    one that is not of the format.
    """
    found = _TRACEPARENT.fullmatch(inbound.header(b"traceparent") or b"")
    if found is None:
        return None
    trace_id, span_id, flags = found.groups()
    return TraceContext(trace_id.decode(), span_id.decode(), int(flags, 16))


def trace_id_of(inbound: Inbound) -> str:
    """The client's trace id; empty where it sent none."""
    context = read_traceparent(inbound)
    return "" if context is None else context.trace_id


def written(context: TraceContext) -> bytes:
    """The value of a `traceparent` header."""
    return f"00-{context.trace_id}-{context.span_id}-{context.flags:02x}".encode()
