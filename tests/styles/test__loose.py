"""JSON in shapes that nobody documented costs time, never an answer."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.styles._loose import BAD_JSON, decode_as, loosely


class Inner(msgspec.Struct):
    count: int | None = None


class Outer(msgspec.Struct):
    name: str | None = None
    inner: Inner | None = None
    many: list[Inner] | None = None
    anything: object = None


DECODER = msgspec.json.Decoder(Outer)


@pytest.mark.parametrize(
    "bad", [b"", b"{", b'{"name": 1', b"\xff", b'{"name": "\xff"}', b"[" * 5000]
)
def test_what_is_no_json_is_refused(bad):
    with pytest.raises(BAD_JSON):
        decode_as(DECODER, bad)


def test_a_field_of_the_wrong_type_does_not_cost_the_others():
    found = decode_as(
        DECODER, b'{"name": 7, "inner": {"count": "x"}, "many": [{"count": 1}, 5, {"count": []}]}'
    )
    assert found == Outer(inner=Inner(), many=[Inner(1), Inner()])


@pytest.mark.parametrize("value", [b"[]", b"7", b"null", b'"text"'])
def test_json_that_is_no_object_has_no_fields(value):
    assert decode_as(DECODER, value) == Outer()


@given(
    st.dictionaries(
        st.sampled_from(["name", "inner", "many", "other"]),
        st.none() | st.integers() | st.text() | st.lists(st.none()),
    )
)
def test_nothing_that_parses_is_refused(value):
    assert isinstance(loosely(value, Outer), Outer)
