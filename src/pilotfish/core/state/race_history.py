"""Who won races, with a memory that fades: the scores of `weighted` and `quality` (seeds A7)."""

from __future__ import annotations

HALF_LIFE_S = 3600.0
UNKNOWN = 0.5


class RaceRecord:
    """Wins and losses of one service, each worth half after an hour."""

    __slots__ = ("_at", "losses", "wins")

    def __init__(self) -> None:
        self.wins = self.losses = 0.0
        self._at = 0.0

    def _decay(self, now: float) -> None:
        if now > self._at:
            factor = 0.5 ** ((now - self._at) / HALF_LIFE_S)
            self.wins *= factor
            self.losses *= factor
            self._at = now

    def add(self, won: bool, now: float) -> None:
        self._decay(now)
        if won:
            self.wins += 1
        else:
            self.losses += 1

    def win_rate(self, now: float) -> float:
        """0.5 for a service that nobody has seen race, and near it again when all that was seen is
        long ago.
        """
        self._decay(now)
        # Two imagined races, one won: the first real one does not decide everything.
        return (
            (self.wins + 1) / (self.wins + self.losses + 2) if self.wins + self.losses else UNKNOWN
        )

    def dump(self, now: float) -> tuple[float, float]:
        self._decay(now)
        return self.wins, self.losses

    def load(self, wins: float, losses: float, now: float) -> None:
        self.wins, self.losses, self._at = wins, losses, now


class RaceHistory:
    """Records by (rule or virtual model, service id)."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], RaceRecord] = {}

    def record(self, rule: str, service: str) -> RaceRecord:
        key = (rule, service)
        found = self.records.get(key)
        if found is None:
            found = self.records[key] = RaceRecord()
        return found

    def keep(self, rules: set[str]) -> None:
        """Forget rules that went."""
        for key in [k for k in self.records if k[0] not in rules]:
            del self.records[key]


def score(strategy: str, win_rate: float, latency_s: float) -> float:
    """`weighted`: win rate over (1 + latency in seconds); `quality`: win rate squared."""
    return win_rate * win_rate if strategy == "quality" else win_rate / (1.0 + latency_s)
