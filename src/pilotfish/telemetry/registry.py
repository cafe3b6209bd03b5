"""Metrics as plain numbers: registry, families and children in the terms of prometheus-client, but
without its locks, since one thread observes and exposes. `exposition` turns them into the client
library's metric families at a scrape.

Code that observes often keeps the child; looking a child up by its labels is for rare events.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from pilotfish.core.model.cost_owner import NOBODY, CostOwner
from pilotfish.telemetry.series import CATALOGUE, DETAILED, INJECTOR_ONLY, OWNED, Series

Labels = tuple[str, ...]
# How much is told: all series; of counters and histograms those that counted something; of those
# without the detailed histograms (`series.DETAILED`).
Detail = Literal["full", "used", "small"]
# Where nothing is asked for, all series of so many services are told, from the start; of more only
# what was used: two hundred of them would be 5 MB a scrape, and most rules never see a request.
FEW_SERVICES = 20


class Counter:
    """A total that only grows. The hot path adds to `value` directly."""

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
    """`counts` holds the observations of each bucket, not cumulative; the last one is above all
    `bounds`. `exemplars` maps a bucket's index to the last (trace id, value, Unix time) seen in it.
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


Child = Counter | Gauge | Histogram


class Family:
    """All children of one series, by the values of its labels."""

    __slots__ = ("children", "series")

    def __init__(self, series: Series) -> None:
        self.series = series
        self.children: dict[Labels, Any] = {}

    def used(self) -> list[tuple[Labels, Child]]:
        """Children that counted something; of gauges all, since 0 says something too."""
        match self.series.kind:
            case "gauge":
                return list(self.children.items())
            case "histogram":
                return [pair for pair in self.children.items() if any(pair[1].counts)]
        return [pair for pair in self.children.items() if pair[1].value]

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
        """Drops the children whose labels are not `wanted`, such as those of a removed service."""
        for labels in [at for at in self.children if not wanted(at)]:
            del self.children[labels]


PROXY = tuple(s for s in CATALOGUE if s not in INJECTOR_ONLY)


class Registry:
    """One family for each series of a catalogue, by default the proxy's.

    `before_scrape`: called at the start of a scrape; they set gauges of what changes by itself,
    such as the time left of a cooldown. `detail`: how much of it is told; None: as many services
    allow (`serves`). `exemplars`: whether a scraper reads exemplars, so that histograms remember
    trace ids.
    """

    def __init__(
        self,
        series: Iterable[Series] = PROXY,
        *,
        detail: Detail | None = None,
        owner: CostOwner = NOBODY,
    ) -> None:
        self.detail: Detail = detail or "full"
        self._asked = detail
        self.families = {s.name: Family(s) for s in series}
        self.before_scrape: list[Callable[[], None]] = []
        self.owner = owner.metric_labels()  # labels that say whose costs they are
        self.exemplars = False

    def serves(self, services: int) -> None:
        """So many services are configured."""
        if self._asked is None:
            self.detail = "full" if services <= FEW_SERVICES else "used"

    def __getitem__(self, series: Series) -> Family:
        return self.families[series.name]

    def shown(self) -> Iterator[tuple[Series, list[tuple[Labels, Child]]]]:
        """Each family that is told, with its children as they are now. Children may come and go
        while somebody reads.
        """
        for family in self.families.values():
            series = family.series
            if self.detail == "full":
                yield series, list(family.children.items())
            elif self.detail == "used" or series not in DETAILED:
                yield series, family.used()

    def owner_of(self, series: Series) -> dict[str, str]:
        """Whose costs they are, if it tells costs: labels beside its own."""
        return self.owner if series in OWNED else {}
