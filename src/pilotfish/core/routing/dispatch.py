"""The state machine of one request: retry, fall back, hedge, race and resumes are one thing with
different numbers.

Events come in as method calls with `now`, commands go out as a list; the shell obeys and knows
nothing of the reasons. What happened to the ledger has happened before an event is told, so that
the plan sees the services as they are now.

    begin -> StartAttempt... -> on_first_token -> Relay -> on_complete -> Done
                      -> on_failure -> WakeAt -> on_timer -> StartAttempt (the same service, or the
                      next) ... -> ReplyFailure
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from pilotfish.core.model.outcome import CONTENT_POLICY, Failure, Outcome
from pilotfish.core.model.snapshot import Race
from pilotfish.core.routing.attempt_state import (
    LATE,
    MIN_SAMPLES,
    NO_SERVICE,
    QUEUE_POLL_S,
    RACE_LATE,
    RATE_LIMITED,
    REQUESTS_OWN,
    SAME_AGAIN,
    AttemptState,
)
from pilotfish.core.routing.commands import (
    BreakStream,
    Cancel,
    Command,
    Commands,
    Done,
    Relay,
    ReplyFailure,
    StartAttempt,
    WakeAt,
)
from pilotfish.core.routing.plan import Plan
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.race_history import score


class Dispatch:
    """`streams`: the answer comes in pieces, so first content and end are two things. `may_hedge`:
    the request stores nothing.
    """

    # How every request begins; most of it stays so.
    over = False
    attempts = 0
    retries = 0
    fallbacks = 0
    hedges = 0
    resumes = 0
    last_resort = False
    last: Failure | None = None
    relayed: int | None = None
    _declined: int | None = None  # the last attempt that was refused: an answer, if no other comes
    _again: AttemptState | None = None  # who is asked again when the backoff is over
    _awaited: Candidate | None = None  # who said when to come back
    _waiting_since: float | None = None
    _queued_until: float | None = None
    _at_start: list[tuple[int, Failure]] | None = (
        None  # while a race is lined up: who has failed meanwhile
    )

    def __init__(
        self, plan: Plan, *, deadline: float, streams: bool, may_hedge: bool = True
    ) -> None:
        self.plan, self.rule, self.deadline = plan, plan.rule, deadline
        self._streams = streams
        self._may_hedge = may_hedge and self.rule.hedge is not None
        self._running: dict[int, AttemptState] = {}
        self._timers: dict[str, float] = {}
        self._asked: defaultdict[int, int] = defaultdict(
            int
        )  # by service: how often, whatever the reason; another key is no retry
        self._keys_tried: defaultdict[int, int] = defaultdict(
            int
        )  # by service: how often another of its keys was taken
        self._racing = self.rule.race is not None

    # ---- events

    def begin(self, now: float) -> Iterable[Command]:
        self.plan.rule_state.retries.request(now)
        if self.rule.hedge is not None:
            self.plan.rule_state.hedges.request(now)
        return self._advance(now) if self.rule.race is None else self._line_up(self.rule.race, now)

    def _line_up(self, race: Race, now: float) -> Iterator[Command]:
        """A race's first participants. Each is started before the next is chosen: what it takes of
        the limits is gone for the others. Who fails while it is started is looked at when all are:
        until then it would be taken for the only one."""
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
            yield from self._advance(now)
        while failed_at_start:
            yield from self._failed(*failed_at_start.pop(0), now)
        self._at_start = None

    def on_first_token(self, n: int, now: float) -> Commands:
        """First content of this attempt."""
        attempt = self._running.get(n)
        if attempt is None or self.over or attempt.spoke_at is not None:
            return []
        attempt.spoke_at = now
        return [] if self.relayed is not None else self._candidate_won(attempt, now)

    def on_complete(self, n: int, now: float) -> Commands:
        """This attempt's answer is complete and good."""
        attempt = self._running.get(n)
        if attempt is None or self.over:
            return []
        attempt.complete = True
        if self.relayed == n:
            return self._done(n)
        if self.relayed is not None:
            return []
        if attempt.spoke_at is None:
            attempt.spoke_at = now
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
            return self._start(attempt.candidate, now, hedge=attempt.hedge)
        self.last = failure
        self._timers.pop("hedge", None)
        self._raced(attempt, now, won=False)
        if failure.outcome is Outcome.REFUSED and not self.resumes:
            self._declined = n
        if self.relayed == n:
            return self._broken(failure, resumable, now)
        if self.relayed is not None:
            return []
        if self._running:
            return self._one_of_several(failure, now)
        if (
            other_way
            and self.attempts < self.rule.retries.max_attempts
            and self._may_ask(attempt.candidate, now)
        ):
            return self._start(attempt.candidate, now, same=True)
        if self._declined is not None and CONTENT_POLICY not in self.rule.fallback_on:
            return self._give_up(now)  # a refusal is an answer, and nobody else is to be asked
        again = self._same_again(attempt, failure, now)
        if again is not None:
            return again
        if (
            failure.outcome in REQUESTS_OWN and not self.resumes
        ):  # a continuation's faults are ours, not the client's
            if failure.reason and failure.reason in self.rule.fallback_on:
                return self._advance(now, failure.reason)
            return self._give_up(now)
        return self._advance(now, CONTENT_POLICY if self._declined is not None else "")

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

    def on_deadline(self, now: float) -> Commands:
        """The request's own time is over."""
        if self.over:
            return []
        if any(t.complete for t in self._running.values()):
            return self._best(
                now, complete=True
            )  # a race that waited for a better answer than the one it has
        commands: Commands = [Cancel(n, Outcome.TIMEOUT) for n in self._running]
        self._running.clear()
        self.over = True
        # What the upstream said last is worth more to the client than our impatience, as long as
        # nothing was running just now.
        failure = LATE if commands or self.last is None else self.last
        if self._declined is not None and self.relayed is None and not self.resumes:
            return [*commands, Relay(self._declined), Done(self._declined)]
        return [
            *commands,
            BreakStream(LATE)
            if self.relayed is not None or self.resumes
            else ReplyFailure(failure, None),
        ]

    def on_client_disconnect(self) -> Commands:
        """The client is gone."""
        if self.over:
            return []
        self.over = True
        running, self._running = self._running, {}
        return [Cancel(t.n, Outcome.CLIENT_GONE) for t in running.values() if not t.complete]

    # ---- starting

    def _start(
        self,
        candidate: Candidate,
        now: float,
        *,
        same: bool = False,
        last_resort: bool = False,
        hedge: bool = False,
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
        attempt = self._running[n] = AttemptState(n, candidate, asked - 1, now, hedge)
        commands: Commands = [StartAttempt(n, candidate, last_resort, self.resumes > 0, hedge)]
        if self._may_hedge and not hedge and not self._racing and not self.resumes:
            after = self._hedge_after(attempt, now)
            if after is not None:
                self._timers["hedge"] = now + after
                commands.append(self._wake())
        return commands

    def _advance(self, now: float, reason: str = "") -> Commands:
        """The next service, a wait, or the end."""
        if self.attempts >= self.rule.retries.max_attempts or now >= self.deadline:
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
            # for another one's probe are not.
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
        outcome = failure.outcome
        if outcome in (Outcome.AUTH_FAILED, Outcome.RATE_LIMITED) and self._has_other_key(
            attempt.candidate, now
        ):
            if self.attempts >= self.rule.retries.max_attempts:
                return None
            self._keys_tried[id(attempt.candidate.state)] += 1
            return self._start(attempt.candidate, now, same=True)
        if outcome is Outcome.CONNECT_FAILED:
            allowed = min(1, self.rule.retries.max_retries)
        elif outcome in SAME_AGAIN or (
            outcome is Outcome.RATE_LIMITED and failure.wait_s is None and not self.plan.others(now)
        ):
            allowed = self.rule.retries.max_retries
        else:
            return None
        retries = self.rule.retries
        if (
            attempt.again >= allowed
            or self.attempts >= retries.max_attempts
            or not self.plan.rule_state.retries.is_free(now)
        ):
            return None
        if attempt.candidate.state.health.is_out(now) or (
            attempt.candidate.state.health.trips and self.plan.others(now)
        ):
            return None
        delay = 0.0 if outcome is Outcome.CONNECT_FAILED else self._backoff(attempt.again)
        if failure.wait_s is not None and failure.wait_s > delay:
            if self.plan.others(now):
                return None  # a wait that it asks for is spent only where nobody else is usable
            delay = failure.wait_s
        if delay > retries.max_s * (1 + retries.jitter) or now + delay >= self.deadline:
            return None
        self.plan.rule_state.retries.take(now)
        self._again = attempt
        self._timers["backoff"] = now + delay
        return [self._wake()] if delay else self.on_timer(now)

    def _has_other_key(self, candidate: Candidate, now: float) -> bool:
        others = len(candidate.service.provider.tokens) - 1
        # Counted, since a key that is told to wait for no time at all is at once as good as
        # another.
        return self._keys_tried[id(candidate.state)] < others and self._may_ask(candidate, now)

    def _may_ask(self, candidate: Candidate, now: float) -> bool:
        """Once more: others may have been told to stay away from it since, or have taken what our
        limits leave.
        """
        return not candidate.state.health.is_out(now) and self.plan.has_room(candidate, now)

    def _backoff(self, again: int) -> float:
        retries = self.rule.retries
        delay = min(retries.max_s, float(retries.base_s * 2**again))
        return delay * self.plan.rng.uniform(1 - retries.jitter, 1 + retries.jitter)

    # ---- timers

    def _wake(self) -> WakeAt:
        return WakeAt(min(self._timers.values()))

    def _backoff_over(self, now: float) -> Commands:
        attempt, self._again = self._again, None
        if attempt is None or self._running:
            return []
        if not self._may_ask(attempt.candidate, now):
            return self._advance(now)
        self.retries += 1
        return self._start(attempt.candidate, now)

    def _comeback_over(self, now: float) -> Commands:
        candidate, self._awaited = self._awaited, None
        if candidate is None or self._running:
            return []
        health = candidate.state.health
        if health.is_due(now) and self.plan.has_room(candidate, now):
            if self.attempts >= self.rule.retries.max_attempts:
                return self._give_up(now)
            self.retries += self._asked[id(candidate.state)] > 0
            return self._start(candidate, now)
        self.plan.try_again(candidate)
        return self._advance(now)

    def _queue_over(self, now: float) -> Commands:
        return [] if self._running else self._advance(now)

    def _hedge_over(self, now: float) -> Commands:
        if (
            self.relayed is not None
            or len(self._running) != 1
            or self.attempts >= self.rule.retries.max_attempts
        ):
            return []
        if not self.plan.rule_state.hedges.is_free(now) or not self.plan.others(now):
            return []
        candidate = self.plan.next(now)
        if candidate is None:
            return []
        self.plan.rule_state.hedges.take(now)
        self.hedges += 1
        return self._start(candidate, now, hedge=True)

    def _hedge_after(self, attempt: AttemptState, now: float) -> float | None:
        hedge = self.rule.hedge
        if hedge is None:
            return None
        if hedge.after_s is not None:
            return max(hedge.after_s, hedge.min_s)
        samples = attempt.candidate.state.ttft if self._streams else attempt.candidate.state.latency
        late = (
            samples.percentile(hedge.percentile, now) if samples.count(now) >= MIN_SAMPLES else None
        )
        return None if late is None else max(late, hedge.min_s)

    def _race_over(self, now: float) -> Commands:
        if any(t.spoke_at is not None for t in self._running.values()):
            return self._best(now)
        if self.relayed is not None:
            return []
        for attempt in self._running.values():
            self._raced(attempt, now, won=False)
        commands: Commands = [Cancel(n, Outcome.TIMEOUT) for n in self._running]
        self._running.clear()
        if commands or self.last is None:  # between two attempts, what the last one said tells more
            self.last = RACE_LATE
        return commands + self._give_up(now)

    # ---- winning

    def _candidate_won(self, attempt: AttemptState, now: float) -> Commands:
        """It has something for the client: relayed at once, unless the race's strategy waits for
        others.
        """
        race = self.rule.race
        if race is None or not self._racing or race.strategy == "first_wins":
            return self._relay(attempt, now)
        waiting = [t for t in self._running.values() if t.spoke_at is None]
        if not waiting:
            return self._best(now)
        if race.strategy == "weighted" and "grace" not in self._timers:
            self._timers["grace"] = now + race.grace_s
            return [self._wake()]
        return []

    def _best(self, now: float, *, complete: bool = False) -> Commands:
        """The winner of those that have spoken. `complete`: of those whose answer is complete."""
        race = self.rule.race
        ready = [
            t
            for t in self._running.values()
            if (t.complete if complete else t.spoke_at is not None)
        ]
        if not ready or race is None:
            return []

        def merit(t: AttemptState) -> tuple[float, int, float]:
            rate = self._win_rate(t, now)
            spoke_at = t.spoke_at if t.spoke_at is not None else now
            return (
                score(race.strategy, rate, spoke_at - t.began),
                t.candidate.service.priority,
                -spoke_at,
            )

        return self._relay(max(ready, key=merit), now)

    def _relay(self, attempt: AttemptState, now: float) -> Commands:
        """It has won. Where the rule buffers, the client gets it when it is complete: until then
        another service can start anew.
        """
        if self._timers:
            for name in ("hedge", "grace", "race"):
                self._timers.pop(name, None)
        losers = (
            [t for t in self._running.values() if t is not attempt]
            if len(self._running) > 1
            else []
        )
        for t in losers:
            self._raced(t, now, won=False)
            del self._running[t.n]
        self._raced(attempt, now, won=True)
        self._racing = False
        commands: Commands = (
            [Cancel(t.n, Outcome.LOST_RACE) for t in losers if not t.complete] if losers else []
        )
        if self.rule.buffer and self._streams and not attempt.complete:
            return commands
        self.relayed = attempt.n
        commands.append(Relay(attempt.n))
        return commands + self._done(attempt.n) if attempt.complete else commands

    def _raced(self, attempt: AttemptState, now: float, *, won: bool) -> None:
        if self._racing and self.plan.history is not None:
            self.plan.history.record(self.rule.name, attempt.candidate.service.id).add(won, now)

    def _win_rate(self, attempt: AttemptState, now: float) -> float:
        history = self.plan.history
        return (
            history.record(self.rule.name, attempt.candidate.service.id).win_rate(now)
            if history is not None
            else 0.5
        )

    def _one_of_several(self, failure: Failure, now: float) -> Commands:
        """One of a race or of a hedged pair failed while others run. In a race another service
        takes its place, unless the request itself was refused: who runs already may see it
        otherwise, nobody else is asked."""
        reason = failure.reason if failure.reason in self.rule.fallback_on else ""
        if (
            self._racing
            and self.attempts < self.rule.retries.max_attempts
            and (failure.outcome not in REQUESTS_OWN or reason)
        ):
            candidate = self.plan.next(now, reason)
            if candidate is not None:
                return self._start(candidate, now)
        if self._racing and all(t.spoke_at is not None for t in self._running.values()):
            return self._best(now)
        return []

    # ---- ending

    def _broken(self, failure: Failure, resumable: bool, now: float) -> Commands:
        self.relayed = None
        self._timers.clear()
        may = (
            self.rule.on_stream_break == "continue"
            and resumable
            and self.attempts < self.rule.retries.max_attempts
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
            told = (
                self.plan.earliest_retry_after(now) is not None
                or self.plan.room_at(now) is not None
            )
            failure = RATE_LIMITED if told else NO_SERVICE
        return [ReplyFailure(failure, wait)]

    def _done(self, n: int) -> Commands:
        self.over = True
        self._timers.clear()
        self._running.pop(n, None)
        return [Done(n)]


_ON_TIMER: dict[str, Callable[[Dispatch, float], Commands]] = {
    "backoff": Dispatch._backoff_over,
    "comeback": Dispatch._comeback_over,
    "queue": Dispatch._queue_over,
    "hedge": Dispatch._hedge_over,
    "grace": Dispatch._best,
    "race": Dispatch._race_over,
}
