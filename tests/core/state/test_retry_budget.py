"""A share of the requests of the last seconds, with a minimum."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.state.retry_budget import RetryBudget


def used_up(share: RetryBudget, now: float) -> int:
    taken = 0
    while share.is_free(now) and taken < 1000:
        share.take(now)
        taken += 1
    return taken


def test_nothing_is_free_of_a_share_of_nothing() -> None:
    share = RetryBudget(0, 0, 10)
    share.request(0)
    assert not share.is_free(0)


def test_the_minimum_is_free_without_any_request() -> None:
    assert used_up(RetryBudget(20, 3, 10), 0) == 3


def test_above_the_minimum_it_is_a_share_of_the_requests() -> None:
    share = RetryBudget(20, 3, 10)
    for _ in range(100):
        share.request(5)
    assert used_up(share, 5) == 20


def test_what_is_older_than_the_window_no_longer_counts_on_either_side() -> None:
    share = RetryBudget(20, 3, 10)
    for i in range(100):
        share.request(i * 0.1)
    assert used_up(share, 9.9) == 20
    assert used_up(share, 20) == 3


def test_the_window_slides_and_does_not_tumble() -> None:
    """Five seconds on, half of the requests still count."""
    share = RetryBudget(20, 0, 10)
    for i in range(100):
        share.request(i * 0.1)
    assert used_up(share, 14.9) == 10


def test_asking_takes_nothing() -> None:
    share = RetryBudget(20, 1, 10)
    assert all(share.is_free(0) for _ in range(10))


def test_a_rule_that_changes_its_share_keeps_its_count() -> None:
    share = RetryBudget(20, 0, 10)
    for _ in range(10):
        share.request(0)
    assert used_up(share, 0) == 2
    share.percent = 50
    assert used_up(share, 0) == 3


@given(
    st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=200),
    st.integers(0, 100),
    st.integers(0, 5),
)
def test_never_more_than_its_share_or_its_minimum_in_any_window(
    steps: list[tuple[float, bool]], percent: int, minimum: int
) -> None:
    share, now = RetryBudget(percent, minimum, 10), 0.0
    requests: list[float] = []
    taken: list[float] = []
    for passed, is_request in steps:
        now += passed
        if is_request:
            share.request(now)
            requests.append(now)
        elif share.is_free(now):
            share.take(now)
            taken.append(now)
        # A slot is a second wide, so what left up to a second ago may still count.
        recent = sum(1 for t in taken if t > now - 9)
        possible = sum(1 for t in requests if t > now - 20)
        assert recent <= max(minimum, possible * percent / 100)
