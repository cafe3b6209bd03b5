"""What a query is to show: values by legend, exact or within a bucket, and how an answer of
Prometheus is held against it.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Literal

# stands for Grafana's $__rate_interval: the whole run lies in it, so a rate is the count divided by
# this
WINDOW_S = 600
# Prometheus extrapolates an increase by up to a scrape's distance, where a series did not begin
# with 0.
NEAR = 0.04

Others = Literal["absent", "zero", "idle"]


@dataclass(frozen=True)
class Within:
    """Above `low`, and no more than `high`: as a histogram's bucket is."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low < value <= self.high


@dataclass(frozen=True)
class Shows:
    """Values by legend. `others`: what legends that are not named are to be; `idle`: a percentile
    of nothing, which Grafana leaves out. `maybe`: legends that may be missing, and hold this if
    they are there.
    """

    values: dict[str, float | Within]
    others: Others = "absent"
    maybe: dict[str, Within] = field(default_factory=dict)


def bucket(bounds: tuple[float, ...], value: float, *, up_to: float = 0.0) -> Within:
    """A percentile whose measurements are of this size: it lies in their bucket. `up_to`: or in one
    further on, up to that of this size, where a single late measurement on a busy machine would
    move it."""
    low, high = bisect_left(bounds, value), bisect_left(bounds, max(value, up_to))
    return Within(bounds[low - 1] if low else 0.0, bounds[min(high, len(bounds) - 1)])


def rates(counts: dict[str, float], others: Others = "zero", *, times: float = 1.0) -> Shows:
    """So many of each in the whole run, as a rate; none of the others, which have their series all
    the same.
    """
    return Shows({legend: count * times / WINDOW_S for legend, count in counts.items()}, others)


def legend_of(template: str, labels: dict[str, str]) -> str:
    """A series' name as Grafana writes it."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda label: labels.get(label[1], ""), template).strip()


def differences(expected: Shows, template: str, answer: list[dict[str, Any]]) -> list[str]:
    """What is not as it should be, one sentence each; empty: all is."""
    found: dict[str, float] = {}
    wrong = []
    for sample in answer:
        legend = legend_of(template, sample["metric"])
        if legend in found or not legend:
            wrong.append(
                f"{legend!r}: a legend that tells no series from another: {sample['metric']}"
            )
        found[legend] = float(sample["value"][1])
    for legend, value in expected.values.items():
        if legend not in found:
            wrong.append(f"{legend}: is missing, expected {value}")
        elif not same(value, found[legend]):
            wrong.append(f"{legend}: is {found[legend]:g}, expected {value}")
    for legend in found.keys() - expected.values.keys():
        value = found[legend]
        if legend in expected.maybe and expected.maybe[legend].holds(value):
            continue
        fits = {"absent": False, "zero": value == 0, "idle": math.isnan(value)}[expected.others]
        if not fits:
            wrong.append(f"{legend}: is {value:g}, expected it to be {expected.others}")
    return wrong


def same(expected: float | Within, found: float) -> bool:
    if isinstance(expected, Within):
        return expected.holds(found)
    return math.isclose(found, expected, rel_tol=NEAR, abs_tol=1e-12)
