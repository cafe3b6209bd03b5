"""OpenAI Chat Completions and Completions as the vendor speaks them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotfish.simulated.asked import Asked, BadRequest
from pilotfish.simulated.wires.openai_chat import MOST_CHOICES, OpenAIChat, OpenAICompletions
from pilotfish.simulated.wires.wire import Kind, Trouble
from simulated.wires.said import ASKED, FULL, PLAIN, content_events, sse_data, streamed, whole

CHAT, COMPLETIONS = OpenAIChat(), OpenAICompletions()
USER = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m"}, "messages: found none"),
        ({"model": "m", "messages": "hello"}, "messages: found str"),
        ({"messages": USER}, "must provide a model"),
        ({"model": "m", "messages": USER, "n": MOST_CHOICES + 1}, "at most 128"),
        ({"model": "m", "messages": USER, "n": 0}, "n: found 0"),
        ({"model": "m", "messages": USER, "max_tokens": True}, "found True"),
        ({"model": "m", "messages": USER, "response_format": "json"}, "response_format: found str"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_with_the_field(body, words):
    with pytest.raises(BadRequest, match=words):
        CHAT.read(body, None, False)


def test_a_request_is_read():
    asked = CHAT.read(
        {
            "model": "m",
            "stream": True,
            "messages": [{"role": "developer", "content": "be brief"}, *USER],
            "tools": [{"type": "function", "function": {"name": "weather"}}, {"type": "custom"}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "parallel_tool_calls": False,
            "reasoning_effort": "low",
            "response_format": {"type": "json_schema", "json_schema": {"schema": {"const": 1}}},
            "max_tokens": 5,
            "max_completion_tokens": 6,
            "stream_options": {"include_usage": True},
            "n": 2,
        },
        None,
        False,
    )
    assert [turn.role for turn in asked.turns] == ["system", "user"]
    assert (asked.tools, asked.forced, asked.parallel) == ({"weather": None}, "weather", False)
    assert (asked.think, asked.schema, asked.max_tokens) == (True, {"const": 1}, 6)
    assert (asked.stream, asked.include_usage, asked.count) == (True, True, 2)


def test_the_model_in_the_path_wins():
    assert CHAT.read({"model": "m", "messages": USER}, "deployed", False).model == "deployed"


def test_a_whole_answer_has_text_calls_thinking_and_usage():
    answer = whole(CHAT, FULL)
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "the end "
    assert choice["message"]["reasoning_content"] == "hm "
    assert choice["message"]["refusal"] is None
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"city": "Kiel"}'
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 1


def test_without_usage_there_is_no_such_key():
    assert "usage" not in whole(CHAT, replace(PLAIN, usage=False))
    asked = replace(ASKED, include_usage=True)
    assert all(
        "usage" not in data for _, data in streamed(CHAT, replace(PLAIN, usage=False), asked)[:-1]
    )


def test_as_many_choices_come_as_were_asked_for():
    asked = replace(ASKED, count=2)
    assert [c["index"] for c in whole(CHAT, PLAIN, asked)["choices"]] == [0, 1]
    assert [d["choices"][0]["index"] for d in content_events(streamed(CHAT, PLAIN, asked))] == (
        [0, 1] * 2
    )


def test_a_stream_begins_with_the_role_and_ends_with_done():
    found = streamed(CHAT, FULL)
    assert found[0][1]["choices"][0]["delta"]["role"] == "assistant"
    assert found[-1] == (Kind.DONE, "[DONE]")
    pieces = [data["choices"][0]["delta"] for data in content_events(found)]
    assert pieces[:3] == [{"reasoning_content": "hm "}, {"content": "the "}, {"content": "end "}]
    assert "".join(p["tool_calls"][0]["function"]["arguments"] for p in pieces[3:]) == (
        '{"city": "Kiel"}'
    )


@pytest.mark.parametrize(("wanted", "seen"), [(True, 1), (False, 0)])
def test_usage_comes_in_a_chunk_of_its_own_where_it_is_asked_for(wanted, seen):
    found = streamed(CHAT, PLAIN, replace(ASKED, include_usage=wanted))
    assert [data["choices"] for _, data in found[:-1] if data.get("usage")] == [[]] * seen


def test_a_declined_answer_is_a_refusal_alone():
    message = whole(CHAT, PLAIN.refused("declined"))["choices"][0]["message"]
    assert (message["content"], bool(message["refusal"])) == (None, True)
    pieces = content_events(streamed(CHAT, PLAIN.refused("declined")))
    assert all(data["choices"][0]["delta"].keys() == {"refusal"} for data in pieces)


def test_completions_take_a_prompt_and_give_text():
    asked = COMPLETIONS.read({"model": "m", "prompt": ["a", "b"], "max_tokens": 3}, None, False)
    assert (asked.turns[0].text, asked.max_tokens, asked.stream) == ("ab", 3, False)
    assert whole(COMPLETIONS)["choices"][0]["text"] == "the end "
    found = streamed(COMPLETIONS, PLAIN, Asked(model="m", include_usage=True))
    assert [data["choices"][0]["text"] for data in content_events(found)] == ["the ", "end "]
    assert found[-2][1]["usage"]["prompt_tokens"] == 10


def test_errors_keep_alives_and_damage_are_in_the_styles_form():
    event = sse_data(CHAT.error_event(Trouble(status=503, kind="overloaded"), first=True))
    assert event["error"]["code"] == "server_is_overloaded"
    assert CHAT.heartbeat().startswith(b":")
    assert CHAT.malformed() == b'data: {"broken": [1, 2\n\n'
    assert CHAT.failure(Trouble(status=500)).status == 500
