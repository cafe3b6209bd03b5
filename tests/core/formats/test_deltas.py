"""The union of deltas is what readers and writers are checked against."""

from __future__ import annotations

import typing

import msgspec

from pilotfish.core.formats import deltas


def test_the_union_holds_every_delta_there_is():
    """A delta that is missing from it would be an event that no writer was made to think of."""
    here = {
        kind
        for kind in vars(deltas).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    }
    own = {kind for kind in here if kind.__module__ == deltas.__name__}
    assert set(typing.get_args(deltas.Delta)) == own


def test_deltas_cannot_be_changed_by_who_gets_them():
    """Several writers may be given the same."""
    assert all(kind.__struct_config__.frozen for kind in typing.get_args(deltas.Delta))
