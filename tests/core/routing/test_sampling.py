"""Random choice among candidates, with the random numbers given."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from math import inf

import pytest

from fleet import fleet, measured, names
from pilotfish.core.routing import sampling
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.statistics import Samples


class Given:
    """A random source that gives these numbers in 0..1, one after the other."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.random()


def latency(c: Candidate) -> Samples:
    return c.state.latency


@pytest.mark.parametrize(
    ("weights", "number", "chosen"),
    [
        ([0, 0, 0], 0.0, "a"),
        ([0, 0, 0], 0.99, "c"),
        ([0, 1, 0], 0.0, "b"),
        ([0, 1, 0], 0.999999, "b"),
        ([1, 2, 1], 0.24, "a"),
        ([1, 2, 1], 0.26, "b"),
        ([1, 2, 1], 0.76, "c"),
        ([1, 0, 1], 0.5, "c"),
    ],
)
def test_one_is_drawn_by_weight_and_weight_0_only_where_all_are(
    weights: list[float], number: float, chosen: str
) -> None:
    assert sampling.by_weight(fleet("a b c", weights), Given(number)).service.model == chosen


def test_rounding_never_draws_weight_0() -> None:
    """1.0 is what rounding may make of the largest number below it."""
    assert sampling.by_weight(fleet("a b", [1, 0]), Given(1.0)).service.model == "a"


def test_of_two_services_both_are_drawn_so_that_the_worse_is_never_alone() -> None:
    usable = fleet("a b")
    for number in (0.0, 0.49, 0.5, 0.99):
        one, two = sampling.power_of_two(lambda c: c.weight, usable, Given(number, number))
        assert two is not None
        assert {one.service.model, two.service.model} == {"a", "b"}


def test_where_only_one_has_a_weight_there_is_no_second() -> None:
    one, two = sampling.power_of_two(lambda c: c.weight, fleet("a b", [0, 3]), Given(0.5))
    assert (one.service.model, two) == ("b", None)


def test_without_any_weight_two_are_drawn_evenly() -> None:
    one, two = sampling.power_of_two(lambda c: c.weight, fleet("a b c", [0, 0, 0]), Given(0.9, 0.1))
    assert two is not None
    assert (one.service.model, two.service.model) == ("c", "a")


def test_a_shuffle_keeps_all_and_puts_weight_0_last() -> None:
    rng = random.Random(7)
    for _ in range(50):
        shuffled = sampling.shuffled(fleet("a b c d", [1, 0, 5, 0]), rng)
        assert sorted(names(shuffled).split()) == ["a", "b", "c", "d"]
        assert set(names(shuffled[2:]).split()) == {"b", "d"}


def test_a_shuffles_first_place_goes_by_weight() -> None:
    rng, usable = random.Random(7), fleet("a b", [3, 1])
    firsts = Counter(sampling.shuffled(usable, rng)[0].service.model for _ in range(2000))
    assert 0.70 < firsts["a"] / 2000 < 0.80


def test_the_lowest_score_comes_first() -> None:
    assert names(sampling.lowest_first(fleet("a b c"), [3.0, inf, 1.0], Given())) == "c a b"


@pytest.mark.parametrize(("number", "order"), [(0.1, "a c b"), (0.9, "c a b")])
def test_the_first_place_of_equals_is_drawn(number: float, order: str) -> None:
    assert names(sampling.lowest_first(fleet("a b c"), [1.0, 2.0, 1.0], Given(number))) == order


def test_the_best_is_moved_to_the_front_and_the_rest_keeps_its_order() -> None:
    a, b, c = usable = fleet("a b c")
    assert sampling.first(usable, a) is usable
    assert sampling.first(usable, c) == [c, a, b]


def test_scores_near_the_best_become_equal_to_it_and_unknown_ones_come_last() -> None:
    assert sampling.near_ties([1.0, 1.1, 1.2, None], 1.0) == [1.0, 1.0, 1.2, inf]
    assert sampling.near_ties([0.0, 0.01], 0.0) == [0.0, 0.01]


