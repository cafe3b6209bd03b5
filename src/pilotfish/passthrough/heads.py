"""Reads the head of an answer to a request that is passed on."""

from __future__ import annotations

from collections.abc import Sequence

from pilotfish.core.model.outcome import Outcome

Header = tuple[bytes, bytes]

_OUTCOMES = {
    401: Outcome.AUTH_FAILED,
    403: Outcome.AUTH_FAILED,
    404: Outcome.NOT_FOUND,
    429: Outcome.RATE_LIMITED,
    503: Outcome.OVERLOADED,
    529: Outcome.OVERLOADED,
}


def lower_case(headers: Sequence[Header]) -> list[Header]:
    return [(name.lower(), value) for name, value in headers]


def type_of(headers: Sequence[Header]) -> str:
    value = next((v for n, v in headers if n == b"content-type"), b"")
    return value.decode("latin-1").partition(";")[0].strip().lower()


def judged(status: int) -> tuple[Outcome, str] | None:
    """What the access log says of an answer with this status; None for a good one."""
    if status < 400:
        return None
    outcome = _OUTCOMES.get(status)
    if outcome is None:
        outcome = Outcome.SERVER_ERROR if status >= 500 else Outcome.BAD_REQUEST
    return outcome, f"the upstream answered {status}"
