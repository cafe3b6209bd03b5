"""speed_based: the service that writes fastest."""

from __future__ import annotations

import random

from fleet import fleet, measured, names
from pilotfish.core.model.tactic import Memory
from pilotfish.tactics.speed_based import SpeedBased, SpeedBasedParams


def test_the_fastest_comes_first_and_a_service_with_too_few_samples_last() -> None:
    usable, tactic = fleet("slow fast lucky"), SpeedBased(SpeedBasedParams(explore=0.0))
    for c, speed, times in zip(usable, (60.0, 120.0, 999.0), (5, 5, 4), strict=True):
        measured(c, 0.0, speed=speed, times=times)
    assert names(tactic.order(usable, Memory(), 1.0, random.Random(1))) == "fast slow lucky"
    assert tactic.explain_score(usable[2], Memory(), 1.0) == "speed not known: 4 of 5 samples"
    assert tactic.explain_score(usable[1], Memory(), 1.0) == "120.0 tokens/s (above 50)"


def test_if_none_is_above_the_threshold_the_fastest_is_taken_all_the_same() -> None:
    usable, tactic = fleet("a b"), SpeedBased(SpeedBasedParams(explore=0.0))
    measured(usable[0], 0.0, speed=10.0, times=5)
    measured(usable[1], 0.0, speed=30.0, times=5)
    assert tactic.order(usable, Memory(), 1.0, random.Random(1))[0] is usable[1]


def test_while_none_is_fast_enough_untried_ones_are_tried_more_often() -> None:
    def tried(speed: float) -> int:
        usable, tactic, rng = (
            fleet("known untried"),
            SpeedBased(SpeedBasedParams()),
            random.Random(2),
        )
        measured(usable[0], 0.0, speed=speed, times=5)
        return sum(tactic.order(usable, Memory(), 1.0, rng)[0] is usable[1] for _ in range(2000))

    assert 60 < tried(100.0) < 140
    assert 320 < tried(20.0) < 480


def test_only_the_last_samples_count_if_the_rule_says_so() -> None:
    usable = fleet("was is")
    measured(usable[0], 0.0, speed=200.0, times=50)
    measured(usable[0], 0.0, speed=20.0, times=10)
    measured(usable[1], 0.0, speed=60.0, times=60)
    for size, best in ((100, 0), (10, 1)):
        tactic = SpeedBased(SpeedBasedParams(explore=0.0, sample_window_size=size))
        assert tactic.order(usable, Memory(), 1.0, random.Random(1))[0] is usable[best]


def test_before_anything_is_known_all_are_drawn_by_weight() -> None:
    usable, tactic = fleet("a none b", weights=[1, 0, 1]), SpeedBased(SpeedBasedParams())
    assert {
        tactic.order(usable, Memory(), 1.0, random.Random(s))[0].service.model for s in range(50)
    } == {"a", "b"}
