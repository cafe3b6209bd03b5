"""Who wins a race: the decision among participants that have something to show, and the record of
wins and losses."""

from __future__ import annotations

from collections.abc import Collection

from pilotfish.core.model.snapshot import Race
from pilotfish.core.model.tactic import Random
from pilotfish.core.routing.attempt_state import AttemptState
from pilotfish.core.state.race_history import RaceHistory

# The share of races that is left to chance, so that a service that has become better or worse is
# noticed.
EXPLORE = 0.05


class RaceReferee:
    """Decides one request's race. `explores`: this race is left to chance."""

    __slots__ = ("_history", "_rng", "_rule", "explores", "race")

    def __init__(self, rule: str, race: Race, history: RaceHistory | None, rng: Random) -> None:
        self._rule, self.race, self._history, self._rng = rule, race, history, rng
        self.explores = rng.random() < EXPLORE

    def is_decided(self, running: Collection[AttemptState]) -> bool:
        """Whether nothing is gained by waiting, now that one participant has something to show."""
        if self.race.strategy == "first_wins":
            return True
        if self.race.strategy == "quality":
            return all(t.complete for t in running)
        return all(t.first_token_at is not None for t in running)

    def winner(self, ready: list[AttemptState], now: float) -> AttemptState:
        """The best of those that have something to show."""
        if self.explores and self.race.strategy != "first_wins":
            return ready[int(self._rng.random() * len(ready))]
        return max(ready, key=lambda t: self._merit(t, now))

    def _merit(self, attempt: AttemptState, now: float) -> tuple[float, float, int, float]:
        at = attempt.first_token_at if attempt.first_token_at is not None else now
        rate = self._win_rate(attempt, now)
        priority = attempt.candidate.service.priority
        if self.race.strategy == "quality":
            return attempt.quality, rate * rate, priority, -at
        return rate / (1.0 + at - attempt.began), 0.0, priority, -at

    def record(self, attempt: AttemptState, now: float, *, won: bool) -> None:
        if self._history is not None:
            service = attempt.candidate.service.id
            shown = attempt.first_token_at
            latency_s = (now if shown is None else shown) - attempt.began
            self._history.record(self._rule, service).add(won, now, latency_s)

    def _win_rate(self, attempt: AttemptState, now: float) -> float:
        if self._history is None:
            return 0.5
        return self._history.record(self._rule, attempt.candidate.service.id).win_rate(now)
