"""What is seen of Google's answers in passing."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.style import CONTENT, DECLINED, ERROR, FINISH, MALFORMED, PING, TERMINAL
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.google import STYLE
from pilotfish.styles.google.inspector import GoogleInspector


def chunk(*parts: dict, finish: str | None = None, **rest: object) -> bytes:
    candidate = {"content": {"parts": list(parts), "role": "model"}} | (
        {"finishReason": finish} if finish else {}
    )
    return event_from(json.dumps({"candidates": [candidate], **rest}).encode())


@pytest.mark.parametrize(
    "event", [b"data: {\n\n", b"data: <html>\n\n", b"data: \xff\n\n", b'data: {"a":1}{"b":2}\n\n']
)
def test_what_is_no_json_is_malformed(event):
    assert GoogleInspector().event(event) == MALFORMED


def test_an_error_in_the_stream_is_seen_with_its_status():
    inspector = GoogleInspector()
    event = event_from(
        b'{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}'
    )
    assert inspector.event(event) == ERROR
    assert (inspector.error.status, inspector.error.type) == (503, "UNAVAILABLE")


def test_an_error_in_a_list_is_an_error_and_any_other_list_is_nothing():
    assert GoogleInspector().event(b'data: [{"error":{"code":429,"message":"m"}}]\n\n') == ERROR
    assert GoogleInspector().event(b"data: [1]\n\n") == 0


@pytest.mark.parametrize("event", [b": ping\n\n", b"\n\n", b"data:\n\n"])
def test_a_comment_or_blank_line_is_a_ping(event):
    assert GoogleInspector().event(event) == PING


@pytest.mark.parametrize(
    ("part", "chars"),
    [
        ({"text": "Grüß"}, 4),
        ({"text": "hm", "thought": True}, 2),
        ({"functionCall": {"name": "f", "args": {"a": 1}}}, 8),
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, 0),
        ({"executableCode": {"code": "1"}}, 0),
    ],
)
def test_text_thoughts_calls_and_images_are_content(part, chars):
    inspector = GoogleInspector()
    assert inspector.event(chunk(part)) == CONTENT
    assert inspector.chars == chars


@pytest.mark.parametrize("part", [{"text": ""}, {"text": "", "thoughtSignature": "AAAA"}, {}])
def test_an_empty_part_is_no_first_token(part):
    assert GoogleInspector().event(chunk(part)) == 0


def test_a_finish_reason_is_no_terminal_event_since_google_has_none():
    """Usage may follow, and some models repeat the reason in every chunk: only the end of the body
    is the end.
    """
    inspector = GoogleInspector()
    assert (
        inspector.event(
            chunk({"text": "a"}, finish="MAX_TOKENS", usageMetadata={"promptTokenCount": 2})
        )
        == CONTENT | FINISH
    )
    assert inspector.finish_reason == "MAX_TOKENS"
    assert (
        inspector.event(
            event_from(b'{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}')
        )
        == 0
    )
    assert inspector.usage == Usage(input=3, output=4)


def test_a_refused_prompt_is_a_finish_without_content():
    inspector = GoogleInspector()
    assert (
        inspector.event(event_from(b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}'))
        == FINISH | DECLINED
    )
    assert inspector.finish_reason == "PROHIBITED_CONTENT"


def test_thoughts_are_output_and_cached_tokens_are_in_the_input():
    counts = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 5,
        "toolUsePromptTokenCount": 3,
        "totalTokenCount": 115,
    }
    inspector = GoogleInspector()
    inspector.event(chunk(usageMetadata=counts, modelVersion="gemini-2.5-flash"))
    assert inspector.usage == Usage(input=103, output=12, cached_input=60, reasoning=5)
    assert inspector.model == "gemini-2.5-flash"


def test_output_that_is_not_counted_is_what_the_total_leaves():
    inspector = GoogleInspector()
    inspector.event(
        chunk(
            usageMetadata={"promptTokenCount": 10, "thoughtsTokenCount": 5, "totalTokenCount": 15}
        )
    )
    assert inspector.usage == Usage(input=10, output=5, reasoning=5)


def test_the_elements_of_an_array_are_events_and_its_bracket_is_the_end():
    inspector = GoogleInspector()
    assert inspector.event(b'[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}') == CONTENT
    assert inspector.event(b',\r\n{"candidates":[{"finishReason":"STOP"}]}') == FINISH
    assert inspector.event(b"\n]") == TERMINAL


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"candidates":7}\n\n',
        b'data: {"candidates":[{"content":{"parts":"x"}}]}\n\n',
        b"data: 7\n\n",
        b'data: {"new":1}\n\n',
    ],
)
def test_json_of_an_unknown_shape_passes_as_nothing(event):
    assert GoogleInspector().event(event) == 0


def test_an_odd_field_does_not_hide_the_rest():
    inspector = GoogleInspector()
    event = chunk(
        {"text": "a", "functionCall": "odd"},
        usageMetadata={"promptTokenCount": 1, "totalTokenCount": "2"},
    )
    assert inspector.event(event) == CONTENT
    assert inspector.usage == Usage(input=1)


class TestAWholeAnswer:
    def test_that_is_an_error_is_one(self):
        inspector = GoogleInspector()
        assert (
            inspector.reply(b'{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}')
            == ERROR
        )
        assert inspector.error.status == 400

    @pytest.mark.parametrize("body", [b"", b"<html>", b"7", b'"text"'])
    def test_that_is_no_object_is_malformed(self, body):
        assert GoogleInspector().reply(body) == MALFORMED

    def test_is_counted(self):
        inspector = GoogleInspector()
        body = b'{"candidates":[{"content":{"parts":[{"text":"abc"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}'
        assert inspector.reply(body) == CONTENT | TERMINAL
        assert (inspector.chars, inspector.finish_reason, inspector.usage) == (
            3,
            "STOP",
            Usage(input=1, output=1),
        )

    def test_of_count_tokens_counts_its_own_tokens(self):
        inspector = GoogleInspector()
        assert inspector.reply(b'{"totalTokens":31}') == CONTENT | TERMINAL
        assert inspector.usage == Usage(input=31)

    def test_of_an_embedding_is_an_answer(self):
        inspector = GoogleInspector()
        assert inspector.reply(b'{"embedding":{"values":[0.1]}}') == CONTENT | TERMINAL
        assert inspector.usage is None


def test_the_style_cuts_events():
    assert STYLE.event_decoder().feed(chunk({"text": "a"}) + b"data: ") == [chunk({"text": "a"})]
