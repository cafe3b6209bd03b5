"""Metrics as plain numbers: one thread writes them, no lock, and a scrape writes them out
(`telemetry.exposition`).

Who counts something often keeps the child; a look-up by labels is for what is rare.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from pilotfish.telemetry.process import Figure
from pilotfish.telemetry.series import CATALOGUE, INJECTOR_ONLY, Series

Labels = tuple[str, ...]


class Counter:
    """A total that only grows; the hot path adds to `value` itself."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, by: float = 1.0) -> None:
        self.value += by


class Gauge:
    """A value that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        self.value = value


class Histogram:
    """Counts per bucket, not summed up until scraped. `exemplars` holds the last trace id seen in
    each bucket.
    """

    __slots__ = ("_bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, tuple[str, float, float]] = {}

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def observe_traced(self, value: float, trace_id: str, wall: float) -> None:
        at = bisect_left(self._bounds, value)
        self.counts[at] += 1
        self.total += value
        self.exemplars[at] = (trace_id, value, wall)


class Family:
    """All children of one series."""

    __slots__ = ("children", "series")

    def __init__(self, series: Series) -> None:
        self.series = series
        self.children: dict[Labels, Any] = {}

    def counter(self, *labels: str) -> Counter:
        child = self.children.get(labels)
        if child is None:
            child = self.children[labels] = Counter()
        return child

    def gauge(self, *labels: str) -> Gauge:
        child = self.children.get(labels)
        if child is None:
            child = self.children[labels] = Gauge()
        return child

    def histogram(self, *labels: str) -> Histogram:
        child = self.children.get(labels)
        if child is None:
            child = self.children[labels] = Histogram(self.series.buckets)
        return child

    def keep(self, wanted: Callable[[Labels], bool]) -> None:
        """Series of what was removed go."""
        for labels in [at for at in self.children if not wanted(at)]:
            del self.children[labels]


PROXY = tuple(s for s in CATALOGUE if s not in INJECTOR_ONLY)


class Registry:
    """Every family of the catalogue. `before_scrape` are called first: gauges of what changes by
    itself, such as time left.

    `exemplars`: somebody reads them, so histograms remember trace ids. `figures` are read at a
    scrape: the process's own.
    """

    def __init__(self, series: Iterable[Series] = PROXY) -> None:
        self.families = {s.name: Family(s) for s in series}
        self.before_scrape: list[Callable[[], None]] = []
        self.figures: Callable[[], Iterable[Figure]] = lambda: ()
        self.exemplars = False

    def __getitem__(self, series: Series) -> Family:
        return self.families[series.name]
