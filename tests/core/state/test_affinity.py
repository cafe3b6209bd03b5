"""Affinity: the same key comes back to the same service, as long as that may be used and is not too
busy.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import fleet
from pilotfish.core.state.affinity import AffinityTable, is_full, prefix_key, session_key


def keys(n: int) -> list[bytes]:
    found = [session_key("chat", f"session {i}") for i in range(n)]
    return [k for k in found if k is not None]


def test_without_a_value_there_is_no_preference() -> None:
    assert session_key("chat", "") is None
    assert prefix_key("chat", b"", b"", b"") is None


def test_keys_tell_rules_and_parts_apart() -> None:
    assert session_key("chat", "a") != session_key("code", "a")
    assert prefix_key("chat", b"ab", b"c", b"") != prefix_key("chat", b"a", b"bc", b"")
    assert prefix_key("chat", b"you are", b"[]", b"hello") == prefix_key(
        "chat", b"you are", b"[]", b"hello"
    )


def test_every_proxy_finds_the_same_home_without_asking_the_others() -> None:
    for key in keys(50):
        homes = {AffinityTable().prefer(key, fleet("a b c d"), 0.0).service.id for _ in range(3)}
        assert len(homes) == 1


def test_homes_are_spread_by_weight() -> None:
    usable = fleet("a b c", weights=[1, 2, 5])
    found = Counter(AffinityTable().prefer(key, usable, 0.0).service.model for key in keys(4000))
    assert found["a"] / 4000 == pytest.approx(1 / 8, abs=0.02)
    assert found["b"] / 4000 == pytest.approx(2 / 8, abs=0.03)
    assert found["c"] / 4000 == pytest.approx(5 / 8, abs=0.03)


def test_a_service_of_weight_0_is_nobodys_home_beside_others() -> None:
    usable = fleet("a none", weights=[1, 0])
    assert {AffinityTable().prefer(key, usable, 0.0).service.model for key in keys(200)} == {"a"}


def test_a_service_that_goes_moves_only_its_own_keys() -> None:
    usable = fleet("a b c d")
    for key in keys(300):
        before = AffinityTable().prefer(key, usable, 0.0)
        after = AffinityTable().prefer(key, [c for c in usable if c is not usable[0]], 0.0)
        assert after is before or before is usable[0]


def test_an_unusable_home_is_left_at_once_and_the_next_choice_is_the_new_home() -> None:
    usable, homes, key = fleet("a b c"), AffinityTable(), keys(1)[0]
    home = homes.prefer(key, usable, 0.0)
    homes.on_picked(key, home, usable, 0.0, 1800)
    left = [c for c in usable if c is not home]
    new = homes.prefer(key, left, 1.0)
    assert new is not home
    homes.on_picked(key, new, left, 1.0, 1800)
    assert homes.prefer(key, usable, 2.0) is new, (
        "the old one has returned, but the cache is warm at the new one"
    )


def test_a_home_is_forgotten_some_time_after_its_last_request() -> None:
    usable, homes, key = fleet("a b c"), AffinityTable(), keys(1)[0]
    by_hash = homes.prefer(key, usable, 0.0)
    other = next(c for c in usable if c is not by_hash)
    homes.on_picked(key, other, [other], 0.0, 100)
    homes.on_picked(key, other, usable, 90.0, 100)
    assert homes.prefer(key, usable, 189.0) is other
    assert homes.prefer(key, usable, 190.0) is by_hash


def test_a_home_that_is_too_busy_is_passed_over_but_stays_the_home() -> None:
    usable, homes, key = fleet("a b c"), AffinityTable(), keys(1)[0]
    home = homes.prefer(key, usable, 0.0)
    homes.on_picked(key, home, usable, 0.0, 1800)
    home.state.in_flight = 10
    other = homes.prefer(key, usable, 1.0)
    assert other is not home
    homes.on_picked(key, other, usable, 1.0, 1800)
    home.state.in_flight = 0
    assert homes.prefer(key, usable, 2.0) is home


def test_a_session_has_a_home_in_each_group_that_content_routing_sends_it_to() -> None:
    own, block, homes, key = fleet("a b c"), fleet("x y z"), AffinityTable(), keys(1)[0]
    first = [own[1], block[2]]
    homes.on_picked(key, first[0], [first[0]], 0.0, 1800)
    homes.on_picked(key, first[1], [first[1]], 0.0, 1800)
    for now in range(5):
        for group, home in ((own, first[0]), (block, first[1])):
            assert homes.prefer(key, group, now) is home
            homes.on_picked(key, home, group, now, 1800)


def test_asking_changes_nothing() -> None:
    usable, homes = fleet("a b"), AffinityTable()
    for key in keys(20):
        homes.prefer(key, usable, 0.0)
    assert len(homes) == 0


def test_a_million_users_do_not_fill_the_memory() -> None:
    usable, homes = fleet("a b"), AffinityTable(size=100)
    for key in keys(1000):
        homes.on_picked(key, usable[0], usable, 0.0, 1800)
    assert len(homes) == 100


@given(
    st.lists(st.tuples(st.integers(0, 200), st.floats(0.1, 50)), min_size=1, max_size=10),
    st.integers(0, 2**32),
)
def test_there_is_always_somebody_who_is_not_too_busy(
    loads: list[tuple[int, float]], seed: int
) -> None:
    usable = fleet(" ".join(f"m{i}" for i in range(len(loads))), weights=[w for _, w in loads])
    for c, (in_flight, _) in zip(usable, loads, strict=True):
        c.state.in_flight = in_flight
    key = random.Random(seed).randbytes(16)
    assert not is_full(AffinityTable().prefer(key, usable, 0.0), usable)


def test_under_skewed_sessions_nobody_gets_more_than_a_quarter_above_its_share() -> None:
    """One session sends nine of ten requests, all at once."""
    usable, homes, rng = fleet("a b c d"), AffinityTable(), random.Random(1)
    [loud, *others] = keys(50)
    for _ in range(400):
        key = loud if rng.random() < 0.9 else rng.choice(others)
        c = homes.prefer(key, usable, 0.0)
        homes.on_picked(key, c, usable, 0.0, 1800)
        c.state.in_flight += 1
    assert max(c.state.in_flight for c in usable) <= 126
