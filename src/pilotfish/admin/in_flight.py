"""Requests in flight, as `/status` shows them: a request that hangs is seen before it ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilotfish.core.exchange.inbound import shown
from pilotfish.telemetry.record import RequestRecord

LATE_S = 5.0  # without a sign of life: worth a look
LISTED = 20


def oldest_by_service(records: Iterable[RequestRecord]) -> dict[tuple[str, str], float]:
    """(provider, model) -> when the oldest attempt under way there began."""
    oldest: dict[tuple[str, str], float] = {}
    for record in records:
        for attempt in record.attempts:
            if attempt.outcome is None:
                at = (attempt.service.provider.name, attempt.service.model)
                oldest[at] = min(attempt.began, oldest.get(at, attempt.began))
    return oldest


def late_requests(records: Iterable[RequestRecord], now: float) -> dict[str, Any]:
    """Those that have waited for a while without a byte from any upstream, the longest first.
    `count`: of all of them; `requests`: the first few. Times are seconds.
    """
    waiting = [(now - _last_sign(record), record) for record in records]
    late = sorted((pair for pair in waiting if pair[0] >= LATE_S), key=lambda pair: -pair[0])
    return {"count": len(late), "requests": [_line(r, s, now) for s, r in late[:LISTED]]}


def _last_sign(record: RequestRecord) -> float:
    """When anything last happened: the client's request, an attempt's content."""
    return max([record.started, *(a.last_at for a in record.attempts)])


def _line(record: RequestRecord, silent_s: float, now: float) -> dict[str, Any]:
    under_way = [a for a in record.attempts if a.outcome is None]
    return {
        "request_id": record.request_id,
        "rule": record.rule.name,
        "model": shown(record.model),
        "stream": record.stream,
        "age_s": round(now - record.started, 1),
        "silent_s": round(silent_s, 1),
        "answering": record.relayed is not None,
        "attempts": [
            {
                "service": a.service.id,
                "age_s": round(now - a.began, 1),
                "waits_for": _waits_for(record, a),
            }
            for a in under_way
        ],
    }


def _waits_for(record: RequestRecord, attempt: Any) -> str:
    if not attempt.sent_at:
        return "a connection"
    if not attempt.head_at:
        return "its answer" if not record.stream else "the head of its answer"
    return "more content" if attempt.last_at else "its first content"
