"""When an answer is late: by its provider's limit, before its first token, or within."""

from __future__ import annotations

from typing import NamedTuple

from pilotfish.core.model.snapshot import Timeouts

THINKING_FACTOR = 2.0  # a model that thinks is given twice the time of silence


class Late(NamedTuple):
    """`code`: what the error is called in the client's style."""

    message: str
    code: str = "timeout"


def over_provider_limit(sent_s: float, limit_s: float | None) -> Late | None:
    """`sent_s`: seconds since the request was sent."""
    if limit_s is None or sent_s <= limit_s:
        return None
    return Late(f"the upstream took longer than its provider's limit of {limit_s:g} s")


def late_first_token(sent_s: float, timeouts: Timeouts, *, thinking: bool) -> Late | None:
    """A stream that has shown no content yet."""
    limit_s = timeouts.first_token_s * (THINKING_FACTOR if thinking else 1.0)
    return Late(f"no first token within {limit_s:g} s") if sent_s > limit_s else None


def stalled(quiet_s: float, timeouts: Timeouts, *, thinking: bool, streams: bool) -> Late | None:
    """A stream after its first content, or a whole answer after its head."""
    limit_s = timeouts.idle_s * (THINKING_FACTOR if thinking else 1.0)
    if quiet_s <= limit_s:
        return None
    if streams:
        return Late(f"the upstream's stream stalled for {limit_s:g} s", "stream_stalled")
    return Late(f"the upstream's answer stalled for {limit_s:g} s")
