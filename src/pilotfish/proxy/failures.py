"""Failures that the proxy itself puts into words: what the client and the log read of them."""

from __future__ import annotations

from pilotfish.core.model.outcome import CONTENT_POLICY, Failure, Outcome

# What a lost connection comes to, by the kind that its pool names (`http1.pool.Listener`), and the
# status for the client.
LOST = {
    "connect": (Outcome.CONNECT_FAILED, 502),
    "local": (Outcome.CONNECT_FAILED, 503),
    "stale": (Outcome.CONNECT_FAILED, 502),
    "connect_timeout": (Outcome.TIMEOUT, 504),
    "reset": (Outcome.CONNECT_FAILED, 502),
    "cut": (Outcome.SERVER_ERROR, 502),
    "protocol": (Outcome.SERVER_ERROR, 502),
}

# The codes of losses that say nothing about the service: there was nothing left here to connect
# with, or a connection that was kept had been closed.
STALE = "stale_connection"
_NOT_THE_SERVICE = {"local": "overloaded", "stale": STALE}
DIVERGED = "continuation_diverged"


def failure_of_ours(
    outcome: Outcome, message: str, status: int = 502, code: str = "upstream_error"
) -> Failure:
    """A failure in the proxy's own words. `status`: for the client."""
    return Failure(outcome=outcome, status=status, message=message, code=code)


def after_content(failure: Failure) -> Failure:
    """What an upstream says in a stream after content: the stream broke, whatever broke it."""
    return Failure(
        outcome=Outcome.BROKEN_STREAM,
        status=failure.status,
        message=failure.message,
        code=failure.code,
        failed_generation=failure.failed_generation,
    )


def lost_here(kind: str, message: str) -> Failure | None:
    """The failure of a loss that says nothing about the service; None for the other kinds."""
    code = _NOT_THE_SERVICE.get(kind)
    if code is None:
        return None
    outcome, status = LOST[kind]
    return Failure(outcome=outcome, status=status, message=message, code=code, local=True)


def diverged() -> Failure:
    """A service that was to go on with a broken stream began the answer anew and then left it. That
    says nothing about its health."""
    return Failure(
        outcome=Outcome.BROKEN_STREAM,
        status=502,
        message="the service that was to go on began the answer anew, and otherwise",
        code=DIVERGED,
        local=True,
    )


def declined(status: int, finish_reason: str | None) -> Failure:
    """An answer that holds a refusal and no content; `status` is its own, which is good."""
    return Failure(
        outcome=Outcome.REFUSED,
        status=status,
        message=f"the model or its vendor declined to answer ({finish_reason or 'refusal'})",
        code=finish_reason or "refusal",
        reason=CONTENT_POLICY,
    )
