"""How much of a stream's start is held back before it is shown: until it has content, and no longer
than a client can wait."""

from __future__ import annotations

from pilotfish.core.exchange.response_stream import ResponseStream

HOLD_EVENTS = 64
HOLD_BYTES = 256 * 1024
# How long the first words of a stream are held that may be a guardrail's own text, where another
# service would take over then: such a text comes in one go.
CANNED_HOLD_S = 0.5


def is_for_the_client(
    stream: ResponseStream, held_bytes: int, since_first_s: float, *, refusals_matter: bool
) -> bool:
    """Whether there is something for the client, or so much before it that it must be decided.

    A refusal is held to its end where `refusals_matter`: another service may take over, or win the
    race. `since_first_s`: seconds since the first content.
    """
    if held_bytes > HOLD_BYTES:
        return True
    if not stream.contents:
        return stream.events > HOLD_EVENTS and not stream.declined
    return not (refusals_matter and stream.may_be_canned) or since_first_s >= CANNED_HOLD_S
