"""Streams for Google's clients, as events and as one JSON array, read by Google's own model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types

from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    Delta,
    Finish,
    LogprobsDelta,
    MessageStart,
    PartDelta,
    Ping,
    RefusalDelta,
    StreamError,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import (
    Citation,
    FinishReason,
    Image,
    Opaque,
    Signature,
    TokenLogprob,
)
from pilotfish.core.formats.sse import SseDecoder, data_of
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.google import STYLE

TOOL = ToolStart(index=0, id="a", name="f")


def stream(*deltas: Delta, array: bool = False, at_once: bool = False) -> bytes:
    writer = STYLE.stream_writer(model="served", request_id="r1", now=0.0, options={"array": array})
    given = [list(deltas)] if at_once else [[delta] for delta in deltas]
    return b"".join(writer.write(run) for run in given) + writer.end()


def chunks(*deltas: Delta, **how: bool) -> list[dict[str, Any]]:
    """The payloads, each of which Google's own model has taken."""
    raw = stream(*deltas, **how)
    found = (
        json.loads(raw)
        if how.get("array")
        else [json.loads(data_of(event)) for event in SseDecoder().feed(raw)]
    )
    for chunk in found:
        types.GenerateContentResponse.model_validate(chunk)
    return found


def parts(*deltas: Delta, **how: bool) -> list[dict[str, Any]]:
    found = [
        part
        for chunk in chunks(*deltas, **how)
        for part in chunk["candidates"][0]["content"]["parts"]
    ]
    return [part for part in found if part != {"text": ""}]


