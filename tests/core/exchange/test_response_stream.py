"""From an upstream's bytes to the client's: nothing lost, nothing added, nothing of a failure
seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish import styles
from pilotfish.core.exchange.pass_through import InArray, PassThrough
from pilotfish.core.exchange.response_stream import Raw, Translated
from pilotfish.core.exchange.shown_model import renamer
from pilotfish.core.exchange.stream_resume import Continuation, Transcript
from pilotfish.core.formats.sse import LIMIT_BYTES
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.google.array import ArrayFraming
from style_wire import payloads, sse


def chunk(delta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": None}] if delta is not None else []
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "upstream-m",
        "choices": choices,
        **more,
    }


ROLE = chunk({"role": "assistant", "content": ""})
STOP = {**chunk({}), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = chunk(usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9})
DONE = b"data: [DONE]\n\n"
CHAT = b"".join(
    sse(
        ROLE,
        b": ping\n\n",
        chunk({"content": "Grüße, "}),
        chunk({"content": "Welt"}),
        STOP,
        USAGE,
        DONE,
    )
)
CUTS = st.lists(st.integers(0, len(CHAT)), max_size=8).map(sorted)


def passing(
    *, hide_usage: bool = False, rename: Callable[[bytes], bytes] | None = None
) -> PassThrough:
    style = styles.get("openai")
    return PassThrough(
        style.event_decoder(),
        style.inspector(),
        hide_usage=hide_usage,
        rename=rename,
        close=style.terminal_event,
    )


def translated(upstream: str, client: str, **more: Any) -> Translated:
    writer = more.pop("writer", None) or writer_of(client)
    return Translated(
        styles.get(upstream).event_decoder(), styles.get(upstream).stream_reader(), writer, **more
    )


def writer_of(client: str) -> Any:
    return styles.get(client).stream_writer(
        model="shown", request_id="r1", now=0.0, options={"include_usage": True}
    )


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    return [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]


# ---- pass-through


@given(CUTS)
def test_the_same_style_passes_byte_for_byte_however_it_is_cut(at: list[int]) -> None:
    channel = passing()
    assert b"".join(channel.feed(piece) for piece in cut(CHAT, at)) == CHAT
    assert (channel.contents, channel.malformed, channel.finished, channel.terminal) == (
        2,
        0,
        True,
        True,
    )
    assert channel.usage == Usage(input=7, output=2)
    assert (channel.finish_reason, channel.chars) == ("stop", len("Grüße, Welt"))
    assert channel.close() == b""


def test_events_that_are_no_events_of_the_style_are_left_out_and_counted() -> None:
    channel = passing()
    stream = sse(
        ROLE,
        b"data: {broken\n\n",
        chunk({"content": "a"}),
        b'data: {"choices": [}\n\n',
        b"data: \xff\xfe\n\n",
        DONE,
    )
    out = b"".join(channel.feed(event) for event in stream)
    assert out == b"".join(sse(ROLE, chunk({"content": "a"}), DONE))
    assert channel.malformed == 3


def test_an_error_event_stops_the_stream_and_neither_it_nor_anything_after_it_passes() -> None:
    channel = passing()
    out = channel.feed(
        b"".join(
            sse(
                chunk({"content": "a"}),
                {"error": {"message": "overloaded", "type": "server_error"}},
                chunk({"content": "b"}),
            )
        )
    )
    assert out == b"".join(sse(chunk({"content": "a"})))
    assert channel.error is not None
    assert channel.error.message == "overloaded"


COUNTS = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_counts_that_come_with_an_error_or_after_it_are_counted(client: str) -> None:
    error = {"error": {"message": "tool use failed", "type": "invalid_request_error"}}
    for tail in ([error, {"choices": [], "usage": COUNTS}], [error | {"usage": COUNTS}]):
        channel = passing() if client == "openai" else translated("openai", client)
        out = channel.feed(b"".join(sse(chunk({"content": "a"}), *tail)))
        assert channel.error is not None
        assert channel.usage is not None
        assert (channel.usage.input, channel.usage.output) == (9, 4)
        assert b"usage" not in out or client == "anthropic"
        assert b"tool use failed" not in out


def test_an_event_beyond_all_measure_stops_the_stream_after_what_came_before_it() -> None:
    channel = passing()
    before = b"".join(sse(chunk({"content": "a"})))
    assert channel.feed(before + b"data: " + b"x" * (LIMIT_BYTES + 1)) == before
    assert "expected at most" in channel.too_long


def test_pings_and_start_up_events_are_no_content_and_pings_are_not_even_events() -> None:
    """What is held back until the first content is counted in events; keep-alives could else push
    it out.
    """
    channel = passing()
    for event in sse(ROLE, *[b": ping\n\n"] * 100):
        channel.feed(event)
    assert (channel.contents, channel.events) == (0, 1)


def test_a_usage_event_that_the_client_did_not_ask_for_is_read_and_not_passed_on() -> None:
    channel = passing(hide_usage=True)
    assert channel.feed(CHAT) == CHAT.replace(b"".join(sse(USAGE)), b"")
    assert channel.usage == Usage(input=7, output=2)


def test_a_usage_event_that_the_client_asked_for_is_passed_on() -> None:
    assert b"".join(sse(USAGE)) in passing(hide_usage=False).feed(CHAT)


def test_a_missing_terminal_event_is_added_once() -> None:
    channel = passing()
    channel.feed(b"".join(sse(chunk({"content": "a"}), STOP)))
    assert (channel.terminal, channel.finished) == (False, True)
    assert channel.close() == DONE
    assert channel.close() == b""


def test_the_clients_name_of_the_model_stands_in_every_event() -> None:
    out = passing(rename=renamer('my "model"')).feed(CHAT)
    assert {event["model"] for event in payloads(out) if event != "[DONE]"} == {'my "model"'}
    assert out.replace(rb'"model":"my \"model\""', b'"model": "upstream-m"') == CHAT


# ---- Google's arrays


def google(text: str, **more: Any) -> bytes:
    return b"".join(
        sse(
            {
                "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, **more}],
                "modelVersion": "up",
            }
        )
    )


def in_array(rename: Callable[[bytes], bytes] | None = None) -> InArray:
    style = styles.get("google")
    return InArray(style.event_decoder(), style.inspector(), rename, ArrayFraming())


def test_events_become_the_elements_of_one_array() -> None:
    channel = in_array()
    out = (
        channel.feed(google("a")) + channel.feed(google("b", finishReason="STOP")) + channel.close()
    )
    assert [e["candidates"][0]["content"]["parts"][0]["text"] for e in json.loads(out)] == [
        "a",
        "b",
    ]
    assert channel.contents == 2


def test_elements_are_renamed_like_events() -> None:
    channel = in_array(renamer("new"))
    assert json.loads(channel.feed(google("a")) + channel.close())[0]["modelVersion"] == "new"


def test_an_array_without_events_is_empty_and_one_that_broke_says_so_and_is_closed() -> None:
    assert json.loads(in_array().close()) == []
    channel = in_array()
    out = channel.feed(google("a"))
    error = styles.get("google").read_error(503, b"")
    assert "error" in json.loads(out + channel.error_element(error))[-1]


# ---- translated


ANTHROPIC = b"".join(
    sse(
        {"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant", "model": "up", "content": [],
                                              "usage": {"input_tokens": 7, "output_tokens": 1}}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße, "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Welt"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
)  # fmt: skip


def text_in(stream: bytes) -> str:
    events = [e for e in payloads(stream) if e != "[DONE]"]
    return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])


@given(st.lists(st.integers(0, len(ANTHROPIC)), max_size=8).map(sorted))
def test_another_style_says_the_same_however_it_is_cut(at: list[int]) -> None:
    whole = translated("anthropic", "openai")
    expected = whole.feed(ANTHROPIC) + whole.close()
    channel = translated("anthropic", "openai")
    out = b"".join(channel.feed(piece) for piece in cut(ANTHROPIC, at)) + channel.close()
    assert payloads(out)[-1] == "[DONE]"
    assert text_in(out) == text_in(expected) == "Grüße, Welt"
    assert (
        channel.contents,
        channel.chars,
        channel.terminal,
        channel.finished,
        channel.finish_reason,
    ) == (2, 11, True, True, "stop")
    assert channel.usage == Usage(input=7, output=2)


def test_translated_streams_leave_out_and_count_what_is_malformed_and_stop_at_an_error() -> None:
    channel = translated("openai", "anthropic")
    out = channel.feed(
        b"".join(
            sse(
                chunk({"content": "a"}),
                b"data: {x\n\n",
                {"error": {"message": "m"}},
                chunk({"content": "b"}),
            )
        )
    )
    assert channel.malformed == 1
    assert channel.error is not None
    assert b"error" not in out
    assert b'"b"' not in out


def test_translated_streams_are_bounded_too() -> None:
    channel = translated("openai", "anthropic")
    assert channel.feed(b"data: " + b"x" * (LIMIT_BYTES + 1)) == b""
    assert channel.too_long


def test_a_role_alone_is_no_content_but_reasoning_and_tools_are() -> None:
    channel = translated("openai", "anthropic")
    channel.feed(b"".join(sse(ROLE, chunk({"content": ""}), b": ping\n\n")))
    assert channel.contents == 0
    channel.feed(b"".join(sse(chunk({"reasoning_content": "hm"}))))
    assert channel.contents == 1
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}}
    channel.feed(b"".join(sse(chunk({"tool_calls": [call]}))))
    assert channel.contents == 2


# ---- a stream that another one goes on from


def joined(first: bytes, second: bytes, client: str = "anthropic") -> tuple[bytes, Translated]:
    """The client's whole stream: `first` breaks at its end, `second` goes on (both OpenAI's)."""
    writer, record = writer_of(client), Transcript()
    broken = translated("openai", client, writer=writer, transcript=record)
    out = broken.feed(first)
    assert record.can_be_resumed
    rescuer = translated(
        "openai",
        client,
        writer=writer,
        transcript=record,
        continuation=Continuation(record.text, broken.usage),
    )
    return out + rescuer.feed(second) + rescuer.close(), rescuer


FIRST = b"".join(
    sse(ROLE, chunk({"content": "The quick brown fox "}), chunk({"content": "jumps over"}))
)


def test_a_continued_stream_has_no_seam() -> None:
    out, _ = joined(FIRST, b"".join(sse(ROLE, chunk({"content": " the lazy dog."}), STOP, DONE)))
    events = payloads(out)
    assert [e["type"] for e in events].count("message_start") == 1
    assert [e["type"] for e in events].count("content_block_start") == 1
    assert [e["type"] for e in events][-3:] == [
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert (
        "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta")
        == "The quick brown fox jumps over the lazy dog."
    )


def test_what_the_second_answer_repeats_is_left_out() -> None:
    second = b"".join(
        sse(
            ROLE,
            chunk({"content": "brown fox"}),
            chunk({"content": " jumps over the lazy dog."}),
            STOP,
            DONE,
        )
    )
    out, rescuer = joined(FIRST, second, "openai")
    assert text_in(out) == "The quick brown fox jumps over the lazy dog."
    assert rescuer.transcript is not None
    assert rescuer.transcript.text == "The quick brown fox jumps over the lazy dog."


def test_a_last_word_is_not_lost_where_the_second_answer_ends_without_saying_so() -> None:
    """`The` could be the beginning of a repetition, so it is held back; the upstream's bare
    `[DONE]` lets it go.
    """
    out, _ = joined(FIRST, b"".join(sse(chunk({"content": "The"}), DONE)), "openai")
    assert text_in(out) == "The quick brown fox jumps overThe"


def test_the_client_sees_one_usage_and_each_attempt_keeps_its_own() -> None:
    first = FIRST + b"".join(
        sse(chunk(usage={"prompt_tokens": 7, "completion_tokens": 6, "total_tokens": 13}))
    )
    out, rescuer = joined(
        first,
        b"".join(
            sse(
                chunk({"content": " x"}),
                STOP,
                chunk(usage={"prompt_tokens": 20, "completion_tokens": 3}),
                DONE,
            )
        ),
    )
    assert rescuer.usage == Usage(input=20, output=3)
    [usage] = [e["usage"] for e in payloads(out) if e["type"] == "message_delta"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (27, 9)


# ---- bytes that are no events


def test_raw_bytes_pass_and_their_end_is_the_end() -> None:
    channel = Raw()
    assert (channel.feed(b"\x00"), channel.contents, channel.terminal) == (b"\x00", 1, False)
    assert (channel.close(), channel.terminal, channel.usage) == (b"", True, None)
