"""Whether the same service is asked again, and after how long."""

from __future__ import annotations

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing.attempt_state import SAME_AGAIN, AttemptState
from pilotfish.core.routing.plan import Plan


def retry_delay(
    attempt: AttemptState, failure: Failure, plan: Plan, now: float, deadline: float
) -> float | None:
    """Seconds until the service of a failed attempt is asked again, 0.0 for at once; None where it
    is not, by its outcome, the rule's retries or its health."""
    retries, outcome = plan.rule.retries, failure.outcome
    if outcome is Outcome.CONNECT_FAILED:
        allowed = min(1, retries.max_retries)
    elif outcome in SAME_AGAIN:
        allowed = retries.max_retries
    else:
        return None
    if attempt.again >= allowed or not plan.rule_state.retries.is_free(now):
        return None
    health = attempt.candidate.state.health
    if health.must_wait(now):
        return None
    # Where another service is usable, one that is out, or was lately, is not waited for.
    if (health.out or attempt.trial or not health.is_clean(now)) and plan.others(now):
        return None
    delay = 0.0 if outcome is Outcome.CONNECT_FAILED else _backoff(attempt.again, plan)
    if failure.wait_s is not None and failure.wait_s > delay:
        if plan.others(now):
            return None  # a wait that it asks for is spent only where nobody else is usable
        delay = failure.wait_s
    if delay > retries.max_s * (1 + retries.jitter) or now + delay >= deadline:
        return None
    return delay


def _backoff(again: int, plan: Plan) -> float:
    retries = plan.rule.retries
    delay = min(retries.max_s, float(retries.base_s * 2**again))
    return delay * plan.rng.uniform(1 - retries.jitter, 1 + retries.jitter)
