"""The circuit breaker of one service, or of one credential: serving -> cooling until T -> probing
(on trial) -> serving.

It must never make an outage longer than the upstream does. So a request counts against a service
once, cooldowns are small and grow only when a trial has failed, and a trial is any live request
once the cooldown is over. It sends nothing and waits for nothing.
"""

from __future__ import annotations

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import CooldownRules, HealthRules
from pilotfish.core.state.statistics import Ratio

SERVING, COOLING, PROBING = "serving", "cooling", "probing"

# Outcomes that count against a service. Errors of the client, and its departure, do not.
ERRORS = frozenset(
    {
        Outcome.OVERLOADED,
        Outcome.SERVER_ERROR,
        Outcome.CONNECT_FAILED,
        Outcome.TIMEOUT,
        Outcome.NOT_FOUND,
        Outcome.BROKEN_STREAM,
    }
)
# Outcomes that take a service out without a threshold.
AT_ONCE = frozenset({Outcome.RATE_LIMITED, Outcome.AUTH_FAILED})
# The error ratio is considered only with this many requests in its window.
RATIO_REQUESTS = 20
# What an upstream asks for is obeyed exactly, but not beyond this.
MAX_RETRY_AFTER_S = 3600.0
# A service that has served this long, or twice its last time out if that is longer, begins at the
# first step again.
CLEAN_AFTER_S = 60.0
# How often in a row a background probe may prolong a cooldown before a trial is let in anyway.
MAX_PROLONGED = 3


