"""What every wire offers, and the pieces they share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

import orjson

from pilotfish.simulated.answer import SimulatedAnswer
from pilotfish.simulated.asked import Asked
from pilotfish.simulated.behaviour import TroubleKind


class Kind(Enum):
    FRAME = "frame"  # start-up events and what stands between blocks: sent at once
    CONTENT = "content"  # text, thinking or a piece of a call: has its time
    FINISH = "finish"  # finish reason, usage
    DONE = "done"  # the style's last event


class Event(NamedTuple):
    kind: Kind
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An error to be told. `retry_s`: the wait named in the body, where the vendor's form has a
    place for it.
    """

    status: int
    kind: TroubleKind = ""
    message: str = ""
    model: str = ""
    retry_s: float | None = None


class WireFailure(NamedTuple):
    """An error answer: the status may differ from the one asked for, where the vendor tells that
    trouble in another way.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Wire(Protocol):
    """One vendor's style. `created` is Unix time, passed in. `blocks_inside_200`: refused content
    is told by an answer, not by an error.
    """

    style: str
    blocks_inside_200: bool

    def content_type(self, asked: Asked) -> str:
        """Of a stream."""
        ...

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        """Raises BadRequest. `model` and `stream` are what the path says, where it says it."""
        ...

    def whole(self, asked: Asked, answer: SimulatedAnswer, created: int) -> bytes: ...

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]: ...

    def failure(self, trouble: Trouble) -> WireFailure: ...

    def error_event(self, trouble: Trouble, *, first: bool) -> bytes:
        """An error as an event of a stream that began with 200; `first`: no content was sent
        before.
        """
        ...

    def heartbeat(self) -> bytes: ...

    def malformed(self) -> bytes:
        """A well framed event whose payload is not JSON."""
        ...


def sse(data: Any, event: str = "") -> bytes:
    """A server-sent event; `data` is bytes as they are, or a value for JSON."""
    payload = data if isinstance(data, bytes) else orjson.dumps(data)
    name = f"event: {event}\n".encode() if event else b""
    return b"%bdata: %b\n\n" % (name, payload)


BROKEN_JSON = b'{"broken": [1, 2'
# What a vendor's `usage` is left out as, and other fields with it: keys that hold this are not
# written.
ABSENT: Any = object()


def present(**pairs: Any) -> dict[str, Any]:
    """The pairs, without those that are ABSENT."""
    return {key: value for key, value in pairs.items() if value is not ABSENT}