@pytest.mark.parametrize(
    ("one", "other", "near"), [(1.0, 1.1, True), (1.1, 1.0, True), (1.0, 1.2, False), (0, 0, True)]
)
def test_near_is_within_a_tenth_both_ways(one: float, other: float, near: bool) -> None:
    assert sampling.is_near(one, other) is near


def due(usable: Sequence[Candidate], now: float, share: float = 1.0) -> str | None:
    found = sampling.due_for_measurement(usable, latency, share, now, Given(0.0, 0.0))
    return None if found is None else found.service.model


def test_no_share_means_no_measurement() -> None:
    assert due(fleet("a b"), 0.0, share=0.0) is None


def test_measurements_are_a_share_of_the_calls() -> None:
    usable = fleet("a b")
    assert sampling.due_for_measurement(usable, latency, 0.05, 0.0, Given(0.05)) is None
    assert sampling.due_for_measurement(usable, latency, 0.05, 0.0, Given(0.04, 0.0)) is usable[0]


def test_an_unknown_service_that_hangs_holds_no_more_than_so_many_times_its_share() -> None:
    unknown, good = usable = fleet("unknown good")
    measured(good, 100.0, latency=1.0)
    for in_flight, held, expected in (
        (0, 0, "unknown"),
        (0, 1, None),
        (100, 15, "unknown"),
        (100, 20, None),
    ):
        good.state.in_flight, unknown.state.in_flight = in_flight, held
        found = sampling.due_for_measurement(usable, latency, 0.05, 100.0, Given(0.0, 0.0))
        assert (found and found.service.model) == expected, (in_flight, held)


def test_a_service_of_which_more_samples_are_needed_is_due_until_it_has_them() -> None:
    """However quickly they come: it is not stale, and yet not known."""
    a, b = usable = fleet("a b")
    measured(b, 100.0, latency=1.0, times=5)
    for had in range(5):
        found = sampling.due_for_measurement(usable, latency, 1.0, 100.0, Given(0.0, 0.0), needed=5)
        assert found is a, had
        measured(a, 100.0, latency=1.0)
    found = sampling.due_for_measurement(usable, latency, 1.0, 100.0, Given(0.0, 0.0), needed=5)
    assert found is None


def test_a_stale_service_with_a_request_in_flight_is_not_measured_again() -> None:
    """One that has become slow costs one request, not a share of all."""
    a, b = usable = fleet("a b")
    measured(a, 0.0, latency=1.0)
    measured(b, 0.0, latency=1.0)
    a.state.in_flight = 1
    assert due(usable, 100.0) == "b"
    b.state.in_flight = 1
    assert due(usable, 100.0) is None


def test_weight_0_is_not_measured() -> None:
    assert due(fleet("a b", [0, 1]), 0.0) == "b"


def test_a_service_is_due_when_its_last_sample_is_stale() -> None:
    (a,) = usable = fleet("a")
    measured(a, 100.0, latency=1.0)
    assert due(usable, 100.0 + sampling.STALE_S) is None
    assert due(usable, 100.1 + sampling.STALE_S) == "a"


@pytest.mark.parametrize(
    ("times_slower", "factor"), [(2.0, 2.0), (1000.0, sampling.MAX_STALE_FACTOR)]
)
def test_a_slow_service_is_measured_more_rarely_up_to_a_bound(
    times_slower: float, factor: float
) -> None:
    a, b = usable = fleet("a b")
    a.state.in_flight = 1
    measured(a, 0.0, latency=1.0)
    measured(b, 0.0, latency=times_slower)
    assert due(usable, sampling.STALE_S * factor - 0.1) is None
    assert due(usable, sampling.STALE_S * factor + 0.1) == "b"


def test_beside_a_service_that_takes_no_time_at_all_the_bound_holds() -> None:
    a, b = usable = fleet("a b")
    a.state.in_flight = 1
    measured(a, 0.0, latency=0.0)
    measured(b, 0.0, latency=1.0)
    assert due(usable, sampling.STALE_S * sampling.MAX_STALE_FACTOR - 0.1) is None
