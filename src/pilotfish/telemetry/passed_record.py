"""What is known of a request that was passed on, and its line of the access log. Plain data, as
`record`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pilotfish.core.exchange.inbound import shown
from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry.logs import timestamp


class PassedAttempt(NamedTuple):
    """One try. `status`: 0 where no answer came."""

    outcome: Outcome
    duration_s: float
    status: int
    message: str


@dataclass(slots=True)
class PassedRecord:
    """`provider` and `family` are what the metric counts. Durations are seconds, moments on the
    monotonic clock; `started_wall` is epoch time.
    """

    request_id: str
    style: str
    family: str
    method: str
    path: str
    provider: str
    started: float
    started_wall: float
    attempts: list[PassedAttempt] = field(default_factory=list)
    code: int = 0
    finished_at: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    held: bool = False  # sent to who holds the state that it names
    error: str = ""


def line_of_passed(record: PassedRecord) -> dict[str, Any]:
    """Its line of the access log: the keys of every request's, and its own."""
    line: dict[str, Any] = {
        "event": "request",
        "time": timestamp(record.started_wall),
        "request_id": record.request_id,
        "rule": None,
        "style": record.style,
        "op": "passthrough",
        "family": record.family,
        "method": record.method,
        "path": shown(record.path),
        "model": "",
        "code": record.code,
        "stream": False,
        "service": record.provider,
        "attempts": [
            {
                "service": record.provider,
                "outcome": attempt.outcome,
                "duration_ms": round(attempt.duration_s * 1000, 3),
                "status": attempt.status or None,
                **({"error": attempt.message[:300]} if attempt.message else {}),
            }
            for attempt in record.attempts
        ],
        "duration_ms": round((record.finished_at - record.started) * 1000, 3),
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "held": record.held,
    }
    nothing = ("ttft_ms", "overhead_ms", "input_tokens", "output_tokens", "cached_input_tokens")
    line.update(dict.fromkeys((*nothing, "reasoning_tokens", "finish_reason")))
    line.update(cost_usd=0.0, rescued=False, forced=False)
    if record.error:
        line["error"] = record.error
    return line
