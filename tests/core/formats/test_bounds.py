"""What is too much to be read is known before it is read, and what is merely long is not refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.bodies import members_of
from pilotfish.core.formats.bounds import (
    MAX_ENTRIES,
    MAX_KEYS,
    MAX_VALUES,
    has_too_many_keys,
    has_too_many_values,
)
from pilotfish.core.formats.neutral import arguments_object
from pilotfish.errors import ClientError
from pilotfish.styles import get, names

KEYS = b"{%b}" % b",".join(b'"key-number-%d": 1' % i for i in range(MAX_KEYS * 10))


@pytest.mark.parametrize("one", [b"{}", b"[]", b'{"a":1}', b'{"type":"text","text":""}'])
def test_a_list_of_too_many_objects_is_too_much(one: bytes) -> None:
    assert has_too_many_values(b"[%b]" % b",".join([one] * (MAX_VALUES + 1)))
    assert not has_too_many_values(b"[%b]" % b",".join([one] * (MAX_VALUES // 5)))


def test_too_many_strings_are_too_much() -> None:
    assert has_too_many_values(b"[%b]" % b",".join([b'"a"'] * MAX_VALUES * 9))


def test_vectors_are_not_too_much() -> None:
    vectors = b",".join([b"[%b]" % b",".join([b"0.1"] * 1000)] * 500)
    assert not has_too_many_values(b'{"data": [%b]}' % vectors)


@pytest.mark.parametrize("text", ["a, b: {c} [d] ", 'say \\"hello, you\\" ', "back\\\\slash, "])
def test_what_stands_in_strings_does_not_count(text: str) -> None:
    body = b'{"messages": [{"content": "%b"}]}' % (text.encode() * MAX_VALUES)
    assert not has_too_many_values(body)


def test_many_keys_are_refused_before_they_are_read() -> None:
    assert has_too_many_keys(KEYS)
    with pytest.raises(ClientError, match="more than 1000 keys at its top") as refused:
        members_of(KEYS)
    assert refused.value.status == 400


@pytest.mark.parametrize("field", ["messages", "unknown"])
def test_keys_inside_of_a_field_are_none_at_the_top(field: str) -> None:
    body = b'{"model": "m", "%b": [%b]}' % (field.encode(), KEYS)
    assert not has_too_many_keys(body)
    assert set(members_of(body)) == {"model", field}


def test_a_string_that_looks_like_keys_is_none() -> None:
    body = b'{"a": "%b"}' % (b'{\\"k\\": 1, \\"k\\": 2} ' * 10_000)
    assert not has_too_many_keys(body)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_it_is_an_answer(text: bytes) -> None:
    assert has_too_many_values(text) is False
    assert has_too_many_keys(text * 400 + b":" * 2000) in (True, False)


ONE = {
    "openai": b'{"messages": [%b]}',
    "openai_responses": b'{"input": [%b]}',
    "anthropic": b'{"max_tokens": 1, "messages": [%b]}',
    "google": b'{"contents": [%b]}',
    "bedrock": b'{"messages": [%b]}',
}
TURN = {
    "google": b'{"role": "user", "parts": [{"text": "x"}]}',
    "bedrock": b'{"role": "user", "content": [{"text": "x"}]}',
}


@pytest.mark.parametrize("style", names())
def test_more_turns_than_can_be_translated_quickly_are_refused(style: str) -> None:
    turn = TURN.get(style, b'{"role": "user", "content": "x"}')
    body = ONE[style] % b",".join([turn] * (MAX_ENTRIES + 1))
    with pytest.raises(ClientError, match="at most 10000 entries in all lists") as refused:
        get(style).read_request(body, model="m", stream=False)
    assert refused.value.status == 400


@pytest.mark.parametrize("style", names())
def test_more_values_than_can_be_read_quickly_are_refused(style: str) -> None:
    body = ONE[style] % b",".join([b"{}"] * MAX_VALUES)
    with pytest.raises(ClientError, match="at most 100000 values") as refused:
        get(style).read_request(body, model="m", stream=False)
    assert refused.value.status == 400


@pytest.mark.parametrize("style", names())
def test_an_answer_with_more_values_is_no_answer(style: str) -> None:
    body = b'{"choices": [%b]}' % b",".join([b"{}"] * MAX_VALUES)
    with pytest.raises(ValueError, match="at most 100000 values"):
        get(style).read_reply(body)
    assert get(style).inspector().reply(body)


def test_a_tools_arguments_may_hold_a_bomb() -> None:
    arguments = msgspec.json.encode({"a": [[]] * MAX_VALUES}).decode()
    assert arguments_object(arguments) == {"_raw": arguments}
