"""Failures that no upstream has put into words: what the client and the log read of them."""

from __future__ import annotations

from pilotfish.core.model.outcome import Failure, Outcome

# What a lost connection comes to, by the kind that its pool names (`http1.pool.Listener`), and the
# status for the client.
LOST = {
    "connect": (Outcome.CONNECT_FAILED, 502),
    "local": (Outcome.CONNECT_FAILED, 503),
    "connect_timeout": (Outcome.TIMEOUT, 504),
    "reset": (Outcome.CONNECT_FAILED, 502),
    "cut": (Outcome.SERVER_ERROR, 502),
    "protocol": (Outcome.SERVER_ERROR, 502),
}


def failure_of_ours(
    outcome: Outcome, message: str, status: int = 502, code: str = "upstream_error"
) -> Failure:
    """A failure in the proxy's own words. `status`: for the client."""
    return Failure(outcome=outcome, status=status, message=message, code=code)
