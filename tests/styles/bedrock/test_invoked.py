"""Anthropic's events in Bedrock's frames: the way back of what `test_invoke.py` takes apart."""

import json
from base64 import b64decode

from pilotfish.core.formats import eventstream
from pilotfish.core.formats.deltas import Finish, MessageStart, TextDelta
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import FinishReason
from pilotfish.styles.bedrock.invoke import ChunkDecoder
from pilotfish.styles.bedrock.invoked import INVOKED, chunk, framing

EVENT = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'


def messages(stream):
    return [eventstream.read(frame) for frame in eventstream.EventStreamDecoder().feed(stream)]


def test_an_event_survives_the_way_there_and_back():
    assert ChunkDecoder().feed(chunk(EVENT)) == [EVENT]
    (message,) = messages(chunk(EVENT))
    assert message.headers[":event-type"] == "chunk"
    data = b64decode(json.loads(message.payload)["bytes"])
    assert json.loads(data) == {"type": "content_block_stop", "index": 0}


def test_what_says_nothing_makes_no_frame():
    """A client of Bedrock's would take a ping for an event of the answer."""
    assert chunk(b'event: ping\ndata: {"type":"ping"}\n\n') == b""
    assert chunk(b": comment\n\n") == b""
    assert INVOKED.ping_event() == b""


def test_a_new_name_is_written_before_the_frame():
    renamed = framing(lambda event: event.replace(b'"index":0', b'"index":7'))(EVENT)
    assert b'"index":7' in ChunkDecoder().feed(renamed)[0]
    assert framing(None)(EVENT) == chunk(EVENT)


def test_a_written_stream_is_frames_from_start_to_end():
    writer = INVOKED.stream_writer(model="m", request_id="r", now=0.0, options={})
    stream = writer.write([MessageStart(id="i", model="m"), TextDelta("hi")])
    stream += writer.write([Finish(FinishReason.STOP)]) + writer.end()
    assert writer.ping() == b""
    events = [json.loads(b64decode(json.loads(m.payload)["bytes"])) for m in messages(stream)]
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"
    assert [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"] == ["hi"]


def test_a_broken_stream_ends_with_an_exception():
    writer = INVOKED.stream_writer(model="m", request_id="r", now=0.0, options={})
    error = ErrorInfo(message="gone", status=503)
    for frame in (writer.error(error), INVOKED.error_event(error)):
        (message,) = messages(frame)
        assert message.headers[":exception-type"] == "serviceUnavailableException"
    assert json.loads(INVOKED.write_error(429, error))["__type"] == "ThrottlingException"


def test_the_end_that_a_stream_may_lack_is_a_frame():
    (message,) = messages(INVOKED.terminal_event)
    assert b64decode(json.loads(message.payload)["bytes"]) == b'{"type":"message_stop"}'
