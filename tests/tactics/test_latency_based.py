"""latency_based: one service as long as it answers fast enough."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fleet import fleet, measured, names
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate
from pilotfish.tactics.latency_based import LatencyBased, LatencyBasedParams


def made(**params: Any) -> LatencyBased:
    return LatencyBased(LatencyBasedParams(explore=0.0, **params))


def take(tactic: LatencyBased, usable: list[Candidate], memory: Memory) -> Candidate:
    c = tactic.order(usable, memory, 1.0, random.Random(1))[0]
    tactic.on_picked(c, usable, memory, 1.0)
    return c


def test_it_stays_below_the_threshold_though_another_one_is_faster() -> None:
    [a, b], memory, tactic = fleet("a b"), Memory(turn="acme/a"), made()
    measured(a, 0.0, latency=1.9)
    measured(b, 0.0, latency=0.5)
    assert take(tactic, [a, b], memory) is a
    measured(a, 0.0, latency=2.2)
    assert take(tactic, [a, b], memory) is b
    assert memory["turn"] == "acme/b"


def test_above_the_threshold_the_lowest_is_taken() -> None:
    usable, tactic = fleet("a b c"), made(latency_threshold_ms=100)
    for c, latency in zip(usable, (3.0, 1.0, 2.0), strict=True):
        measured(c, 0.0, latency=latency)
    assert names(tactic.order(usable, Memory(turn="acme/a"), 1.0, random.Random(1))) == "b c a"


@pytest.mark.parametrize(
    ("params", "best"),
    [
        ({}, "steady"),
        ({"comparison_mode": "avg"}, "steady"),
        ({"comparison_mode": "p50"}, "spiky"),
        ({"comparison_mode": "p95"}, "steady"),
        ({"percentile": 0.5}, "spiky"),
        ({"percentile": 0.99}, "steady"),
        ({"comparison_mode": "p50", "percentile": 0.99}, "spiky"),
        ({"measure": "ttft"}, "spiky"),
        ({"comparison_mode": "avg", "sample_window_size": 5}, "spiky"),
    ],
)
def test_every_parameter_decides(params: dict[str, Any], best: str) -> None:
    """`spiky` is mostly faster, but a fifth of its answers, longer ago, took ten seconds."""
    [steady, spiky] = usable = fleet("steady spiky")
    measured(steady, 0.0, latency=1.0, ttft=0.9, times=20)
    measured(spiky, 0.0, latency=10.0, ttft=0.1, times=4)
    measured(spiky, 0.0, latency=0.5, ttft=0.1, times=16)
    order = made(latency_threshold_ms=1, **params).order(usable, Memory(), 1.0, random.Random(1))
    assert order[0].service.model == best


def test_a_percentile_and_what_was_measured_are_told_by_explain() -> None:
    [a] = fleet("a")
    tactic = made(percentile=0.9, measure="ttft")
    assert tactic.explain_score(a, Memory(), 1.0) == "no ttft measured yet"
    measured(a, 0.0, ttft=0.25)
    assert (
        tactic.explain_score(a, Memory(turn="acme/a"), 1.0)
        == "has its turn, ttft p90 250 ms (stays below 2000)"
    )


def test_near_ties_are_broken_at_random() -> None:
    usable, tactic = fleet("a b c"), made(latency_threshold_ms=1)
    for c, latency in zip(usable, (1.00, 1.05, 2.0), strict=True):
        measured(c, 0.0, latency=latency)
    assert {
        tactic.order(usable, Memory(), 1.0, random.Random(s))[0].service.model for s in range(30)
    } == {"a", "b"}
