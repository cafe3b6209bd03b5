"""Who holds what, and that nobody can fill the table but vendors."""

from __future__ import annotations

from pilotfish.core.state.holders import ID_CHARS, MOST, Holder, Holders

A, B = Holder("a"), Holder("b", "environment variable KEY")


def test_an_id_goes_back_to_who_gave_it_out_last():
    holders = Holders()
    assert not holders
    holders.note(["x", "y"], A)
    holders.note(["y"], B)
    assert (holders.of("x"), holders.of("y"), holders.of("z")) == (A, B, None)
    assert holders.first_of(["z", "y", "x"]) == B
    assert holders.first_of([]) is None


def test_the_table_is_bounded_and_what_is_asked_for_stays():
    holders = Holders(10)
    holders.note(["wanted"], A)
    for i in range(1000):
        holders.note([f"id-{i}"], B)
        assert holders.of("wanted") == A
        assert len(holders) <= 10
    assert holders.of("id-0") is None
    assert holders.of("id-999") == B


def test_asking_for_ids_that_nobody_gave_out_takes_no_room():
    holders = Holders()
    holders.note(["x"], A)
    for i in range(100_000):
        assert holders.of(f"made-up-{i}") is None
    assert len(holders) == 1


def test_what_is_too_long_for_an_id_is_none():
    holders = Holders()
    holders.note(["x" * (ID_CHARS + 1)], A)
    assert not holders


def test_who_keeps_ids_hears_of_each_that_is_new_and_not_of_those_it_told_itself():
    holders, heard = Holders(), []
    holders.told.append(lambda one, holder: heard.append((one, holder)))
    holders.note(["x", "x"], A)
    holders.note(["x"], A)
    holders.learn("y", A)
    assert heard == [("x", A)]
    assert list(holders.items()) == [("x", A), ("y", A)]


def test_there_is_room_for_a_days_work():
    assert MOST >= 50_000
