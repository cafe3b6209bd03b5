"""How long an attempt may be silent before another service is asked beside it."""

from __future__ import annotations

from pilotfish.core.model.snapshot import Rule
from pilotfish.core.routing.attempt_state import MIN_SAMPLES
from pilotfish.core.state.candidate import Candidate

# A service that is known to be slow gets so much of its own p99.
KNOWN_FACTOR = 1.5
# A trial is given the p95 of its own times to first token, and no more than this.
TRIAL_PATIENCE_S = 2.0
THINKING_FACTOR = 2.0


def least_patience_of(rule: Rule, *, streams: bool, thinking: bool) -> float:
    """Seconds of silence that are never evidence. A whole answer shows nothing before it is
    complete, so its patience is `first_token_s`."""
    timeouts = rule.timeouts
    least = timeouts.patience_s if streams else timeouts.first_token_s
    return least * (THINKING_FACTOR if thinking else 1.0)


def patience_of(
    candidate: Candidate, rule: Rule, now: float, *, streams: bool, thinking: bool
) -> float:
    """Seconds without content after which silence is evidence: never before 1.5 times the p99 that
    the service is known for."""
    least = least_patience_of(rule, streams=streams, thinking=thinking)
    samples = candidate.state.ttft if streams else candidate.state.latency
    known = samples.percentile(0.99, now)
    if known is None:
        return least
    return max(least, KNOWN_FACTOR * known * (THINKING_FACTOR if thinking else 1.0))


def trial_patience_of(candidate: Candidate, now: float, *, streams: bool) -> float:
    """Seconds after which another service is asked beside a trial: nobody pays for one."""
    samples = candidate.state.ttft if streams else candidate.state.latency
    known = samples.percentile(0.95, now)
    return TRIAL_PATIENCE_S if known is None else min(known, TRIAL_PATIENCE_S)


def hedge_after(candidate: Candidate, rule: Rule, now: float, *, streams: bool) -> float | None:
    """Seconds after which the rule's hedge starts; None where it has none, or nothing is known."""
    hedge = rule.hedge
    if hedge is None:
        return None
    if hedge.after_s is not None:
        return max(hedge.after_s, hedge.min_s)
    samples = candidate.state.ttft if streams else candidate.state.latency
    if samples.count(now) < MIN_SAMPLES:
        return None
    late = samples.percentile(hedge.percentile, now)
    return None if late is None else max(late, hedge.min_s)
