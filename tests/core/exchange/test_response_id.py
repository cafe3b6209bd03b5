"""Names of answers, found in their first bytes."""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.response_id import LOOKED_AT, response_id_in


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b": keep-alive\n\n",
        b'{"id": 7}',
        b'{"id": ""}',
        b'{"id": "half',
        b'{"id": "with space"}',
        b'{"id": "%s"}' % (b"x" * 129),
        b'{"messages": "%s", "id": "late"}' % (b"x" * LOOKED_AT),
        b"\xff\xfe\x00",
    ],
)
def test_where_there_is_none_it_is_empty(data: bytes) -> None:
    assert response_id_in(data) == ""


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk"}\n\n', "chatcmpl-1"),
        (b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1"', "msg_1"),
        (b'{"type":"response.created","response":{"id":"resp_1"}}', "resp_1"),
        (b'[{"candidates": [], "responseId": "g-1"}', "g-1"),
        (b'{"id" : "a/b:c"}', "a/b:c"),
    ],
)
def test_the_first_name_is_the_answers(data: bytes, name: str) -> None:
    assert response_id_in(data) == name
