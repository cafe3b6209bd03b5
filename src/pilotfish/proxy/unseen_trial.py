"""A trial that was beaten: its client has another answer, but it runs on to its first content, so
that its service gets a verdict."""

from __future__ import annotations

from collections.abc import Callable

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.state.ledger import HealthChange
from pilotfish.proxy.attempt import Attempt


class UnseenTrial:
    """`over` is called once with what changed; until `deadline` the trial may show something."""

    def __init__(
        self,
        attempt: Attempt,
        deadline: float,
        over: Callable[[UnseenTrial, list[HealthChange]], None],
    ) -> None:
        self._attempt, self._deadline, self._over = attempt, deadline, over
        attempt.detach(self)

    def tick(self, now: float) -> None:
        attempt = self._attempt
        if not attempt.over:
            attempt.reader.tick(now)
        if not attempt.over and now >= self._deadline:
            attempt.cancel(Outcome.TIMEOUT, now)
            self._end()

    def fail_internal(self) -> None:
        """After an error of the proxy's own: the trial ends without a verdict."""
        self._end()

    # ---- what the attempt reports

    def on_data(self, data: bytes, now: float) -> None:
        pass  # nobody reads it

    def on_first_token(self, attempt: Attempt, now: float) -> None:
        """The verdict is in: nothing more is needed of it."""
        attempt.cancel(Outcome.LOST_RACE, now)
        self._end()

    def on_complete(self, attempt: Attempt, now: float) -> None:
        self._end()

    def on_failure(self, attempt: Attempt, failure: Failure, now: float) -> None:
        self._end()

    def _end(self) -> None:
        self._over(self, self._attempt.changes)
