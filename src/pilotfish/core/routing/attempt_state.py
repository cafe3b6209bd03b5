"""One attempt as the dispatch machine sees it, and what the machine says by itself where no attempt
did.
"""

from __future__ import annotations

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.state.candidate import Candidate

# Outcomes that are about the request: another service is asked only where the rule says so.
REQUESTS_OWN = frozenset({Outcome.BAD_REQUEST, Outcome.REFUSED})
SAME_AGAIN = frozenset({Outcome.OVERLOADED, Outcome.SERVER_ERROR})
# How soon to look again for a free place where nobody knows when there will be one.
QUEUE_POLL_S = 0.02
RIVAL_POLL_S = 1.0  # how soon to look again for a service to ask beside a silent one
MIN_SAMPLES = 10  # fewer say nothing about a 95th percentile
NO_SERVICE = Failure(
    outcome=Outcome.CONNECT_FAILED,
    status=503,
    message="no service of this rule can be used now",
    code="no_service",
)
RATE_LIMITED = Failure(
    outcome=Outcome.RATE_LIMITED,
    status=429,
    message="all services of this rule are at their rate limits",
    code="rate_limited",
)
LATE = Failure(
    outcome=Outcome.TIMEOUT,
    status=504,
    message="the request did not finish within its total time",
    code="timeout",
)
RACE_LATE = Failure(
    outcome=Outcome.TIMEOUT,
    status=504,
    message="no service answered within the race's time",
    code="timeout",
)


class AttemptState:
    """One attempt as the machine sees it.

    `again`: how often this service was already asked for this request. `extra`: why it runs beside
    another one (`hedge`, `silence`, `trial`), empty for an attempt of its own. `trial`: it tries a
    service whose cooldown is over. `first_token_at`: when its first content, or its whole answer, was here. `quality`:
    what a complete answer is worth in a race for quality.
    """

    __slots__ = (
        "again",
        "began",
        "candidate",
        "complete",
        "extra",
        "first_token_at",
        "n",
        "quality",
        "trial",
    )

    def __init__(
        self,
        n: int,
        candidate: Candidate,
        again: int,
        began: float,
        extra: str = "",
        trial: bool = False,
    ) -> None:
        self.n, self.candidate, self.again, self.began = n, candidate, again, began
        self.extra, self.trial = extra, trial
        self.first_token_at: float | None = None
        self.complete = False
        self.quality = 0.0
