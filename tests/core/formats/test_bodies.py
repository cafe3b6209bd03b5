"""A request's body: read one level deep, changed without touching what does not change."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pilotfish.core.formats import bodies as core_body
from pilotfish.core.formats.bodies import (
    is_true,
    members_of,
    repeated_key,
    replaced,
    text_of,
)
from pilotfish.errors import ClientError


def changed(body: bytes, **values: bytes | None) -> bytes:
    """The new body, which must not hang on whether names are searched for (short bodies) or walked
    over (long ones).

    Only repeated names and escapes that do not change may do so: a search for other names leaves
    them as they are, a walk that comes upon them writes the top level anew.
    """
    out = b"".join(replaced(body, members_of(body), values))
    with patch.object(core_body, "SEARCH_BYTES", 0):
        walked = b"".join(replaced(body, members_of(body), values))
    assert json.loads(walked) == json.loads(out)
    if b"\\" not in body and len(json.loads(body, object_pairs_hook=list)) == len(json.loads(body)):
        assert walked == out
    return out


# ---- what is not a JSON object


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "is empty, expected a JSON object"),
        (b" \r\n", "is empty, expected a JSON object"),
        (b'{"model": "a\xff"}', "is not UTF-8: byte 0xff at position 12"),
        (b"model=a", "is not JSON: "),
        (b'{"model": "a"', "is not JSON: "),
        (b'{"model": "a"} {}', "is not JSON: "),
        (b'["model"]', "is not a JSON object: Expected `object`, got `array`"),
        (b"null", "is not a JSON object: Expected `object`, got `null`"),
    ],
)
def test_what_is_not_a_json_object_is_refused_by_what_it_is(body: bytes, found: str) -> None:
    with pytest.raises(ClientError, match=re.escape(found)) as e:
        members_of(body)
    assert (e.value.status, e.value.code) == (400, "invalid_json")


def test_a_body_nested_beyond_all_measure_is_refused_and_not_a_crash() -> None:
    with pytest.raises(ClientError, match="JSON"):
        members_of(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}")


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_clients_error(body: bytes) -> None:
    with suppress(ClientError):
        assert isinstance(members_of(body), dict)


# ---- reading


def test_members_that_are_no_strings_are_none_and_only_true_is_true() -> None:
    members = members_of(b'{"a": "x\\u00e9", "b": 1, "c": null, "d": true, "e": "true", "f": 1}')
    assert [text_of(members, name) for name in "abcdz"] == ["x\u00e9", None, None, None, None]
    assert [is_true(members, name) for name in "defz"] == [True, False, False, False]


# ---- changing


def test_only_the_value_changes_and_every_other_byte_stays() -> None:
    body = b'{ "model" : "a",\n\t"n": 1.0e5, "stream":true, "x": {"model":"a"} }\r\n'
    assert (
        changed(body, model=b'"b"')
        == b'{ "model" : "b",\n\t"n": 1.0e5, "stream":true, "x": {"model":"a"} }\r\n'
    )


def test_a_value_that_is_already_so_leaves_the_very_same_bytes() -> None:
    body = b'{"model":"a"}'
    assert replaced(body, members_of(body), {"model": b'"a"'}) == (body,)
    assert replaced(body, members_of(body), {"absent": None})[0] is body


def test_several_values_change_in_one_pass_whatever_their_order() -> None:
    body = b'{"a":1,"b":22,"c":333}'
    assert changed(body, c=b"{}", a=b"null") == b'{"a":null,"b":22,"c":{}}'


def test_a_member_that_is_new_is_put_at_the_end() -> None:
    assert changed(b'{"model": "a" }\n', stream_options=b'{"include_usage":true}') == (
        b'{"model": "a" ,"stream_options":{"include_usage":true}}\n'
    )
    assert changed(b"{}", a=b"1") == b'{"a":1}'


def test_a_member_that_goes_takes_nothing_with_it() -> None:
    assert json.loads(changed(b'{"model":"a","store":true,"n":1.50}', store=None)) == {
        "model": "a",
        "n": 1.5,
    }
    assert b'"n":1.50' in changed(b'{"model":"a","store":true,"n":1.50}', store=None)


def test_of_a_repeated_member_the_last_one_counts_and_no_trace_of_the_others_stays() -> None:
    for body in (
        b'{"model":"a","x":1,"model":"a"}',
        b'{"model":"ab","x":1,"model":"a"}',
        b'{"model":"a","model":"zz"}',
    ):
        out = changed(body, model=b'"b"')
        assert json.loads(out, object_pairs_hook=list)[0] == ("model", "b")
        assert out.count(b'"model"') == 1


def test_a_repeated_member_beside_the_one_that_changes_keeps_its_last_value() -> None:
    assert json.loads(changed(b'{"model":null,"stream":true,"stream":null}', model=b'"b"')) == {
        "model": "b",
        "stream": None,
    }


def test_a_member_with_an_escaped_name_is_found_by_its_name() -> None:
    assert json.loads(changed(b'{"mod\\u0065l":"a","x":[1, 2]}', model=b'"b"')) == {
        "model": "b",
        "x": [1, 2],
    }


def test_a_nested_member_of_the_same_name_disturbs_nothing() -> None:
    """Schemas of tools often have a property named `model`; the client's blanks must survive all
    the same.
    """
    body = b'{ "model": "a", "tools": [ {"properties": {"model": {"type": "string"}}} ] }'
    assert changed(body, model=b'"b"') == body.replace(b'"a"', b'"b"')


BLANKS = st.text(alphabet=" \t\r\n", max_size=2)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=6)
    | st.sampled_from(["model", '"model":', "}", "{"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "a", '"', "}"]) | st.text(max_size=3), inner, max_size=3
        )
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["model", "stream", "a", "b", "stream_options", "é", 'q"'])


@st.composite
def written(draw: st.DrawFn, *, unique: bool) -> tuple[str, list[tuple[str, Any, str]]]:
    """A JSON object as text, with any blanks, and its members: name, value, the value's text."""
    names = draw(st.lists(NAMES, max_size=5, unique=unique))
    members, text = [], "{" + draw(BLANKS)
    for i, name in enumerate(names):
        value = draw(VALUES)
        raw = json.dumps(
            value,
            ensure_ascii=draw(st.booleans()),
            separators=draw(st.sampled_from([(",", ":"), (" , ", " : ")])),
        )
        key = json.dumps(name, ensure_ascii=False)
        if not unique and draw(st.booleans()):
            key = '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"'
        members.append((name, value, raw))
        text += (
            ("," if i else "")
            + draw(BLANKS)
            + key
            + draw(BLANKS)
            + ":"
            + draw(BLANKS)
            + raw
            + draw(BLANKS)
        )
    return draw(BLANKS) + text + "}" + draw(BLANKS), members


