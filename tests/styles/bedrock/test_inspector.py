"""What is seen of Bedrock's answers in passing."""

from __future__ import annotations

import json

import pytest

from bedrock_wire import exception, frame
from pilotfish.core.formats import eventstream
from pilotfish.core.formats.style import CONTENT, ERROR, FINISH, MALFORMED, PING, TERMINAL
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.bedrock import STYLE
from pilotfish.styles.bedrock.inspector import BedrockInspector


def delta(**given: object) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": given, "p": "abcd"})


@pytest.mark.parametrize("damage", [0, 5, 9, 20, -1])
def test_a_damaged_frame_is_an_error_since_what_it_held_is_missing(damage):
    """An event that is no JSON is left out, for the vendor meant nothing by it; a frame whose
    checksum is wrong meant something.
    """
    raw = bytearray(delta(text="a"))
    raw[damage] ^= 0xFF
    inspector = BedrockInspector()
    assert inspector.event(bytes(raw)) == ERROR
    assert (inspector.error.status, inspector.error.message[:32]) == (
        502,
        "the upstream's stream is damaged",
    )


def test_a_frame_without_json_is_malformed():
    assert (
        BedrockInspector().event(
            eventstream.write({":event-type": "x", ":message-type": "event"}, b"{")
        )
        == MALFORMED
    )


def test_an_exception_is_an_error_with_its_status():
    inspector = BedrockInspector()
    assert inspector.event(exception("throttlingException", "slow")) == ERROR
    assert (inspector.error.status, inspector.error.type, inspector.error.message) == (
        429,
        "ThrottlingException",
        "slow",
    )


def test_an_error_of_the_stream_itself_has_its_words_in_the_headers():
    inspector = BedrockInspector()
    headers = {
        ":message-type": "error",
        ":error-code": "InternalFailure",
        ":error-message": "went wrong",
    }
    assert inspector.event(eventstream.write(headers, b"")) == ERROR
    assert (inspector.error.message, inspector.error.code, inspector.error.status) == (
        "went wrong",
        "InternalFailure",
        500,
    )


@pytest.mark.parametrize(
    ("given", "chars"),
    [
        ({"text": "Grüß"}, 4),
        ({"reasoningContent": {"text": "hm"}}, 2),
        ({"toolUse": {"input": '{"a"'}}, 4),
        ({"image": {"source": {"bytes": "AAAA"}}}, 0),
    ],
)
def test_text_thoughts_arguments_and_images_are_content(given, chars):
    inspector = BedrockInspector()
    assert inspector.event(delta(**given)) == CONTENT
    assert inspector.chars == chars


def test_the_start_of_a_call_is_content():
    inspector = BedrockInspector()
    assert (
        inspector.event(
            frame(
                "contentBlockStart",
                {"start": {"toolUse": {"toolUseId": "t", "name": "fn"}}, "contentBlockIndex": 0},
            )
        )
        == CONTENT
    )
    assert inspector.chars == 2


@pytest.mark.parametrize(
    "event",
    [
        frame("messageStart", {"role": "assistant"}),
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("contentBlockStart", {"start": {}, "contentBlockIndex": 0}),
        delta(text=""),
        delta(reasoningContent={"signature": "s"}),
        delta(toolUse={"input": ""}),
        delta(new=1),
        frame("contentBlockDelta", {"delta": 7}),
        frame("somethingNew", {}),
        eventstream.write({":event-type": "initial-response", ":message-type": "event"}, b""),
    ],
)
def test_the_rest_is_nothing(event):
    assert BedrockInspector().event(event) == 0


def test_metadata_is_the_end_and_tells_the_usage_in_one_sum():
    inspector = BedrockInspector()
    assert inspector.event(frame("messageStop", {"stopReason": "tool_use"})) == FINISH
    counts = {
        "inputTokens": 10,
        "outputTokens": 5,
        "totalTokens": 45,
        "cacheReadInputTokens": 20,
        "cacheWriteInputTokens": 10,
    }
    assert (
        inspector.event(frame("metadata", {"usage": counts, "metrics": {"latencyMs": 1}}))
        == TERMINAL
    )
    assert (inspector.finish_reason, inspector.usage) == (
        "tool_use",
        Usage(input=40, output=5, cached_input=20, cache_write=10),
    )


def test_an_odd_count_does_not_hide_the_others():
    inspector = BedrockInspector()
    inspector.event(frame("metadata", {"usage": {"inputTokens": 10, "outputTokens": "5"}}))
    assert inspector.usage == Usage(input=10)


def test_our_own_keep_alive_is_a_ping():
    assert BedrockInspector().event(STYLE.ping_event()) == PING


class TestAWholeAnswer:
    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7"])
    def test_that_is_no_object_is_malformed(self, body):
        assert BedrockInspector().reply(body) == MALFORMED

    def test_that_is_only_a_message_is_an_error(self):
        inspector = BedrockInspector()
        assert (
            inspector.reply(b'{"message":"Too many requests","__type":"ThrottlingException"}')
            == ERROR
        )
        assert inspector.error.type == "ThrottlingException"

    def test_is_counted(self):
        content = [
            {"text": "abc"},
            {"toolUse": {"name": "f", "input": {"a": 1}}},
            {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        ]
        body = {
            "output": {"message": {"content": content}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 2},
        }
        inspector = BedrockInspector()
        assert inspector.reply(json.dumps(body).encode()) == CONTENT | TERMINAL
        assert (inspector.chars, inspector.finish_reason, inspector.usage) == (
            13,
            "end_turn",
            Usage(input=1, output=2),
        )

    def test_of_count_tokens_counts_its_own_tokens(self):
        inspector = BedrockInspector()
        assert inspector.reply(b'{"inputTokens":31}') == CONTENT | TERMINAL
        assert inspector.usage == Usage(input=31)


def test_an_answer_without_counts_is_an_answer():
    inspector = BedrockInspector()
    assert (
        inspector.reply(b'{"output":{"message":{"content":[]}},"stopReason":"end_turn"}')
        == CONTENT | TERMINAL
    )
    assert inspector.usage is None


def test_the_style_cuts_frames():
    raw = delta(text="a")
    assert STYLE.event_decoder().feed(raw + raw[:5]) == [raw]
