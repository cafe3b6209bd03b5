"""An authority's life, told by the steps it takes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pilotfish.injector.certificate_rotation import Held, Lifetimes, Step, due_at, next_step

LIVES = Lifetimes(authority_s=900, leaf_s=100, settle_s=10)
FRESH = Held(authority_ends=1900, leaf_ends=1100, leaf_fits=True)


def test_nothing_there_or_an_authority_that_has_ended_begins_anew():
    assert next_step(None, LIVES, 1000) is Step.CREATE
    assert next_step(replace(FRESH, authority_ends=1000), LIVES, 1000) is Step.CREATE


def test_a_leaf_is_renewed_at_half_its_life_so_that_there_is_time_when_that_fails():
    assert next_step(FRESH, LIVES, 1049) is Step.NOTHING
    assert next_step(FRESH, LIVES, 1051) is Step.RENEW


def test_a_leaf_for_other_names_is_renewed_at_once():
    assert next_step(replace(FRESH, leaf_fits=False), LIVES, 1000) is Step.RENEW


def test_the_next_authority_is_announced_first_and_signs_only_when_that_has_settled():
    old = Held(authority_ends=1900, leaf_ends=1690, leaf_fits=True)
    assert next_step(old, LIVES, 1610) is Step.ANNOUNCE
    announced = replace(old, announced_at=1610)
    assert next_step(announced, LIVES, 1619) is Step.NOTHING
    assert next_step(announced, LIVES, 1620) is Step.SWITCH


def test_a_leaf_at_its_authoritys_end_is_not_renewed_in_a_circle():
    ending = Held(authority_ends=1100, leaf_ends=1100, leaf_fits=True, announced_at=1095)
    assert next_step(ending, LIVES, 1096) is Step.NOTHING


def test_the_whole_life_never_shows_a_certificate_that_is_not_trusted_or_has_ended():
    """Every 2 s for five authorities: what the steps would do to the Secret, followed by hand."""
    authority_ends, leaf_ends, announced, trusted = 0.0, 0.0, None, set()
    held, following = None, None
    for now in range(1000, 5500, 2):
        step = next_step(held, LIVES, now)
        if step is Step.ANNOUNCE:
            following, announced = now + LIVES.authority_s, now
            trusted.add(following)
        elif step in (Step.CREATE, Step.SWITCH):
            authority_ends = now + LIVES.authority_s if step is Step.CREATE else following
            trusted.add(authority_ends)
            following = announced = None
        if step not in (Step.NOTHING, Step.ANNOUNCE):
            leaf_ends = min(now + LIVES.leaf_s, authority_ends)
        held = Held(authority_ends, leaf_ends, True, announced)
        assert step is not Step.CREATE or now == 1000
        assert leaf_ends > now
        assert authority_ends in trusted
    assert len(trusted) >= 5


times = st.floats(1000, 2000)


@given(authority_ends=times, leaf_life=st.floats(1, 100), announced=st.none() | times)
def test_when_something_is_due_is_known_beforehand(authority_ends, leaf_life, announced):
    """The leader sleeps until then: a second too late is a certificate that has ended."""
    leaf_ends = min(1000 + leaf_life, authority_ends)
    held = Held(authority_ends, leaf_ends, leaf_fits=True, announced_at=announced)
    due = due_at(held, LIVES)
    assert next_step(held, LIVES, due + 0.001) is not Step.NOTHING
    assert next_step(held, LIVES, due - 0.001) is Step.NOTHING
