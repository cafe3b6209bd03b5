"""random: by chance, in proportion to the weights."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fleet import fleet
from pilotfish.core.model.tactic import Memory, NoParams
from pilotfish.tactics.random import RandomTactic


def firsts(weights: list[float], times: int = 6000) -> Counter[str]:
    tactic, rng = RandomTactic(NoParams()), random.Random(4)
    usable = fleet(" ".join("abcdef"[: len(weights)]), weights=weights)
    return Counter(tactic.order(usable, Memory(), 0.0, rng)[0].service.model for _ in range(times))


def test_all_weights_0_is_evenly() -> None:
    found = firsts([0, 0, 0])
    assert all(found[m] / 6000 == pytest.approx(1 / 3, abs=0.03) for m in "abc")


def test_a_weight_of_0_beside_others_comes_only_where_they_have_failed() -> None:
    assert firsts([1, 0, 1])["b"] == 0
    tactic, usable = RandomTactic(NoParams()), fleet("a none b", weights=[1, 0, 5])
    assert {
        tactic.order(usable, Memory(), 0.0, random.Random(s))[-1].service.model for s in range(50)
    } == {"none"}


def test_after_the_first_has_failed_the_others_are_drawn_by_their_weights_too() -> None:
    tactic, rng, usable = (
        RandomTactic(NoParams()),
        random.Random(4),
        fleet("a b c", weights=[100, 1, 3]),
    )
    seconds = Counter(
        o[1].service.model
        for o in (tactic.order(usable, Memory(), 0.0, rng) for _ in range(4000))
        if o[0] is usable[0]
    )
    assert seconds["c"] / seconds["b"] == pytest.approx(3, rel=0.2)
