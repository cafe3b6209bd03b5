"""Which service a session is offered to next."""

from __future__ import annotations

import time

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing.last_words import last_words
from pilotfish.core.routing.plan import Plan
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.health import ERRORS
from pilotfish.proxy.failures import failure_of_ours
from pilotfish.realtime.attempt import SocketFailed
from pilotfish.telemetry.record import AttemptRecord, RequestRecord

_AGAIN = frozenset({Outcome.OVERLOADED, Outcome.SERVER_ERROR, Outcome.CONNECT_FAILED})


class SocketCandidates:
    """The services of a plan in its order; the last one again, where the rule's retries allow it
    and no other is left.
    """

    def __init__(self, plan: Plan, record: RequestRecord) -> None:
        self._plan, self._record = plan, record
        self._again: Candidate | None = None
        self._retries = 0
        self._counted: list[Candidate] = []

    def next(self, now: float) -> tuple[Candidate, AttemptRecord, bool]:
        """The service, its attempt's record, and whether it is out like all others. Raises
        SocketFailed where there is none.
        """
        plan, record = self._plan, self._record
        last_resort = False
        candidate, self._again = self._again, None
        if candidate is None:
            candidate = plan.next(now)
            if candidate is None and not record.attempts:
                candidate = plan.last_resort(now)
                last_resort = candidate is not None
        if candidate is None:
            raise SocketFailed(self._nobody(now))
        if candidate.state in plan.tried:
            record.retries += 1
        else:
            record.fallbacks += bool(record.attempts)
            plan.tried.append(candidate.state)
        record.last_resort = record.last_resort or last_resort
        made = AttemptRecord(len(record.attempts), candidate.service, now, last_resort=last_resort)
        record.attempts.append(made)
        return candidate, made, last_resort

    def note(self, candidate: Candidate, failure: Failure) -> bool:
        """Whether a failure of this service has counted against it already."""
        counted = candidate in self._counted
        if failure.outcome in ERRORS:
            self._counted.append(candidate)
        return counted

    def goes_on(self, failure: Failure, now: float) -> float | None:
        """How many seconds to wait before the next service is asked; None where the client is told
        of this failure instead.
        """
        retries = self._plan.rule.retries
        if failure.outcome is Outcome.BAD_REQUEST:
            return None
        if len(self._record.attempts) >= retries.max_attempts:
            return None
        if self._plan.others(now):
            return 0.0
        last = next(c for c in self._plan.candidates() if c.state is self._plan.tried[-1])
        if (
            failure.outcome not in _AGAIN
            or self._retries >= retries.max_retries
            or not self._plan.may_be_asked_again(last, now)
        ):
            return None
        self._again = last
        self._retries += 1
        return min(retries.base_s * float(2 ** (self._retries - 1)), retries.max_s)

    def _nobody(self, now: float) -> Failure:
        said = failure_of_ours(
            Outcome.OVERLOADED, "no service can take this session now", 503, "no_service"
        )
        return last_words(said, self._plan, now, time.time())
