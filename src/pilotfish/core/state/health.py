"""The state machine of one service, or of one credential: serving -> cooling until T -> probing ->
serving (seeds A2).

It never sends a probe and never waits: it says that one is due, and is told how it went.
"""

from __future__ import annotations

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import CooldownRules, HealthRules
from pilotfish.core.state.statistics import Ratio

SERVING, COOLING, PROBING = "serving", "cooling", "probing"

# Outcomes that say something bad about the service. The client's own faults and departures do not.
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
AT_ONCE = frozenset({Outcome.RATE_LIMITED, Outcome.AUTH_FAILED})
RATIO_ATTEMPTS = 20  # fewer attempts in the window say nothing about a share


class Health:
    """`until`, like every time here, is in the seconds of the `now` that is passed in.

    `retry_after_given`: the service said itself when to come back, so it is not asked before, not
    even when all others are out. `refused`: its credentials were refused. `tripped_at`: when it
    last went out, kept after its recovery.
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
        """Its time out is over, and somebody must find out how it is."""
        return self.state == COOLING and self.until <= now

    def is_out(self, now: float) -> bool:
        """Told to stay away, or refused: not to be asked even where everything else is out."""
        return self.state != SERVING and (
            self.refused or (self.retry_after_given and self.until > now)
        )

    # ---- what happened

    def succeeded(self, began: float, now: float) -> bool:
        """True if the state changed. A late success of a request sent before the trip ends no
        cooling.
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
        """Serving again with a clean record (success, a good probe, or reset by hand)."""
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
        """True if this tripped it (or prolonged its time out). `wait_s` is what the service asked
        for itself.
        """
        if outcome not in ERRORS and outcome not in AT_ONCE:
            return False
        self.ratio.add(True, now)
        self.consecutive += 1
        if self.state != SERVING and began < self.tripped_at:
            # Sent before the trip: one burst is one trip. Only a longer wait that it asks for
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
        """Another replica found that it must be left alone until then (`retry_after_given`: by its
        own word); true if that is news.
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
        """One probe is under way, in the background or as a live request; others wait for its
        word.
        """
        self.state = PROBING

    def abandon_probe(self) -> None:
        """The probe said nothing (its client left, its bytes were the client's fault): due
        again.
        """
        if self.state == PROBING:
            self.state = COOLING


def cooldown_delay(trips: int, cooldown: CooldownRules) -> float:
    """Seconds out after the `trips`-th trip in a row: base x multiplier^(trips-1), at most the
    maximum.
    """
    if trips > 32:  # no overflow of a float power, whatever the multiplier
        return cooldown.max_delay_s
    return float(
        min(cooldown.max_delay_s, cooldown.base_delay_s * cooldown.multiplier ** (trips - 1))
    )