class Health:
    """The health of one service or credential. Times are seconds on the clock of `now`.

    `out`: since `since`, until `until` and on trial from then on. `reason` and `outcome`: why.
    `consecutive`: requests in a row that ended in an error. `trips`: times out since the record was
    clean. `step`: how many trials have failed since then, which lengthens the cooldown.
    `retry_after_given`: `until` is what the upstream asked for (or our own step after a 429 without
    a hint), so it is not asked before, not even as the last resort. `refused`: its credentials were
    refused. `trial`: a live request is trying it, since `trial_at`.
    `prolonged`: by how many probes in a row.
    """

    __slots__ = (
        "back_at",
        "consecutive",
        "last_out_s",
        "out",
        "outcome",
        "prolonged",
        "ratio",
        "reason",
        "refused",
        "retry_after_given",
        "since",
        "step",
        "trial",
        "trial_at",
        "trips",
        "until",
    )

    def __init__(self) -> None:
        self.out = False
        self.since = float("-inf")
        self.until = 0.0
        self.reason = ""
        self.outcome: Outcome | None = None
        self.consecutive = self.trips = self.step = self.prolonged = 0
        self.retry_after_given = self.refused = self.trial = False
        self.back_at = float("-inf")
        self.last_out_s = self.trial_at = 0.0
        self.ratio = Ratio()

    # ---- questions

    def state(self, now: float) -> str:
        if not self.out:
            return SERVING
        return PROBING if self.until <= now else COOLING

    def is_due(self, now: float) -> bool:
        """Whether the cooldown is over, so that a request may try it."""
        return self.out and self.until <= now

    def may_be_asked(self, now: float) -> bool:
        """Serving, or due and not being tried by another request."""
        return not self.out or (self.until <= now and not self.trial)

    def must_wait(self, now: float) -> bool:
        """Whether it must not be asked even as the last resort: what it asked for has not passed,
        or it refused the credentials.
        """
        return self.out and (self.refused or (self.retry_after_given and self.until > now))

    def is_clean(self, now: float) -> bool:
        """Whether it has served so long that what went before is forgotten."""
        return now - self.back_at >= max(CLEAN_AFTER_S, 2.0 * self.last_out_s)

    # ---- events

    def begin_trial(self, now: float) -> None:
        """A request tries it. Others leave it alone until the trial has ended."""
        self.trial, self.trial_at = True, now

    def end_trial(self) -> None:
        """The trial has ended without a verdict, since its client left or was at fault."""
        self.trial = False

    def succeeded(self, began: float, now: float, *, trial: bool) -> bool:
        """A request that began at `began` was served, or had its first content. Returns whether
        that brought it back: success of a request sent before it went out does not.
        """
        self.ratio.add(False, now)
        if not self.out:
            self.consecutive = 0
            return False
        if not trial and began < self.since:
            return False
        self.come_back(now)
        return True

    def come_back(self, now: float) -> None:
        """Serving again. The step is kept until it has served for a while."""
        if self.out:
            self.last_out_s, self.back_at = now - self.since, now
        self.out = self.trial = self.retry_after_given = self.refused = False
        self.reason, self.outcome = "", None
        self.consecutive = self.prolonged = 0
        self.until = 0.0
        self.ratio.clear()

    def reset(self, now: float) -> None:
        """Serving again with a clean record: by hand, or since the credential was replaced."""
        self.come_back(now)
        self.trips = self.step = 0

    def failed(
        self,
        outcome: Outcome,
        *,
        wait_s: float | None,
        reason: str,
        began: float,
        now: float,
        trial: bool,
        health: HealthRules,
        cooldown: CooldownRules,
    ) -> bool:
        """A request that began at `began` ended in an error. Returns whether this took it out, or
        began another cooldown. `wait_s`: the upstream's retry-after in seconds, None without one.
        """
        if outcome not in ERRORS and outcome not in AT_ONCE:
            return False
        if self.out:
            if trial:
                self.step += wait_s is None
                self._go_out(outcome, wait_s, reason, now, health, cooldown)
                return True
            # Sent before it went out, or as the last resort: neither escalates nor prolongs. A
            # retry-after only grows.
            if outcome is Outcome.RATE_LIMITED and wait_s is not None:
                self.until = max(self.until, now + min(wait_s, MAX_RETRY_AFTER_S))
                self.retry_after_given = True
            return False
        self.ratio.add(True, now)
        self.consecutive += 1
        if outcome not in AT_ONCE and not self._too_many(now, health):
            return False
        if self.is_clean(now):
            self.step = self.trips = 0
        self._go_out(outcome, wait_s, reason, now, health, cooldown)
        return True

    def _too_many(self, now: float, health: HealthRules) -> bool:
        if self.consecutive >= health.consecutive_error_threshold:
            return True
        requests, errors = self.ratio.read(now)
        return requests >= RATIO_REQUESTS and errors >= requests * health.error_ratio

    def _go_out(
        self,
        outcome: Outcome,
        wait_s: float | None,
        reason: str,
        now: float,
        health: HealthRules,
        cooldown: CooldownRules,
    ) -> None:
        if wait_s is not None:
            delay = min(wait_s, MAX_RETRY_AFTER_S)
        elif health.recovery_timeout_s is not None:
            delay = health.recovery_timeout_s
        else:
            delay = cooldown_delay(self.step, cooldown)
        if not self.out:
            self.since = now
        self.out, self.trial = True, False
        self.trips += 1
        self.prolonged = 0
        self.until = max(self.until, now + delay)
        self.retry_after_given = outcome is Outcome.RATE_LIMITED or wait_s is not None
        self.refused = outcome is Outcome.AUTH_FAILED
        self.outcome, self.reason = outcome, reason or str(outcome)

    def prolong(self, now: float, health: HealthRules, cooldown: CooldownRules) -> bool:
        """A background probe says "not yet": the cooldown goes on for the same step. Returns False
        where it may not, since a request is trying it or was let in already, or it has been
        prolonged too often.
        """
        if not self.is_due(now) or self.trial or self.prolonged >= MAX_PROLONGED:
            return False
        self.prolonged += 1
        delay = health.recovery_timeout_s
        self.until = now + (cooldown_delay(self.step, cooldown) if delay is None else delay)
        return True

    def force_cooldown(
        self, until: float, reason: str, now: float, *, retry_after_given: bool = True
    ) -> bool:
        """Takes over a cooldown from another replica. `retry_after_given`: it is the upstream's own
        retry-after. Returns whether the cooldown became longer.
        """
        if until <= now or (self.out and self.until >= until):
            return False
        self.retry_after_given = retry_after_given or (self.retry_after_given and self.out)
        if not self.out:
            self.since = now
        self.out, self.until = True, until
        self.outcome = Outcome.RATE_LIMITED if retry_after_given else Outcome.OVERLOADED
        self.reason = reason
        return True


def cooldown_delay(step: int, cooldown: CooldownRules) -> float:
    """Length in seconds of a cooldown after `step` failed trials: base x multiplier^step, at most
    the maximum.
    """
    if step > 32:  # where the power may overflow
        return cooldown.max_delay_s
    return float(min(cooldown.max_delay_s, cooldown.base_delay_s * cooldown.multiplier**step))
