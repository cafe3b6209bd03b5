"""adaptive: all that is known in one score, and no herd."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from fleet import candidate, fleet, measured
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate
from pilotfish.tactics.adaptive import TERMS, Adaptive, AdaptiveParams

MODES = ["weighted_sum", "multiplicative", "rank_based"]
ONLY = {f"{term}_weight": 0.0 for term in TERMS}


def made(**params: Any) -> Adaptive:
    return Adaptive(AdaptiveParams(explore=0.0, **params))


def share(tactic: Adaptive, usable: list[Candidate], of: Candidate, now: float = 1.0) -> float:
    rng = random.Random(6)
    return sum(tactic.order(usable, Memory(), now, rng)[0] is of for _ in range(1000)) / 1000


def better_in(term: str) -> tuple[Candidate, Candidate]:
    """Two services that differ in one term only; the first is the better one."""
    good, bad = fleet("good bad")
    for c in (good, bad):
        measured(c, 0.0, latency=1.0, ttft=0.3, speed=60.0)
        window = c.state.window(300, 0.0)
        window.cache_hits = window.cache_misses = 5
    if term == "latency":
        measured(bad, 0.0, latency=9.0, times=20)
    elif term == "ttft":
        measured(bad, 0.0, ttft=0.49, times=60)
    elif term == "speed":
        measured(bad, 0.0, speed=5.0, times=60)
    elif term == "cache":
        bad.state.window(300, 0.0).cache_misses = 100
    elif term == "token":
        bad.state.window(300, 0.0).input_tokens = 50_000
    else:
        bad.state.health.consecutive = 2
    return good, bad


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("term", TERMS)
def test_each_of_the_six_terms_counts_in_each_mode(term: str, mode: str) -> None:
    good, bad = better_in(term)
    alone = made(scoring_mode=mode, **{**ONLY, f"{term}_weight": 1.0})
    assert share(alone, [good, bad], good) == 1.0


@pytest.mark.parametrize("term", TERMS)
def test_a_term_of_weight_0_does_not_count(term: str) -> None:
    good, bad = better_in(term)
    others = made(**{f"{term}_weight": 0.0})
    assert 0.4 < share(others, [good, bad], good) < 0.6


def test_all_weights_0_is_a_problem_at_load() -> None:
    with pytest.raises(ValidationError, match="all six weights are 0"):
        AdaptiveParams(**ONLY)


def test_weights_are_normalised() -> None:
    good, _ = better_in("latency")
    small, large = (
        made(),
        made(**{f"{t}_weight": getattr(AdaptiveParams(), f"{t}_weight") * 40 for t in TERMS}),
    )
    assert small.explain_score(good, Memory(), 1.0) == large.explain_score(good, Memory(), 1.0)


def test_a_bad_term_cannot_be_bought_off_where_terms_are_multiplied() -> None:
    [mixed, even] = fleet("mixed even")
    measured(mixed, 0.0, latency=0.01, speed=0.5, times=60)
    measured(even, 0.0, latency=2.0, speed=50.0, times=60)
    weights = {**ONLY, "latency_weight": 1.0, "speed_weight": 0.7}
    assert share(made(**weights), [mixed, even], mixed) == 1.0
    assert share(made(scoring_mode="multiplicative", **weights), [mixed, even], even) == 1.0


def test_ranks_do_not_ask_by_how_much() -> None:
    """One is a thousand times faster to answer, the other one a bit better in two things."""
    [fast, other] = fleet("fast other")
    measured(fast, 0.0, latency=0.001, ttft=0.2, speed=50.0)
    measured(other, 0.0, latency=1.9, ttft=0.1, speed=70.0)
    weights = {**ONLY, "latency_weight": 0.4, "ttft_weight": 0.3, "speed_weight": 0.3}
    assert share(made(scoring_mode="rank_based", **weights), [fast, other], other) == 1.0


def test_the_better_one_does_not_get_everything_since_its_capacity_fills() -> None:
    good, bad = better_in("latency")
    tactic, rng, taken = made(), random.Random(1), Counter[str]()
    for _ in range(40):
        c = tactic.order([good, bad], Memory(), 1.0, rng)[0]
        c.state.in_flight += 1
        taken[c.service.model] += 1
    assert taken["good"] > taken["bad"] > 8


def test_a_service_out_of_step_is_not_even_chosen_between_two_of_its_kind() -> None:
    usable = fleet("slow1 slow2 slow3 good")
    for c in usable[:3]:
        measured(c, 0.0, latency=30.0, ttft=10.0)
    measured(usable[3], 0.0, latency=1.0, ttft=0.3)
    assert share(made(), usable, usable[3]) == 1.0


def test_where_all_have_become_slow_nobody_is_out_of_step() -> None:
    usable = fleet("a b c")
    for c in usable:
        measured(c, 0.0, latency=30.0, ttft=10.0)
    shares = [share(made(), usable, c) for c in usable]
    assert min(shares) > 0.2


def test_without_streams_whole_answers_tell_who_is_out_of_step() -> None:
    slow1, slow2, good = fleet("slow1 slow2 good")
    measured(slow1, 0.0, latency=60.0)
    measured(slow2, 0.0, latency=60.0)
    measured(good, 0.0, latency=1.0)
    assert share(made(), [slow1, slow2, good], good) == 1.0


def test_a_service_that_hangs_is_left_before_any_slow_answer_has_ended() -> None:
    hangs, fine = fleet("hangs fine")
    for c in (hangs, fine):
        measured(c, 0.0, latency=2.0, ttft=0.3)
        c.state.waiting.begin(0.0)
        c.state.waiting.on_first_token(0.0, 0.3)
    hangs.state.waiting.begin(1.0)
    assert share(made(), [hangs, fine], fine, now=4.0) == 1.0


def test_a_service_that_was_out_gets_its_share_back_bit_by_bit() -> None:
    back, *_ = usable = fleet("back b c d")
    back.state.health.back_at = 100.0
    shares = [share(made(), usable, back, now=now) for now in (101.0, 110.0, 120.0, 131.0)]
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] == pytest.approx(0.25, abs=0.05)


def test_a_larger_capacity_takes_more_under_load() -> None:
    small, large = candidate("small", model_capacity=10), candidate("large", model_capacity=100)
    small.state.in_flight = large.state.in_flight = 10
    assert share(made(), [small, large], large) == 1.0


def test_explain_shows_every_term() -> None:
    [c] = fleet("m")
    measured(c, 0.0, latency=2.0, ttft=0.5, speed=50.0)
    assert made().explain_score(c, Memory(), 1.0) == (
        "score 0.62 (latency 0.50, ttft 0.50, cache 0.50, speed 0.50, token 1.00, health 1.00) x free capacity 1.00, weight 1"
    )