class TestAStreamThatBreaks:
    @pytest.mark.parametrize("array", [True, False])
    def test_ends_with_an_error_and_nothing_after_it(self, array):
        writer = STYLE.stream_writer(model="m", request_id="r", now=0.0, options={"array": array})
        out = writer.write([TextDelta("a")]) + writer.error(ErrorInfo(message="broke", status=503))
        assert writer.end() == b""
        assert writer.write([TextDelta("b")]) == b""
        assert writer.error(ErrorInfo(message="again")) == b""
        found = (
            json.loads(out)
            if array
            else [json.loads(data_of(event)) for event in SseDecoder().feed(out)]
        )
        assert found[-1]["error"] == {"code": 503, "message": "broke", "status": "UNAVAILABLE"}
        assert not any(
            "finishReason" in candidate for chunk in found[:-1] for candidate in chunk["candidates"]
        )

    def test_before_it_began_is_an_array_of_one_error(self):
        writer = STYLE.stream_writer(model="m", request_id="r", now=0.0, options={"array": True})
        assert json.loads(writer.error(ErrorInfo(message="broke"))) == [
            {"error": {"code": 500, "message": "broke", "status": "INTERNAL"}}
        ]

    def test_by_the_upstreams_own_word_ends_the_same_way(self):
        found = [
            json.loads(data_of(event))
            for event in SseDecoder().feed(
                stream(TextDelta("a"), StreamError(ErrorInfo(message="m", status=429)))
            )
        ]
        assert found[-1]["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert len(found) == 2


@pytest.mark.parametrize(
    "how", [{}, {"array": True}, {"at_once": True}, {"array": True, "at_once": True}]
)
def test_an_answer_is_the_same_however_it_is_written(how):
    deltas = (MessageStart("x", "y"), ThinkingDelta("hm"), ThinkingEnd(), TextDelta("Grü"), TextDelta("ße"), TOOL, ToolArgs(0, '{"a"'), ToolArgs(0, ":1}"), Finish(FinishReason.TOOL_CALLS), UsageDelta(Usage(input=3, output=4)))  # fmt: skip
    found = parts(*deltas, **how)
    assert (
        "".join(part["text"] for part in found if "text" in part and "thought" not in part)
        == "Grüße"
    )
    assert found[0] == {"text": "hm", "thought": True}
    assert found[-1] == {"functionCall": {"id": "a", "name": "f", "args": {"a": 1}}}
    last = chunks(*deltas, **how)[-1]
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["usageMetadata"] == {
        "promptTokenCount": 3,
        "candidatesTokenCount": 4,
        "totalTokenCount": 7,
    }
    assert (last["modelVersion"], last["responseId"]) == ("served", "r1")


def test_usage_after_the_finish_reason_is_not_lost():
    found = chunks(
        TextDelta("a"), Finish(FinishReason.LENGTH), UsageDelta(Usage(input=1, output=2))
    )
    assert [
        ("finishReason" in chunk["candidates"][0], "usageMetadata" in chunk) for chunk in found
    ] == [(False, False), (True, True)]


def test_an_answer_without_words_is_still_an_answer():
    (only,) = chunks(array=True)
    assert only["candidates"][0] == {
        "content": {"parts": [{"text": ""}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }


def test_calls_written_in_alternation_come_out_whole_and_in_order():
    other = ToolStart(index=1, id="b", name="g")
    found = parts(
        TOOL,
        ToolArgs(0, '{"a"'),
        other,
        ToolArgs(1, '{"b":2}'),
        ToolArgs(0, ":1}"),
        Finish(FinishReason.TOOL_CALLS),
    )
    assert [part["functionCall"]["args"] for part in found] == [{"a": 1}, {"b": 2}]


def test_a_call_goes_out_as_soon_as_it_is_complete():
    writer = STYLE.stream_writer(model="m", request_id="r", now=0.0, options={})
    assert writer.write([TOOL, ToolArgs(0, "{}")]) == b""
    assert b"functionCall" in writer.write([BlockEnd()])


def test_a_call_that_was_cut_short_is_handed_over_as_it_is():
    assert parts(TOOL, ToolArgs(0, '{"a": "b')) == [
        {"functionCall": {"id": "a", "name": "f", "args": {"_raw": '{"a": "b'}}}
    ]


def test_signatures_of_google_stand_at_their_parts():
    own = Signature("google", "c2ln")
    found = parts(
        TextDelta("a"),
        TextDelta("b", own),
        ToolStart(index=0, id="a", name="f", signature=own),
        ToolArgs(0, "{}"),
        at_once=True,
    )
    assert found == [
        {"text": "a"},
        {"text": "b", "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
    ]


def test_signatures_of_others_are_base64_as_googles_sdk_demands():
    (chunk, _) = chunks(ThinkingEnd(Signature("anthropic", "sig!"), redacted=True))
    part = types.Part.model_validate(chunk["candidates"][0]["content"]["parts"][0])
    assert part.thought_signature == b"redacted pilotfish:anthropic::sig!"


def test_refusals_images_logprobs_and_sources_have_their_places():
    deltas = (
        RefusalDelta("Grü"),
        PartDelta(Image(media_type="image/png", data="AAAA")),
        LogprobsDelta((TokenLogprob("a", -0.5),)),
        CitationDelta(Citation(url="u")),
        Ping(),
    )
    found = chunks(*deltas)
    assert parts(*deltas) == [
        {"text": "Grü"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]
    assert found[2]["candidates"][0]["logprobsResult"]["chosenCandidates"] == [
        {"token": "a", "logProbability": -0.5}
    ]
    segment = found[-1]["candidates"][0]["groundingMetadata"]["groundingSupports"][0]["segment"]
    assert segment == {"startIndex": 0, "endIndex": 4, "text": "Grü"}


def test_a_keep_alive_is_white_space_that_no_parser_minds():
    writer = STYLE.stream_writer(model="m", request_id="r", now=0.0, options={"array": True})
    out = writer.ping() + writer.write([TextDelta("a")]) + writer.ping() + writer.end()
    assert len(json.loads(out)) == 2
    assert STYLE.inspector().event(STYLE.ping_event()) & 64


def test_calls_that_never_became_whole_still_come_out():
    found = parts(
        TOOL, ToolStart(index=1, id="b", name="g"), ToolArgs(1, '{"b":'), ToolArgs(0, '{"a":')
    )
    assert [part["functionCall"]["args"] for part in found] == [
        {"_raw": '{"a":'},
        {"_raw": '{"b":'},
    ]


def test_what_google_has_no_form_for_is_left_out():
    assert (
        parts(
            PartDelta(Opaque("anthropic", {"type": "x"})),
            TextDelta(""),
            ThinkingDelta(""),
            ThinkingEnd(),
        )
        == []
    )
