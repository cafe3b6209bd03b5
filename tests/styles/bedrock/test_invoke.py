"""Claude's own stream in Bedrock's frames: whatever happens to the frames, no answer looks whole
that is not.
"""

from __future__ import annotations

import json
import random
from base64 import b64encode
from itertools import pairwise
from typing import Any

import pytest

from bedrock_wire import exception, frame
from pilotfish.core.exchange.pass_through import PassThrough
from pilotfish.core.formats import eventstream
from pilotfish.core.formats.sse import LIMIT_BYTES, EventTooLong, event_from
from pilotfish.core.formats.style import CONTENT, ERROR, MALFORMED
from pilotfish.styles.anthropic import STYLE
from pilotfish.styles.anthropic.inspector import AnthropicInspector
from pilotfish.styles.bedrock.invoke import ChunkDecoder

PAYLOADS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "model": "claude",
            "usage": {"input_tokens": 9, "output_tokens": 1},
        },
    },
    {"type": "ping"},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "thinking_delta", "thinking": "hm"},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "c2ln"},
    },
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Grüße "}},
    {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": "text_delta", "text": "\N{FISH}"},
    },
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
    {
        "type": "message_stop",
        "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 4},
    },
]


def compact(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def chunk(data: bytes, padding: str = "abcdef") -> bytes:
    return frame("chunk", {"bytes": b64encode(data).decode(), "p": padding})


EVENTS = [event_from(compact(payload), str(payload["type"]).encode()) for payload in PAYLOADS]
FRAMES = [chunk(compact(payload), "abcdefghij"[: i % 11]) for i, payload in enumerate(PAYLOADS)]
STREAM = b"".join(FRAMES)
FINISHED_AT = len(
    b"".join(FRAMES[:-1])
)  # from here on the finish reason has come: only the last event is missing


def fed(*reads: bytes) -> list[bytes]:
    decoder = ChunkDecoder()
    return [event for data in reads for event in decoder.feed(data)]


def channel(*reads: bytes) -> PassThrough:
    """What the proxy makes of these reads."""
    made = PassThrough(
        ChunkDecoder(),
        AnthropicInspector(),
        hide_usage=False,
        rename=None,
        close=STYLE.terminal_event,
    )
    for data in reads:
        made.feed(data)
    return made


def looks_whole(made: PassThrough) -> bool:
    return made.error is None and not made.too_long and (made.finished or made.terminal)


# ---- what goes wrong


def test_a_stream_that_is_cut_before_its_finish_never_looks_whole():
    for length in range(FINISHED_AT):
        assert not looks_whole(channel(STREAM[:length])), length
    assert looks_whole(channel(STREAM[:FINISHED_AT]))


def test_damage_anywhere_is_an_error_or_leaves_the_stream_unfinished():
    """A frame with a wrong checksum is not left out like an event that is no JSON: its text would
    be missing from a whole answer.
    """
    for at in range(FINISHED_AT):
        spoilt = bytearray(STREAM)
        spoilt[at] ^= 0x10
        made = channel(bytes(spoilt))
        assert not looks_whole(made), at
        assert made.error is None or made.error.message.startswith(
            "the upstream's stream is damaged"
        ), made.error


def test_nothing_comes_after_damage():
    spoilt = bytearray(b"".join(FRAMES[7:9]))
    spoilt[len(FRAMES[7]) - 1] ^= 1
    (event,) = fed(bytes(spoilt), STREAM)
    assert AnthropicInspector().event(event) == ERROR


@pytest.mark.parametrize("payload", [{"p": "abc"}, {"bytes": 7}, {"bytes": "=not base64="}, 7])
def test_a_chunk_whose_bytes_cannot_be_had_is_damage(payload):
    found = channel(FRAMES[7], frame("chunk", payload), FRAMES[10], FRAMES[11])
    assert not looks_whole(found)
    assert found.error is not None
    assert found.error.status == 502


@pytest.mark.parametrize("spoilt", [chunk(b'{"type": "content_block_delta", '), eventstream.write({":event-type": "chunk", ":message-type": "event"}, b"{")])  # fmt: skip
def test_what_is_no_json_is_left_out_and_the_stream_goes_on(spoilt):
    found = channel(*FRAMES[:8], spoilt, *FRAMES[8:])
    assert (found.malformed, looks_whole(found)) == (1, True)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("throttlingException", 429),
        ("modelStreamErrorException", 424),
        ("validationException", 400),
        ("modelTimeoutException", 408),
        ("internalServerException", 500),
        ("serviceUnavailableException", 503),
        ("somethingNewException", 500),
    ],
)
def test_an_exception_ends_the_stream_with_its_own_words_and_status(name, status):
    found = channel(*FRAMES[:8], exception(name, "slow down"), *FRAMES[8:])
    assert found.error is not None
    assert (found.error.status, found.error.type.lower(), found.error.message) == (
        status,
        name.lower(),
        "slow down",
    )
    assert not found.finished


def test_an_error_of_the_stream_itself_ends_it_too():
    headers = {
        ":message-type": "error",
        ":error-code": "InternalFailure",
        ":error-message": "went wrong",
    }
    found = channel(*FRAMES[:8], eventstream.write(headers, b""), *FRAMES[8:])
    assert found.error is not None
    assert (found.error.status, found.error.message) == (500, "went wrong")


def test_an_error_event_of_anthropics_own_comes_through_as_one():
    found = channel(
        chunk(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'),
        *FRAMES,
    )
    assert found.error is not None
    assert (found.error.status, found.error.message) == (529, "Overloaded")


def test_a_frame_over_the_limit_ends_the_stream_and_what_came_before_it_is_kept():
    with pytest.raises(EventTooLong) as error:
        fed(FRAMES[0] + chunk(b" " * LIMIT_BYTES))
    assert error.value.events == [EVENTS[0]]


# ---- what goes well


def test_the_events_are_what_anthropic_itself_would_send():
    assert fed(STREAM) == EVENTS


def test_however_the_stream_is_cut_the_events_are_the_same():
    rng = random.Random(7)
    for step in (1, 2, 3, 11, 12, 13, 500):
        assert fed(*(STREAM[i : i + step] for i in range(0, len(STREAM), step))) == EVENTS, step
    for _ in range(50):
        cuts = sorted({0, len(STREAM), *rng.choices(range(len(STREAM)), k=rng.randrange(30))})
        assert fed(*(STREAM[a:b] for a, b in pairwise(cuts))) == EVENTS, cuts


def test_usage_finish_and_content_are_seen_in_passing():
    found = channel(STREAM)
    assert found.usage is not None
    assert (found.usage.input, found.usage.output, found.finish_reason, found.contents) == (
        9,
        4,
        "end_turn",
        3,
    )
    assert (found.terminal, found.close()) == (True, b"")


@pytest.mark.parametrize("name", ["initial-response", "somethingNew"])
def test_frames_of_other_kinds_have_nothing_for_the_client(name):
    assert fed(frame(name, {"x": 1})) == []


def test_json_over_several_lines_is_put_on_one():
    pretty = b'{\r\n "type": "content_block_delta",\n "index": 1, "delta": {"type": "text_delta", "text": "a\\nb"}\n}'
    (event,) = fed(chunk(pretty))
    assert event.count(b"\n") == 3
    assert AnthropicInspector().event(event) == CONTENT


def test_lines_that_are_no_json_stay_one_event():
    (event,) = fed(chunk(b"<html>\n\ndata: {}\n\n"))
    assert AnthropicInspector().event(event) == MALFORMED
