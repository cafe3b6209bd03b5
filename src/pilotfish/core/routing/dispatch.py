"""The state machine of one request: retry, fall back, hedge, race, rival and resume are one thing
with different numbers.

Events come in as method calls with `now`, commands go out as a list; the shell obeys and knows
nothing of the reasons. What happened to the ledger has happened before an event is told, so that
the plan sees the services as they are now.

    begin -> StartAttempt... -> on_first_token -> Relay -> on_complete -> Done
                      -> on_failure -> WakeAt -> on_timer -> StartAttempt (the same service, or the
                      next) ... -> ReplyFailure
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from pilotfish.core.model.outcome import CONTENT_POLICY, Failure, Outcome
from pilotfish.core.model.snapshot import Race
from pilotfish.core.routing.attempt_state import LATE, RACE_LATE, REQUESTS_OWN, RIVAL_POLL_S
from pilotfish.core.routing.commands import (
    BreakStream,
    Cancel,
    Command,
    Commands,
    Done,
    Relay,
    ReplyFailure,
    WakeAt,
)
from pilotfish.core.routing.steps import HEDGE, SILENCE, TRIAL, Steps
from pilotfish.core.state.candidate import Candidate


class Dispatch(Steps):
    """One request: events in, commands out."""

    # ---- events

    def begin(self, now: float, candidate: Candidate | None = None) -> Iterable[Command]:
        """`candidate`: the first service, where the plan has been asked for it already."""
        self.plan.rule_state.count_request(now)
        if candidate is not None:
            return self._start(candidate, now)
        return self._advance(now) if self._race is None else self._line_up(self._race.race, now)

    def _line_up(self, race: Race, now: float) -> Iterator[Command]:
        """A race's first participants. Each is started before the next is chosen: what it takes of
        the limits is gone for the others. What fails while it is started is looked at when all are:
        until then it would be taken for the only one.
        """
        failed_at_start = self._at_start = []
        for _ in range(min(race.max_parallel, self.rule.retries.max_attempts)):
            candidate = self.plan.next(now)
            if candidate is None:
                break
            yield from self._start(candidate, now)
        if self.attempts:
            self._timers["race"] = min(now + race.timeout_s, self.deadline)
            yield self._wake()
        else:
            self._race = None
            yield from self._advance(now)
        while failed_at_start:
            yield from self._failed(*failed_at_start.pop(0), now)
        self._at_start = None

    def on_first_token(self, n: int, now: float) -> Commands:
        """First content of this attempt."""
        attempt = self._running.get(n)
        if attempt is None or self.over or attempt.first_token_at is not None:
            return []
        attempt.first_token_at = now
        return [] if self.relayed is not None else self._candidate_won(attempt, now)

    def on_complete(self, n: int, now: float, *, quality: float = 0.0) -> Commands:
        """This attempt's answer is complete and good. `quality`: what it is worth."""
        attempt = self._running.get(n)
        if attempt is None or self.over:
            return []
        attempt.complete, attempt.quality = True, quality
        if self.relayed == n:
            return self._done(n)
        if self.relayed is not None:
            return []
        if attempt.first_token_at is None:
            attempt.first_token_at = now
        return self._candidate_won(attempt, now)

    def on_failure(
        self,
        n: int,
        failure: Failure,
        now: float,
        *,
        resumable: bool = False,
        other_way: bool = False,
        resend: bool = False,
    ) -> Commands:
        """This attempt is over and was no good. `resumable`: it broke after content from where
        another service could go on. `other_way`: it refused the way it was asked, and can be asked
        another way. `resend`: the connection that was kept for it was closed; the same service is
        asked once more, whatever the budgets."""
        if self._at_start is not None:
            self._at_start.append((n, failure))
            return []
        return self._failed(
            n, failure, now, resumable=resumable, other_way=other_way, resend=resend
        )

    def _failed(
        self,
        n: int,
        failure: Failure,
        now: float,
        *,
        resumable: bool = False,
        other_way: bool = False,
        resend: bool = False,
    ) -> Commands:
        attempt = self._running.pop(n, None)
        if attempt is None or self.over:
            return []
        if resend and self.relayed is None:
            self.retries += 1
            return self._start(attempt.candidate, now, extra=attempt.extra)
        self.last = failure
        self._timers.pop(HEDGE, None)
        self._timers.pop(TRIAL, None)
        self.look_at = math.inf
        if self._race is not None:
            self._race.record(attempt, now, won=False)
        if failure.outcome is Outcome.REFUSED and not self.resumes:
            self._declined = n
        if self.relayed == n:
            return self._broken(failure, resumable, now)
        if self.relayed is not None:
            return []
        if self._running:
            return self._one_of_several(failure, now)
        if other_way and self._has_attempts_left() and self._may_ask_again(attempt, now):
            return self._start(attempt.candidate, now, same=True)
        if self._declined is not None and CONTENT_POLICY not in self.rule.fallback_on:
            return self._give_up(now)  # a refusal is an answer, and nobody else is to be asked
        again = self._same_again(attempt, failure, now)
        if again is not None:
            return again
        # A continuation's faults are ours, not the client's.
        if failure.outcome in REQUESTS_OWN and not self.resumes:
            if failure.reason and failure.reason in self.rule.fallback_on:
                return self._advance(now, failure.reason)
            return self._give_up(now)
        return self._advance(now, CONTENT_POLICY if self._declined is not None else "")

    def _one_of_several(self, failure: Failure, now: float) -> Commands:
        """One of several failed while others run. In a race another service takes its place, unless
        the request itself was refused: others that run may see it otherwise, but nobody else is
        asked."""
        race = self._race
        if race is None:
            return []
        reason = failure.reason if failure.reason in self.rule.fallback_on else ""
        if self._has_attempts_left() and (failure.outcome not in REQUESTS_OWN or reason):
            candidate = self.plan.next(now, reason)
            if candidate is not None:
                return self._start(candidate, now)
        if race.is_decided(self._running.values()):
            return self._best(now)
        return []

    def on_timer(self, now: float) -> Commands:
        """The time asked for by `WakeAt` has come (or passed)."""
        commands: Commands = []
        for name in [k for k, at in self._timers.items() if at <= now]:
            if name in self._timers and not self.over:
                del self._timers[name]
                commands += _ON_TIMER[name](self, now)
        if self._timers and not self.over and not any(isinstance(c, WakeAt) for c in commands):
            commands.append(self._wake())
        return commands

    def on_tick(self, now: float) -> Commands:
        """Called when `look_at` has come: an attempt that is silent gets a rival."""
        self.look_at = math.inf
        if self.over or not self._silent_alone() or self.rivals:
            return []
        attempt = next(iter(self._running.values()))
        patience = self._patience(attempt, now)
        if now < attempt.began + patience:
            self.look_at = attempt.began + patience
            return []
        budget = self.plan.rule_state.rivals
        candidate = self.plan.next(now, serving=True) if budget.is_free(now) else None
        if candidate is None:
            self.look_at = now + RIVAL_POLL_S
            return []
        budget.take(now)
        self.rivals = SILENCE
        return self._start(candidate, now, extra=SILENCE)

    def on_deadline(self, now: float) -> Commands:
        """The request's own time is over."""
        if self.over:
            return []
        if self._race is not None and any(t.complete for t in self._running.values()):
            return self._best(now, complete=True)
        commands: Commands = [Cancel(n, Outcome.TIMEOUT) for n in self._running]
        self._running.clear()
        self.over = True
        # What the upstream said last is worth more to the client than our impatience, as long as
        # nothing was running just now.
        failure = LATE if commands or self.last is None else self.last
        if self._declined is not None and self.relayed is None and not self.resumes:
            return [*commands, Relay(self._declined), Done(self._declined)]
        breaks = self.relayed is not None or self.resumes
        return [*commands, BreakStream(LATE) if breaks else ReplyFailure(failure, None)]

    def on_client_disconnect(self, now: float) -> Commands:
        if self.over:
            return []
        self.over = True
        running, self._running = self._running, {}
        return [
            Cancel(t.n, Outcome.CLIENT_GONE, self._is_silent(t, now))
            for t in running.values()
            if not t.complete
        ]

    # ---- timers

    def _backoff_over(self, now: float) -> Commands:
        attempt, self._again = self._again, None
        if attempt is None or self._running:
            return []
        return self._ask_again(attempt, now)

    def _comeback_over(self, now: float) -> Commands:
        candidate, self._awaited = self._awaited, None
        if candidate is None or self._running:
            return []
        if self.plan.obstacle(candidate, now) is None:
            if not self._has_attempts_left():
                return self._give_up(now)
            self.retries += self._asked[id(candidate.state)] > 0
            return self._start(candidate, now)
        self.plan.try_again(candidate)
        return self._advance(now)

    def _queue_over(self, now: float) -> Commands:
        return [] if self._running else self._advance(now)

    def _silent_alone(self) -> bool:
        """Whether one attempt runs and has nothing to show yet."""
        return self.relayed is None and self._has_attempts_left() and len(self._running) == 1

    def _hedge_over(self, now: float) -> Commands:
        hedges = self.plan.rule_state.hedges
        if not self._silent_alone() or not hedges.is_free(now):
            return []
        candidate = self.plan.next(now, serving=True)
        if candidate is None:
            return []
        hedges.take(now)
        self.hedges += 1
        return self._start(candidate, now, extra=HEDGE)

    def _trial_over(self, now: float) -> Commands:
        """The trial shows nothing: another service is asked beside it, whatever the budgets."""
        if not self._silent_alone() or self.rivals:
            return []
        candidate = self.plan.next(now, serving=True)
        if candidate is None:
            return []
        self.rivals = TRIAL
        return self._start(candidate, now, extra=TRIAL)

    def _race_over(self, now: float) -> Commands:
        """The time to a winner is over. Nobody's health suffers from a limit of ours, and a whole
        answer is waited for while somebody works on it."""
        if any(t.first_token_at is not None for t in self._running.values()):
            return self._best(now)
        if self.relayed is not None or (self._running and not self._streams):
            return []
        for attempt in self._running.values():
            if self._race is not None:
                self._race.record(attempt, now, won=False)
        commands: Commands = [Cancel(n, Outcome.LOST_RACE) for n in self._running]
        self._running.clear()
        if commands or self.last is None:  # between two attempts, the last one's error says more
            self.last = RACE_LATE
        return commands + self._give_up(now)


_ON_TIMER: dict[str, Callable[[Dispatch, float], Commands]] = {
    "backoff": Dispatch._backoff_over,
    "comeback": Dispatch._comeback_over,
    "queue": Dispatch._queue_over,
    HEDGE: Dispatch._hedge_over,
    TRIAL: Dispatch._trial_over,
    "grace": Dispatch._best,
    "race": Dispatch._race_over,
}
