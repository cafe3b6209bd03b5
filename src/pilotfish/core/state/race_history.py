"""Wins and losses in races, which decay over time, and the scores that the race strategies
`weighted` and `quality` make of them.
"""

from __future__ import annotations

HALF_LIFE_S = 3600.0
UNKNOWN = 0.5
LATENCY_SHARE = 0.1  # of each race in the average


class RaceRecord:
    """Wins and losses of one service; each counts half after `HALF_LIFE_S`. `total`: all its races.
    `latency_s`: a moving average of what it took to show something; `last_at`: its last race. Both
    are None before the first.
    """

    __slots__ = ("_at", "last_at", "latency_s", "losses", "total", "wins")

    def __init__(self) -> None:
        self.wins = self.losses = 0.0
        self._at = 0.0
        self.total = 0
        self.latency_s: float | None = None
        self.last_at: float | None = None

    def _decay(self, now: float) -> None:
        if now > self._at:
            factor = 0.5 ** ((now - self._at) / HALF_LIFE_S)
            self.wins *= factor
            self.losses *= factor
            self._at = now

    def add(self, won: bool, now: float, latency_s: float | None = None) -> None:
        """Counts one race. `latency_s`: until it had something to show, or was beaten."""
        self._decay(now)
        self.total += 1
        self.last_at = now
        if latency_s is not None:
            known = self.latency_s
            self.latency_s = (
                latency_s if known is None else known + LATENCY_SHARE * (latency_s - known)
            )
        if won:
            self.wins += 1
        else:
            self.losses += 1

    def win_rate(self, now: float) -> float:
        """The share of races won, 0..1; 0.5 for a service without races, and near 0.5 again when
        its races are long past.
        """
        self._decay(now)
        # One imaginary win and one loss are added, so that the first race does not decide alone.
        return (
            (self.wins + 1) / (self.wins + self.losses + 2) if self.wins + self.losses else UNKNOWN
        )

    def dump(self, now: float) -> tuple[float, float]:
        """(wins, losses) as of `now`."""
        self._decay(now)
        return self.wins, self.losses

    def load(self, wins: float, losses: float, now: float) -> None:
        """Takes over what `dump` gave at `now`."""
        self.wins, self.losses, self._at = wins, losses, now


class RaceHistory:
    """Records by (rule or virtual model, service id)."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], RaceRecord] = {}

    def record(self, rule: str, service: str) -> RaceRecord:
        """The record of a service (its id) in a rule, made on first use."""
        key = (rule, service)
        found = self.records.get(key)
        if found is None:
            found = self.records[key] = RaceRecord()
        return found

    def keep(self, rules: set[str]) -> None:
        """Drops the records of all rules but these."""
        for key in [k for k in self.records if k[0] not in rules]:
            del self.records[key]


def score(strategy: str, win_rate: float, latency_s: float) -> float:
    """The score of a participant: win rate / (1 + latency in seconds) for `weighted`, win rate
    squared for `quality`.
    """
    return win_rate * win_rate if strategy == "quality" else win_rate / (1.0 + latency_s)
