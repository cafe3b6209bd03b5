"""The steps of a request's dispatch: starting an attempt, going on to the next service, waiting,
choosing the winner, ending. `core.routing.dispatch` decides when each is taken."""

from __future__ import annotations

import math
from collections import defaultdict

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing.attempt_state import (
    NO_SERVICE,
    QUEUE_POLL_S,
    RATE_LIMITED,
    AttemptState,
)
from pilotfish.core.routing.commands import (
    BreakStream,
    Cancel,
    Commands,
    Detach,
    Done,
    Relay,
    ReplyFailure,
    StartAttempt,
    WakeAt,
)
from pilotfish.core.routing.patience import (
    hedge_after,
    least_patience_of,
    patience_of,
    trial_patience_of,
)
from pilotfish.core.routing.plan import Plan
from pilotfish.core.routing.race import RaceReferee
from pilotfish.core.routing.retrying import retry_delay
from pilotfish.core.state.candidate import Candidate

HEDGE, SILENCE, TRIAL = "hedge", "silence", "trial"


class Steps:
    """`streams`: the answer comes in pieces, so first content and end are two things. `may_double`:
    the request stores nothing, so that two attempts of it may run at once. `thinking`: it asks for
    thinking, which takes longer.
    """

    # How every request begins; most of it stays so.
    over = False
    attempts = 0
    retries = 0
    fallbacks = 0
    hedges = 0
    rivals: str = ""  # why a rival was asked: silence or trial
    resumes = 0
    last_resort = False
    last: Failure | None = None
    relayed: int | None = None
    look_at: float = math.inf  # when `on_tick` wants to be called
    _declined: int | None = None  # the last attempt that was refused: an answer, if no other comes
    _again: AttemptState | None = None  # is asked again when the backoff is over
    _awaited: Candidate | None = None  # said when to come back
    _waiting_since: float | None = None
    _queued_until: float | None = None
    # While a race is lined up: what has failed meanwhile.
    _at_start: list[tuple[int, Failure]] | None = None

    def __init__(
        self,
        plan: Plan,
        *,
        deadline: float,
        streams: bool,
        may_double: bool = True,
        thinking: bool = False,
    ) -> None:
        self.plan, self.rule, self.deadline = plan, plan.rule, deadline
        self._streams, self._may_double, self._thinking = streams, may_double, thinking
        self._running: dict[int, AttemptState] = {}
        self._timers: dict[str, float] = {}
        # By service: how often it was asked, whatever the reason; another key is no retry.
        self._asked: defaultdict[int, int] = defaultdict(int)
        # By service: how often another of its keys was taken.
        self._keys_tried: defaultdict[int, int] = defaultdict(int)
        self._least_patience_s = least_patience_of(self.rule, streams=streams, thinking=thinking)
        race = self.rule.race
        self._race = (
            None if race is None else RaceReferee(self.rule.name, race, plan.history, plan.rng)
        )

    # ---- starting

    def _has_attempts_left(self) -> bool:
        return self.attempts < self.rule.retries.max_attempts

    def _start(
        self,
        candidate: Candidate,
        now: float,
        *,
        same: bool = False,
        last_resort: bool = False,
        extra: str = "",
    ) -> Commands:
        """`same`: the same try once more, with another key or worded otherwise, which is no
        retry.
        """
        n = self.attempts
        self.attempts += 1
        self.last_resort = self.last_resort or last_resort
        state = candidate.state
        if state not in self.plan.tried:
            self.plan.tried.append(state)
        asked = self._asked[id(state)] = self._asked[id(state)] + (not same)
        trial = not last_resort and self.plan.ledger.on_trial(state, now)
        attempt = self._running[n] = AttemptState(n, candidate, asked - 1, now, extra, trial)
        commands: Commands = [StartAttempt(n, candidate, last_resort, self.resumes > 0, extra)]
        if not extra and self._race is None and not self.resumes and self._may_double:
            self._plan_rivals(attempt, now)
            if self._timers:
                commands.append(self._wake())
        return commands

    def catch_up(self, candidate: Candidate, began: float, *, relayed: bool) -> None:
        """A first attempt was begun at a healthy service before anybody asked this machine.
        `relayed`: the client has got something of it."""
        self.attempts = 1
        self.plan.tried.append(candidate.state)
        self._asked[id(candidate.state)] = 1
        attempt = self._running[0] = AttemptState(0, candidate, 0, began)
        if relayed:
            self.relayed, attempt.first_token_at = 0, began
        elif self._may_double:
            self.look_at = began + self._least_patience_s

    def _plan_rivals(self, attempt: AttemptState, now: float) -> None:
        """When another service is asked beside this attempt, should it show nothing until then."""
        if self.rule.hedge is not None:
            after = hedge_after(attempt.candidate, self.rule, now, streams=self._streams)
            if after is not None:
                self._timers[HEDGE] = now + after
        if attempt.trial and not self.rivals and self.plan.others(now):
            patience = trial_patience_of(attempt.candidate, now, streams=self._streams)
            self._timers[TRIAL] = now + patience
        self.look_at = now + self._least_patience_s

    def _advance(self, now: float, reason: str = "") -> Commands:
        """The next service, a wait, or the end."""
        if not self._has_attempts_left() or now >= self.deadline:
            return self._give_up(now)
        candidate = self.plan.next(now, reason)
        last_resort = False
        if candidate is None and not reason:
            candidate = self.plan.last_resort(now)
            last_resort = candidate is not None
        if candidate is not None:
            if self.attempts:
                if self._asked[id(candidate.state)]:
                    self.retries += 1
                else:
                    self.fallbacks += 1
            return self._start(candidate, now, last_resort=last_resort)
        if reason:
            return self._give_up(now)
        return self._wait(now) or self._give_up(now)

    def _wait(self, now: float) -> Commands:
        """For a service that said when to come back, or for a place within the limits, if either is
        soon.
        """
        retries = self.rule.retries
        back = self.plan.earliest_retry_after(now)
        if back is not None:
            at, candidate = back
            if self._waiting_since is None:
                self._waiting_since = now
            # A wait for a service that this request has already been refused by is a retry. Polls
            # for another one's trial are not.
            patient = now - self._waiting_since <= retries.max_s * (retries.max_retries + 1)
            if (
                patient
                and at - now <= retries.max_s
                and at < self.deadline
                and self._asked[id(candidate.state)] <= retries.max_retries
            ):
                self._awaited = candidate
                self._timers["comeback"] = at
                return [self._wake()]
        room = self.plan.room_at(now)
        if room is not None and self.rule.queue_s > 0:
            if self._queued_until is None:
                self._queued_until = min(now + self.rule.queue_s, self.deadline)
            if max(room, now) < self._queued_until:
                self._timers["queue"] = max(room, now + QUEUE_POLL_S)
                return [self._wake()]
        return []

    def _same_again(self, attempt: AttemptState, failure: Failure, now: float) -> Commands | None:
        """The same service once more, if this outcome and the budgets allow it."""
        if not self._has_attempts_left():
            return None
        if failure.outcome in (Outcome.AUTH_FAILED, Outcome.RATE_LIMITED) and self._has_other_key(
            attempt, now
        ):
            self._keys_tried[id(attempt.candidate.state)] += 1
            return self._start(attempt.candidate, now, same=True)
        delay = retry_delay(attempt, failure, self.plan, now, self.deadline)
        if delay is None:
            return None
        self.plan.rule_state.retries.take(now)
        if not delay:
            return self._ask_again(attempt, now)
        self._again = attempt
        self._timers["backoff"] = now + delay
        return [self._wake()]

    def _ask_again(self, attempt: AttemptState, now: float) -> Commands:
        """A retry, unless the service has gone out meanwhile and another one is usable, or it has
        asked to be left alone."""
        has_gone = attempt.candidate.state.health.out and self.plan.others(now)
        if has_gone or not self._may_ask_again(attempt, now):
            return self._advance(now)
        self.retries += 1
        return self._start(attempt.candidate, now)

    def _has_other_key(self, attempt: AttemptState, now: float) -> bool:
        others = len(attempt.candidate.service.provider.tokens) - 1
        # Counted, since a key that is told to wait for no time at all is at once as good as
        # another.
        tried = self._keys_tried[id(attempt.candidate.state)]
        return tried < others and self._may_ask_again(attempt, now)

    def _may_ask_again(self, attempt: AttemptState, now: float) -> bool:
        return self.plan.may_be_asked_again(attempt.candidate, now)

    def _patience(self, attempt: AttemptState, now: float) -> float:
        candidate = attempt.candidate
        thinking = self._thinking or candidate.service.thinks
        return patience_of(candidate, self.rule, now, streams=self._streams, thinking=thinking)

    def _is_silent(self, attempt: AttemptState, now: float) -> bool:
        """Whether it had nothing to show for its whole patience."""
        waited = now - attempt.began
        return (
            attempt.first_token_at is None
            and waited >= self._least_patience_s
            and waited >= self._patience(attempt, now)
        )

    def _wake(self) -> WakeAt:
        return WakeAt(min(self._timers.values()))

    # ---- winning

    def _candidate_won(self, attempt: AttemptState, now: float) -> Commands:
        """It has something for the client: relayed at once, unless the race's strategy waits for
        others.
        """
        race = self._race
        if race is None:
            return self._relay(attempt, now)
        # Once the time to a winner is over, whole answers are waited for, but not for a better one.
        if race.is_decided(self._running.values()) or "race" not in self._timers:
            return self._best(now, complete=race.race.strategy == "quality")
        if race.race.strategy == "weighted" and "grace" not in self._timers:
            self._timers["grace"] = now + race.race.grace_s
            return [self._wake()]
        return []

    def _best(self, now: float, *, complete: bool = False) -> Commands:
        """The winner of those that have something to show. `complete`: of those whose answer is
        complete.
        """
        race = self._race
        ready = [
            t
            for t in self._running.values()
            if (t.complete if complete else t.first_token_at is not None)
        ]
        if not ready or race is None:
            return []
        if race.race.strategy == "first_wins":
            return self._relay(min(ready, key=_first_token_at), now)
        return self._relay(race.winner(ready, now), now)

    def _relay(self, attempt: AttemptState, now: float) -> Commands:
        """It has won. Where the rule buffers, the client gets it when it is complete: until then
        another service can start anew.
        """
        for name in (HEDGE, TRIAL, "grace", "race") if self._timers else ():
            self._timers.pop(name, None)
        commands: Commands = []
        if len(self._running) > 1:
            commands = self._beat(attempt, now)
        if self._race is not None:
            self._race.record(attempt, now, won=True)
            self._race = None
        if self.rule.buffer and self._streams and not attempt.complete:
            return commands
        self.relayed = attempt.n
        commands.append(Relay(attempt.n))
        return commands + self._done(attempt.n) if attempt.complete else commands

    def _beat(self, winner: AttemptState, now: float) -> Commands:
        """What becomes of the others."""
        commands: Commands = []
        for t in [t for t in self._running.values() if t is not winner]:
            del self._running[t.n]
            if self._race is not None:
                self._race.record(t, now, won=False)
            if t.complete:
                continue
            if t.trial and t.first_token_at is None:
                commands.append(Detach(t.n))
            else:
                silent = self._race is None and self._is_silent(t, now)
                commands.append(Cancel(t.n, Outcome.LOST_RACE, silent))
        return commands

    # ---- ending

    def _broken(self, failure: Failure, resumable: bool, now: float) -> Commands:
        self.relayed = None
        self._timers.clear()
        may = (
            self.rule.on_stream_break == "continue"
            and resumable
            and self._has_attempts_left()
            and now < self.deadline
        )
        candidate = self.plan.next(now) if may else None
        if candidate is None:
            self.over = True
            return [BreakStream(failure)]
        self.resumes += 1
        return self._start(candidate, now)

    def _give_up(self, now: float) -> Commands:
        self.over = True
        self._timers.clear()
        if self.resumes:
            return [BreakStream(self.last or NO_SERVICE)]
        if self._declined is not None:
            return [Relay(self._declined), Done(self._declined)]
        failure = self.last
        wait = None
        if failure is None or failure.outcome in (Outcome.RATE_LIMITED, Outcome.OVERLOADED):
            wait = self.plan.earliest(now)
            if wait is None and failure is not None:
                wait = failure.wait_s
        if failure is None:
            limited = self.plan.earliest_retry_after(now) or self.plan.room_at(now)
            failure = RATE_LIMITED if limited is not None else NO_SERVICE
        return [ReplyFailure(failure, wait)]

    def _done(self, n: int) -> Commands:
        self.over = True
        self._timers.clear()
        self._running.pop(n, None)
        return [Done(n)]


def _first_token_at(attempt: AttemptState) -> float:
    return attempt.first_token_at or 0.0
