"""What each vendor says under status 200 when it, or its model, declines: recognised where it is all
there is, in streams and whole answers, passed through and translated.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

import bedrock_wire
from pilotfish import styles
from pilotfish.core.exchange.pass_through import PassThrough
from pilotfish.core.exchange.response_stream import ResponseStream, Translated
from pilotfish.core.formats.style import CONTENT, DECLINED, TERMINAL
from pilotfish.styles._guardrail import ACTION, CANNED_CHARS
from style_wire import WRITTEN, sse

NO = "I cannot help with that."


def chat(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def chat_whole(finish: str, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}


def response(status: str, *parts: dict[str, Any], reason: str = "") -> dict[str, Any]:
    message = {"type": "message", "id": "i", "role": "assistant", "content": list(parts)}
    details = {"reason": reason} if reason else None
    return {
        "id": "r",
        "object": "response",
        "model": "m",
        "status": status,
        "incomplete_details": details,
        "output": [message] if parts else [],
    }


def claude(*blocks: dict[str, Any], stop: str = "refusal") -> dict[str, Any]:
    return {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": list(blocks),
        "stop_reason": stop,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def claude_stream(*texts: str, stop: str = "refusal") -> list[dict[str, Any]]:
    started = {**claude(), "stop_reason": None}
    block = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        for text in texts
    ]
    return [
        {"type": "message_start", "message": started},
        *([block] if texts else []),
        *deltas,
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def gemini(finish: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish}]}


def converse(stop: str, *texts: str) -> list[bytes]:
    return [
        bedrock_wire.frame("messageStart", {"role": "assistant"}),
        *(
            bedrock_wire.frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": t}})
            for t in texts
        ),
        bedrock_wire.frame("messageStop", {"stopReason": stop}),
        bedrock_wire.frame("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}}),
    ]


def converse_whole(stop: str, *texts: str) -> dict[str, Any]:
    content = [{"text": text} for text in texts]
    return {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop}


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "s"}
DELTA = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "delta": "Hi"}
DONE = b"data: [DONE]\n\n"


def guarded_stream(*texts: str, action: str = "INTERVENED") -> list[Any]:
    """A Claude on Bedrock whose guardrail speaks in its place: only a field of the last event tells."""
    *events, stop = claude_stream(*texts, stop="end_turn")
    return [*events, stop | {ACTION: action}]


def guarded(text: str, action: str = "INTERVENED") -> dict[str, Any]:
    return claude({"type": "text", "text": text}, stop="end_turn") | {ACTION: action}


DECLINED_STREAMS: list[tuple[str, list[Any]]] = [
    ("openai", [chat({"role": "assistant"}), chat({"refusal": NO}), chat({}, "stop"), DONE]),
    ("openai", [chat({"role": "assistant", "content": ""}), chat({}, "content_filter"), DONE]),
    ("openai", [chat({}, "content_filter: PROHIBITED_CONTENT"), DONE]),
    (
        "openai_responses",
        [
            {"type": "response.created", "response": response("in_progress")},
            {"type": "response.refusal.delta", "item_id": "i", "output_index": 0, "delta": NO},
            {
                "type": "response.completed",
                "response": response("completed", {"type": "refusal", "refusal": NO}),
            },
        ],
    ),
    (
        "openai_responses",
        [
            {
                "type": "response.incomplete",
                "response": response("incomplete", reason="content_filter"),
            }
        ],
    ),
    ("anthropic", claude_stream()),
    ("anthropic", guarded_stream("Sorry, the model ", "cannot answer.")),
    ("google", [BLOCKED]),
    ("google", [{"candidates": [{"finishReason": "SAFETY", "index": 0}]}]),
    ("google", [gemini("RECITATION")]),
    ("bedrock", converse("guardrail_intervened", "Sorry, the model ", "cannot answer.")),
    ("bedrock", converse("content_filtered")),
]
GOOD_STREAMS: list[tuple[str, list[Any]]] = [
    ("openai", [chat({"content": "Hi"}), chat({}, "content_filter"), DONE]),
    ("openai", [chat({"content": "Hi"}), chat({}, "stop"), DONE]),
    ("openai", [chat({}, "stop"), DONE]),
    (
        "openai_responses",
        [
            DELTA,
            {
                "type": "response.incomplete",
                "response": response("incomplete", reason="content_filter"),
            },
        ],
    ),
    ("anthropic", claude_stream("Hi")),
    ("anthropic", claude_stream("Hi", stop="end_turn")),
    ("anthropic", guarded_stream("x" * (CANNED_CHARS + 1))),
    ("anthropic", guarded_stream("Hi", action="NONE")),
    ("google", [gemini("SAFETY", {"text": "Hi"})]),
    ("google", [gemini("MAX_TOKENS")]),
    ("bedrock", converse("content_filtered", "Hi")),
    ("bedrock", converse("guardrail_intervened", "x" * (CANNED_CHARS + 1))),
    ("bedrock", converse("end_turn", "Hi")),
]
DECLINED_ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("openai", chat_whole("stop", content=None, refusal=NO)),
    ("openai", chat_whole("content_filter", content="")),
    ("openai", chat_whole("content_filter", content=None, reasoning_content="Hm")),
    ("openai_responses", response("completed", {"type": "refusal", "refusal": NO})),
    ("openai_responses", response("incomplete", reason="content_filter")),
    ("anthropic", claude()),
    ("anthropic", claude(THOUGHT)),
    ("anthropic", guarded("Sorry, the model cannot answer.")),
    ("google", BLOCKED),
    ("google", gemini("SAFETY")),
    ("google", gemini("SAFETY", {"text": "Hm", "thought": True})),
    ("bedrock", converse_whole("guardrail_intervened", "Sorry, the model cannot answer.")),
    ("bedrock", converse_whole("content_filtered")),
]
GOOD_ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("openai", chat_whole("content_filter", content="Hi")),
    ("openai", chat_whole("stop", content="")),
    (
        "openai_responses",
        response("incomplete", {"type": "output_text", "text": "Hi"}, reason="content_filter"),
    ),
    ("openai_responses", response("completed")),
    ("anthropic", claude({"type": "text", "text": "Hi"})),
    ("anthropic", claude(stop="end_turn")),
    ("anthropic", guarded("x" * (CANNED_CHARS + 1))),
    ("anthropic", guarded("Hi", action="NONE")),
    ("google", gemini("SAFETY", {"text": "Hi"})),
    ("google", gemini("STOP")),
    ("bedrock", converse_whole("guardrail_intervened", "x" * (CANNED_CHARS + 1))),
    ("bedrock", converse_whole("end_turn")),
]


def as_bytes(style: str, events: list[Any]) -> bytes:
    return b"".join(events if style == "bedrock" else sse(*events))


def passing(name: str) -> ResponseStream:
    style = styles.get(name)
    return PassThrough(
        style.event_decoder(),
        style.inspector(),
        hide_usage=False,
        rename=None,
        close=style.terminal_event,
        canned_chars=style.canned_chars,
    )


def translated(name: str, client: str = "anthropic") -> ResponseStream:
    style = styles.get(name)
    writer = styles.get(client).stream_writer(**WRITTEN, options={})
    return Translated(
        style.event_decoder(), style.stream_reader(), writer, canned_chars=style.canned_chars
    )


@pytest.mark.parametrize("made", [passing, translated])
@pytest.mark.parametrize(("style", "events"), DECLINED_STREAMS)
def test_a_stream_that_holds_nothing_but_a_refusal_is_one(style, events, made):
    whole, by_byte = made(style), made(style)
    data = as_bytes(style, events)
    whole.feed(data)
    for i in range(len(data)):
        by_byte.feed(data[i : i + 1])
    assert whole.declined
    assert by_byte.declined


@pytest.mark.parametrize("made", [passing, translated])
@pytest.mark.parametrize(("style", "events"), GOOD_STREAMS)
def test_a_stream_with_content_or_without_a_word_of_refusal_is_none(style, events, made):
    stream = made(style)
    stream.feed(as_bytes(style, events))
    assert not stream.declined


@pytest.mark.parametrize(("style", "body"), DECLINED_ANSWERS)
def test_a_whole_answer_that_holds_nothing_but_a_refusal_is_one(style, body):
    assert styles.get(style).inspector().reply(json.dumps(body).encode()) == DECLINED | TERMINAL


@pytest.mark.parametrize(("style", "body"), GOOD_ANSWERS)
def test_a_whole_answer_with_content_or_without_a_word_of_refusal_is_none(style, body):
    assert styles.get(style).inspector().reply(json.dumps(body).encode()) == CONTENT | TERMINAL


@pytest.mark.parametrize("made", [passing, translated])
def test_the_text_of_a_refusal_is_no_first_token(made):
    stream = made("openai")
    stream.feed(as_bytes("openai", [chat({"refusal": NO})]))
    assert (stream.contents, stream.declined) == (0, True)


@pytest.mark.parametrize("made", [passing, translated])
def test_a_refusal_after_content_changes_nothing(made):
    stream = made("openai")
    stream.feed(as_bytes("openai", [chat({"content": "Hi"}), chat({"refusal": NO})]))
    assert not stream.declined


@pytest.mark.parametrize("made", [passing, translated])
def test_only_short_text_of_bedrock_may_be_a_guardrails(made):
    short, long, other = made("bedrock"), made("bedrock"), made("openai")
    short.feed(as_bytes("bedrock", converse("end_turn", "Hi")[:2]))
    long.feed(as_bytes("bedrock", converse("end_turn", "x" * (CANNED_CHARS + 1))[:2]))
    other.feed(as_bytes("openai", [chat({"content": "Hi"})]))
    assert (short.may_be_canned, long.may_be_canned, other.may_be_canned) == (True, False, False)
