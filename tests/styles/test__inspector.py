"""What inspectors share."""

from __future__ import annotations

import msgspec
import pytest

from pilotfish.styles._inspector import BaseInspector, whole_answer


class Answer(msgspec.Struct):
    model: str | None = None


DECODER = msgspec.json.Decoder(Answer)


def test_before_anything_came_nothing_is_known():
    inspector = BaseInspector()
    assert (inspector.usage, inspector.finish_reason, inspector.model) == (None, None, None)
    assert (inspector.error, inspector.chars) == (None, 0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"7", b'"text"', b"null"])
def test_what_is_no_object_or_list_is_no_answer(body):
    assert whole_answer(DECODER, body) is None


def test_an_answer_with_an_odd_field_is_one_all_the_same():
    assert whole_answer(DECODER, b' {"model": 7}') == Answer()
    assert whole_answer(DECODER, b'{"model": "m"}') == Answer("m")
