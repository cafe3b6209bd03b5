"""The circuit breaker of one service, or of one credential: serving -> cooling -> probing ->
serving.

It sends no probe and waits for nothing: `is_due` says when a probe is due, and `succeeded` or
`failed` take its result.
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
# The error ratio is considered only with this many attempts in its window.
RATIO_ATTEMPTS = 20


class Health:
    """The health of one service or credential. Times are seconds on the clock of `now`.

    `state`: `serving`, `cooling` or `probing`. `until`: the end of the cooldown. `reason` and
    `outcome`: why it went out. `consecutive`: errors in a row. `trips`: how often in a row it went
    out, which lengthens the cooldown. `retry_after_given`: `until` is the upstream's own
    retry-after, so it is not asked before, not even as the last resort. `refused`: its credentials
    were refused. `tripped_at`: when it last went out; kept after recovery.
    """

    __slots__ = (
        "consecutive",
        "outcome",
        "ratio",
        "reason",
        "refused",
        "retry_after_given",
        "state",
        "tripped_at",
        "trips",
        "until",
    )

    def __init__(self) -> None:
        self.state = SERVING
        self.until = 0.0
        self.reason = ""
        self.outcome: Outcome | None = None
        self.consecutive = 0
        self.trips = 0
        self.retry_after_given = self.refused = False
        self.ratio = Ratio()
        self.tripped_at = float("-inf")

    # ---- questions

    def is_due(self, now: float) -> bool:
        """Whether the cooldown is over and a probe is due."""
        return self.state == COOLING and self.until <= now

    def is_out(self, now: float) -> bool:
        """Whether it must not be asked even as the last resort: it gave a retry-after that has not
        passed, or refused the credentials.
        """
        return self.state != SERVING and (
            self.refused or (self.retry_after_given and self.until > now)
        )

    # ---- events

    def succeeded(self, began: float, now: float) -> bool:
        """An attempt that began at `began` was served. Returns whether the state changed: success
        of an attempt sent before the trip does not end the cooldown.
        """
        self.ratio.add(False, now)
        if self.state == SERVING:
            self.consecutive = 0
            if self.trips:
                self.trips = 0
            return False
        if began < self.tripped_at:
            return False
        self.recover()
        return True

    def recover(self) -> None:
        """Serving again with a clean record: after a success, a good probe, or a reset by hand."""
        self.state, self.reason, self.outcome = SERVING, "", None
        self.consecutive = self.trips = 0
        self.retry_after_given = self.refused = False
        self.until = 0.0
        self.ratio.clear()

    def failed(
        self,
        outcome: Outcome,
        *,
        wait_s: float | None,
        reason: str,
        began: float,
        now: float,
        health: HealthRules,
        cooldown: CooldownRules,
    ) -> bool:
        """An attempt that began at `began` failed. Returns whether this took the service out, or
        lengthened its cooldown. `wait_s`: the upstream's retry-after in seconds, None without one.
        """
        if outcome not in ERRORS and outcome not in AT_ONCE:
            return False
        self.ratio.add(True, now)
        self.consecutive += 1
        if self.state != SERVING and began < self.tripped_at:
            # Sent before the trip: a burst of failures is one trip. Only a longer retry-after
            # counts.
            if outcome is Outcome.RATE_LIMITED and wait_s is not None:
                self.until = max(self.until, now + min(wait_s, cooldown.max_delay_s))
                self.retry_after_given = True
            return False
        if self.state == SERVING and outcome not in AT_ONCE and not self._too_many(now, health):
            return False
        self._trip(outcome, wait_s, reason, now, health, cooldown)
        return True

    def _too_many(self, now: float, health: HealthRules) -> bool:
        if self.consecutive >= health.consecutive_error_threshold:
            return True
        attempts, errors = self.ratio.read(now)
        return attempts >= RATIO_ATTEMPTS and errors >= attempts * health.error_ratio

    def _trip(
        self,
        outcome: Outcome,
        wait_s: float | None,
        reason: str,
        now: float,
        health: HealthRules,
        cooldown: CooldownRules,
    ) -> None:
        self.trips += 1
        if wait_s is not None:
            delay = min(wait_s, cooldown.max_delay_s)
        elif health.recovery_timeout_s is not None:
            delay = health.recovery_timeout_s
        else:
            delay = cooldown_delay(self.trips, cooldown)
        self.state = COOLING
        self.until = max(self.until, now + delay)
        self.retry_after_given = wait_s is not None
        self.refused = outcome is Outcome.AUTH_FAILED
        self.outcome, self.reason = outcome, reason or str(outcome)
        self.tripped_at = now

    def force_cooldown(
        self, until: float, reason: str, now: float, *, retry_after_given: bool = True
    ) -> bool:
        """Takes over a cooldown from another replica. `retry_after_given`: it is the upstream's own
        retry-after. Returns whether the cooldown became longer.
        """
        if until <= now or (self.state != SERVING and self.until >= until):
            return False
        self.retry_after_given = retry_after_given or (
            self.retry_after_given and self.state != SERVING
        )
        self.state, self.until = COOLING, until
        self.outcome, self.reason = (
            Outcome.RATE_LIMITED if retry_after_given else Outcome.OVERLOADED,
            reason,
        )
        self.tripped_at = now
        return True

    def probe(self) -> None:
        """A probe is under way, in the background or as a live request. Other requests leave the
        service alone until it ends.
        """
        self.state = PROBING

    def abandon_probe(self) -> None:
        """The probe ended without a result, since its client left or its request was at fault.
        Another one is due.
        """
        if self.state == PROBING:
            self.state = COOLING


def cooldown_delay(trips: int, cooldown: CooldownRules) -> float:
    """Length in seconds of the `trips`-th cooldown in a row: base x multiplier^(trips - 1), at most
    the maximum.
    """
    if trips > 32:  # where the power may overflow
        return cooldown.max_delay_s
    return float(
        min(cooldown.max_delay_s, cooldown.base_delay_s * cooldown.multiplier ** (trips - 1))
    )