NEW = st.dictionaries(NAMES, st.sampled_from([None, b'"new"', b"{}", b"7"]), min_size=1, max_size=3)


@given(written(unique=False), NEW)
def test_whatever_the_object_it_equals_the_original_but_for_the_change(
    body: tuple[str, Any], values: dict[str, bytes | None]
) -> None:
    text, _ = body
    expected = json.loads(text)
    for name, value in values.items():
        if value is None:
            expected.pop(name, None)
        else:
            expected[name] = json.loads(value)
    out = changed(text.encode(), **values)
    assert json.loads(out) == expected


@given(written(unique=True), st.sampled_from([b'"new"', b"{}", b'{"include_usage":true}']))
def test_with_plain_and_unique_names_every_byte_outside_the_value_is_kept(
    body: tuple[str, list[Any]], value: bytes
) -> None:
    text, members = body
    plain = [(name, raw) for name, _, raw in members if '"' not in name]
    assume(plain and len(plain) == len(members))
    for name, raw in plain:
        # The members before this one, which may hold the same bytes, are walked by their lengths.
        at = 0
        for other, other_raw in plain:
            at = text.index(json.dumps(other, ensure_ascii=False), at) + len(
                json.dumps(other, ensure_ascii=False)
            )
            at = text.index(other_raw, text.index(":", at) + 1)
            if other == name:
                break
            at += len(other_raw)
        expected = text[:at].encode() + value + text[at + len(raw) :].encode()
        assert changed(text.encode(), **{name: value}) in (
            expected,
            text.encode() if raw.encode() == value else expected,
        )


KEYS = st.sampled_from(["a", "b", "model", "é", '"', "\\", ""])
TEXTS = st.sampled_from(
    ["1", "12", '"a"', '" "', '"\\",\\"a\\":"', '{"a":1,"a":2}', "[]", '"a   "']
)
SPACES = st.sampled_from(["", "", " ", "\n  ", "      "])


@given(st.lists(st.tuples(KEYS, TEXTS, st.booleans()), max_size=6), st.data())
def test_a_repeated_key_is_found_however_it_is_written(
    pairs: list[tuple[str, str, bool]], data: st.DataObject
) -> None:
    def blank() -> str:
        return data.draw(SPACES)

    def written(key: str, escaped: bool) -> str:
        spelt = "".join(["\\u" + f"{ord(c):04x}" for c in key])
        return f'"{spelt}"' if escaped else json.dumps(key)

    members = [
        f"{blank()}{written(key, escaped)}{blank()}:{blank()}{value}{blank()}"
        for key, value, escaped in pairs
    ]
    body = ("{" + ",".join(members) + (blank() if not members else "") + "}" + blank()).encode()
    keys = [key for key, _, _ in pairs]
    found = repeated_key(body, members_of(body))
    assert (found is not None) == (len(set(keys)) < len(keys))


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",\n ", ": ")])
def test_the_key_that_stands_twice_is_named(separators: tuple[str, str]) -> None:
    comma, colon = separators
    body = f'{{"a"{colon}1{comma}"model"{colon}"x"{comma}"b"{colon}[]{comma}"model"{colon}"y"}}'
    assert repeated_key(body.encode(), members_of(body.encode())) == "model"
