"""Google's answers, to and from the neutral form; Google's own model takes what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.neutral import (
    Citation,
    FinishReason,
    Image,
    Opaque,
    Refusal,
    Reply,
    Signature,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.google import STYLE


def read(candidate: dict[str, Any] | None = None, **rest: Any) -> Reply:
    return STYLE.read_reply(
        json.dumps({"candidates": [candidate] if candidate else [], **rest}).encode()
    )


def written(reply: Reply) -> tuple[types.GenerateContentResponse, dict[str, Any]]:
    body = STYLE.write_reply(reply, model="served", request_id="r1", now=0.0)
    return types.GenerateContentResponse.model_validate_json(body), json.loads(body)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>", "expected JSON"),
        (b"[]", "expected an object"),
        (b'{"error":{"code":500}}', "found an error"),
        (b'{"candidates":{"a":1}}', "expected a list"),
        (b'{"candidates":[{"content":{"parts":[{"text":1}]}}]}', "expected a string"),
    ],
)
def test_what_is_no_answer_is_a_value_error(body, problem):
    with pytest.raises(ValueError, match=problem):
        STYLE.read_reply(body)


def test_a_refused_prompt_is_an_answer_without_words():
    reply = read(
        None,
        promptFeedback={"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "not this"},
        usageMetadata={"promptTokenCount": 9},
    )
    assert (reply.parts, reply.finish, reply.finish_details) == (
        (),
        FinishReason.CONTENT_FILTER,
        "not this",
    )
    assert reply.usage == Usage(input=9)
    assert read(None, promptFeedback={"blockReason": "OTHER"}).finish is FinishReason.CONTENT_FILTER


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("RECITATION", FinishReason.CONTENT_FILTER),
        ("BLOCKLIST", FinishReason.CONTENT_FILTER),
        ("SPII", FinishReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER),
        ("MALFORMED_FUNCTION_CALL", FinishReason.MALFORMED_CALL),
        ("PUP_LIMITED_DISABLED", FinishReason.CONTENT_FILTER),
        ("IMAGE_OTHER", FinishReason.CONTENT_FILTER),
        ("MALFORMED_RESPONSE", FinishReason.MALFORMED),
        ("NO_IMAGE", FinishReason.OTHER),
        ("ESCALATION", FinishReason.OTHER),
        ("OTHER", FinishReason.OTHER),
        ("SOMETHING_NEW", FinishReason.OTHER),
    ],
)
def test_every_finish_reason_means_something(word, finish):
    assert read({"content": {"parts": [{"text": "a"}]}, "finishReason": word}).finish is finish


@pytest.mark.parametrize(("given", "tier"), [("STANDARD", "default"), ("flex", "flex"), (7, "")])
def test_the_tier_that_served_is_said_among_the_counts(given, tier):
    answer = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}
    assert read(answer, usageMetadata={"serviceTier": given}).service_tier == tier


class TestCallsWithoutIds:
    CANDIDATE = {
        "content": {
            "parts": [
                {"functionCall": {"name": "f", "args": {"a": 1}}},
                {"functionCall": {"name": "f", "args": {"a": 1}}},
            ]
        },
        "finishReason": "STOP",
    }

    def test_get_ids_of_their_own_and_the_same_every_time(self):
        reply = read(self.CANDIDATE, responseId="r/1")
        assert [part.id for part in reply.parts] == ["gcall_r_1_0", "gcall_r_1_1"]
        assert reply.finish is FinishReason.TOOL_CALLS
        assert read(self.CANDIDATE, responseId="r/1") == reply

    def test_get_them_even_where_the_answer_has_none_itself(self):
        ids = [part.id for part in read(self.CANDIDATE).parts]
        assert len(set(ids)) == 2
        assert ids == [part.id for part in read(self.CANDIDATE).parts]

    def test_lose_them_again_for_a_google_client(self):
        _, body = written(read(self.CANDIDATE, responseId="r1"))
        assert body["candidates"][0]["content"]["parts"][0] == {
            "functionCall": {"name": "f", "args": {"a": 1}}
        }


def test_thoughts_signatures_images_and_code_are_read():
    parts = [
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "a", "thoughtSignature": "Y2Fs"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"codeExecutionResult": {"output": "2"}},
    ]
    assert read({"content": {"parts": parts}}).parts == (
        Thinking(text="hm", signature=Signature("google", "c2ln")),
        Text("a", signature=Signature("google", "Y2Fs")),
        Image(media_type="image/png", data="AAAA"),
        Opaque("google", {"codeExecutionResult": {"output": "2"}}),
    )


def test_usage_is_summed_as_everywhere_else_and_back():
    counts = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 112,
    }
    reply = read({"content": {"parts": [{"text": "a"}]}}, usageMetadata=counts)
    assert reply.usage == Usage(input=100, output=12, cached_input=60, reasoning=5)
    assert written(reply)[1]["usageMetadata"] == counts


def test_googles_client_sees_everything_in_its_place():
    reply = Reply(
        model="upstream",
        parts=(
            Thinking(text="hm", signature=Signature("anthropic", "sig")),
            Text("Grüße", citations=(Citation(url="https://e.com", title="E", start=0, end=3),)),
            ToolCall(id="toolu_1", name="f", arguments='{"a":1}'),
            Refusal("no"),
            Opaque("anthropic", {"type": "x"}),
            Thinking(),
        ),
        finish=FinishReason.LENGTH,
        usage=Usage(input=3, output=4, reasoning=1),
    )
    seen, body = written(reply)
    assert (seen.model_version, seen.response_id) == ("served", "r1")
    thought, text, call, refusal = seen.candidates[0].content.parts
    assert (thought.text, thought.thought) == ("hm", True)
    assert thought.thought_signature == b"pilotfish:anthropic::sig"
    assert (text.text, refusal.text) == ("Grüße", "no")
    assert (call.function_call.id, call.function_call.args) == ("toolu_1", {"a": 1})
    assert seen.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
    support = seen.candidates[0].grounding_metadata.grounding_supports[0]
    assert (support.segment.end_index, support.segment.part_index, support.segment.text) == (
        4,
        1,
        "Grü",
    )
    assert body["usageMetadata"] == {
        "promptTokenCount": 3,
        "candidatesTokenCount": 3,
        "totalTokenCount": 7,
        "thoughtsTokenCount": 1,
    }


@pytest.mark.parametrize("redacted", [True, False])
def test_another_vendors_signature_comes_back_from_a_google_client_as_it_was(redacted):
    thought = Thinking(
        text="" if redacted else "hm",
        signature=Signature("anthropic", "s1:ü", "rs_1"),
        redacted=redacted,
        id="rs_1",
    )
    _, body = written(Reply(parts=(thought,)))
    history = {"contents": [{"role": "model", "parts": body["candidates"][0]["content"]["parts"]}]}
    assert STYLE.read_request(json.dumps(history).encode(), model="m", stream=False).turns[
        0
    ].parts == (thought,)


def test_logprobs_go_both_ways():
    tokens = (
        TokenLogprob("a", -0.1, top=(TokenLogprob("a", -0.1), TokenLogprob("b", -2.5))),
        TokenLogprob("c", -0.2),
    )
    seen, body = written(Reply(parts=(Text("ac"),), logprobs=tokens))
    assert seen.candidates[0].logprobs_result.chosen_candidates[1].token == "c"
    assert STYLE.read_reply(json.dumps(body).encode()).logprobs == tokens


WORDS = st.text(max_size=8)
PARTS = st.one_of(
    st.builds(Text, WORDS.filter(bool), signature=st.none() | st.just(Signature("google", "c2ln"))),
    st.builds(
        ToolCall,
        id=st.text("abc_123", min_size=1, max_size=6),
        name=WORDS.filter(bool),
        arguments=st.just('{"a":"ü"}'),
    ),
    st.builds(
        Thinking,
        text=WORDS.filter(bool),
        signature=st.none()
        | st.builds(Signature, st.sampled_from(["google", "anthropic"]), st.just("c2ln")),
    ),
    st.builds(Image, media_type=st.just("image/png"), data=st.just("AAAA")),
)
COUNTS = st.integers(0, 1000)


@given(
    st.lists(PARTS, max_size=4),
    st.builds(
        lambda a, b, c, d: Usage(input=a + b, output=c + d, cached_input=b, reasoning=d),
        COUNTS,
        COUNTS,
        COUNTS,
        COUNTS,
    ),
)
def test_what_google_can_say_is_read_back_as_it_was_written(parts, usage):
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    reply = Reply(
        id="r1",
        model="served",
        parts=tuple(parts),
        usage=usage,
        finish=FinishReason.TOOL_CALLS if has_calls else FinishReason.STOP,
    )
    seen, body = written(reply)
    assert len(seen.candidates[0].content.parts) == len(parts)
    assert STYLE.read_reply(json.dumps(body).encode()) == reply


def test_sources_stand_at_the_text_they_speak_of():
    chunks = {
        "groundingChunks": [{"web": {"uri": "u"}}],
        "groundingSupports": [
            {"segment": {"partIndex": 1, "endIndex": 1}, "groundingChunkIndices": [0]}
        ],
    }
    reply = read(
        {
            "content": {"parts": [{"text": "hm", "thought": True}, {"text": "a"}, {}]},
            "groundingMetadata": chunks,
        }
    )
    assert [part.citations[0].url for part in reply.parts if isinstance(part, Text)] == ["u"]
    assert read({"content": {"parts": []}, "groundingMetadata": chunks}).parts == ()
