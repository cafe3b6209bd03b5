"""One answer as it comes from the upstream, in whatever pieces, and what it comes to."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from pilotfish.core.exchange.answer import ERROR_BYTES
from pilotfish.core.exchange.hold import HOLD_BYTES, HOLD_EVENTS
from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.keys import Headers, PlainKey, SignedCall
from proxy.scripted import (
    DONE,
    EVENTS,
    REPLY,
    ROLE,
    STOP,
    USAGE,
    Parts,
    World,
    chunk,
    cuttings,
    error,
    inbound_of,
    text,
)
from style_wire import sse
from virtual_time import START, in_virtual_time, passes

pytestmark = pytest.mark.interpreted

STREAM = b"".join(sse(ROLE, text("Grüße, "), text("Welt"), STOP, USAGE, DONE))
# An OpenAI client that did not ask for usage does not get the event of it.
SHOWN = b"".join(sse(ROLE, text("Grüße, "), text("Welt"), STOP, DONE))
TO_THE_STYLE = "on_stream_break: error"  # same style in and out: bytes pass as they are


def streaming(rule: str = TO_THE_STYLE) -> Parts:
    return Parts(World("a", rule), inbound_of(stream=True))


# ---- what is no answer


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (500, error("it broke"), Outcome.SERVER_ERROR),
        (500, b"<html>no JSON at all</html>", Outcome.SERVER_ERROR),
        (500, b"", Outcome.SERVER_ERROR),
        (503, error("busy"), Outcome.OVERLOADED),
        (429, error("slow down"), Outcome.RATE_LIMITED),
        (400, error("no such field", code="unknown_field"), Outcome.BAD_REQUEST),
        (404, error("no such model", code="model_not_found"), Outcome.NOT_FOUND),
        (307, b"", Outcome.SERVER_ERROR),
    ],
)
@in_virtual_time
async def test_an_error_status_is_an_outcome_in_every_cutting_of_its_body(status, body, outcome):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    for pieces in cuttings(data):
        parts = Parts(World())
        parts.starts().sent().head(status).body(*pieces).end()
        assert parts.heard == [f"failed {outcome} {parts.failure and parts.failure.status}"]
        assert parts.record.status == status


@in_virtual_time
async def test_an_error_whose_body_breaks_off_is_still_that_error():
    parts = Parts(World())
    parts.starts().sent().head(429, retry_after="7").body(b'{"error": {"mess').breaks("cut")
    assert parts.record.outcome is Outcome.RATE_LIMITED
    assert parts.failure is not None
    assert parts.failure.wait_s == 7


@in_virtual_time
async def test_of_an_endless_error_so_much_is_read_and_no_more():
    parts = Parts(World())
    call = parts.starts().sent().head(500)
    for _ in range(ERROR_BYTES // 1024):
        call.body(bytes(1024))
        assert parts.heard == []
    call.body(b"x")
    assert (parts.heard, call.cancelled) == (["failed server_error 500"], True)


@pytest.mark.parametrize(
    "body",
    [b"<html>a proxy's welcome</html>", b"", b'{"choices": [', b"\xff\xfe"],
)
@in_virtual_time
async def test_a_good_status_with_something_else_in_it_is_an_error_of_the_server(body):
    parts = Parts(World())
    parts.starts().sent().head(200).body(*[body] if body else []).end()
    assert parts.record.outcome is Outcome.SERVER_ERROR
    assert parts.failure is not None
    assert "not an answer of its style" in parts.failure.message


@in_virtual_time
async def test_an_error_inside_a_whole_answer_is_that_error():
    parts = Parts(World())
    parts.starts().answers(200, error("quota of tokens used up", code="rate_limit_exceeded"))
    assert parts.record.outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize("encoding", ["br", "zstd"])
@in_virtual_time
async def test_a_compression_that_nobody_asked_for_and_nobody_knows_is_named(encoding):
    parts = Parts(World())
    parts.starts().sent().head(200, content_encoding=encoding)
    assert parts.failure is not None
    assert repr(encoding) in parts.failure.message


@pytest.mark.parametrize(
    "packed", [gzip.compress(orjson.dumps(REPLY))[:-9], b"\x1f\x8b\x08\x00damaged"]
)
@in_virtual_time
async def test_a_damaged_compression_is_an_error_of_the_server(packed):
    parts = Parts(World())
    call = parts.starts().sent().head(200, content_encoding="gzip").body(packed)
    call.end()
    assert parts.record.outcome is Outcome.SERVER_ERROR


# ---- a refused credential


class Renewable(PlainKey):
    """A key that is rotated while it is refused."""

    label = "a file"

    def __init__(self) -> None:
        self.number = 1

    def headers(self, call: SignedCall | None) -> Headers | None:
        return ((b"authorization", b"Bearer key-number-%d" % self.number),)

    async def fetch(self) -> None: ...
    def refused(self, sent: Headers) -> bool:
        self.number += 1
        return True


@in_virtual_time
async def test_a_key_that_was_rotated_meanwhile_is_sent_once_more_and_once_only():
    world = World("a", keys={"a": [Renewable()]}, a="token: {env: KEY}")
    parts = Parts(world)
    parts.starts().answers(401, error("no such key"))
    assert (len(world.calls), parts.heard) == (2, [])
    assert world.call(1).headers["authorization"] == "Bearer key-number-2"
    world.call(1).answers(401, error("no such key"))
    assert (len(world.calls), parts.heard) == (2, ["failed auth_failed 401"])


@in_virtual_time
async def test_the_words_of_a_refusal_never_reach_anybody_since_they_may_quote_the_key():
    world = World("a", keys={"a": [Renewable()]}, a="token: {env: KEY}")
    parts = Parts(world)
    for n in range(2):
        parts.starts() if not n else None
        world.call(n).answers(401, error(f"key-number-{n + 1} is revoked"))
    assert parts.failure is not None
    assert "key-number" not in f"{parts.failure}"
    assert parts.failure.message == "a refused the proxy's credential (status 401)"


# ---- streams


@in_virtual_time
async def test_a_stream_is_the_same_in_every_cutting():
    for pieces in cuttings(STREAM):
        parts = streaming()
        parts.starts().sent().head(200, EVENTS).body(*pieces)
        assert parts.held() == SHOWN
        # Where content and end come in one read there is nothing to be said of a first token.
        assert parts.heard in (["complete"], ["first token", "complete"])
        usage = parts.record.usage
        assert usage is not None
        assert (usage.input, usage.output, parts.record.finish_reason) == (7, 2, "stop")


@in_virtual_time
async def test_a_compressed_stream_is_the_same_in_every_cutting():
    packed = gzip.compress(STREAM)
    for pieces in cuttings(packed):
        parts = streaming()
        parts.starts().sent().head(200, EVENTS, content_encoding="gzip").body(*pieces)
        assert parts.held() == SHOWN


@pytest.mark.parametrize(
    ("events", "heard"),
    [
        ([], ["failed server_error 502"]),
        ([ROLE], ["failed server_error 502"]),
        ([ROLE, text("small")], ["first token", "failed broken_stream 502"]),
        ([ROLE, text("small"), STOP], ["first token", "complete"]),
    ],
)
@in_virtual_time
async def test_a_stream_that_ends_without_its_last_event(events, heard):
    """After a finish reason it has said all it had to say."""
    parts = streaming()
    parts.starts().streams(*events).end()
    assert parts.heard == heard


@in_virtual_time
async def test_a_finish_reason_alone_ends_the_stream_after_two_seconds():
    parts = streaming()
    parts.starts().streams(ROLE, text("small"), STOP)
    parts.attempt.reader.tick(START + 2.0)
    assert parts.heard == ["first token"]
    parts.attempt.reader.tick(START + 2.1)
    assert parts.heard == ["first token", "complete"]
    assert parts.held().endswith(DONE), "the client's stream ends as its style wants it"


@pytest.mark.parametrize("kind", ["reset", "cut", "protocol"])
@in_virtual_time
async def test_a_connection_lost_after_the_finish_reason_loses_nothing(kind):
    parts = streaming()
    parts.starts().streams(ROLE, text("small"), STOP).breaks(kind)
    assert parts.heard == ["first token", "complete"]


@in_virtual_time
async def test_an_error_event_before_content_is_its_own_outcome():
    parts = streaming()
    parts.starts().streams(ROLE, error("busy", code="overloaded_error", type="overloaded_error"))
    assert parts.heard == ["failed overloaded 503"]


@pytest.mark.parametrize("before", [[ROLE], [ROLE, text("small")]])
@in_virtual_time
async def test_what_a_model_could_not_write_stays_with_the_error(before):
    """Groq's agents mend a call that the model wrote badly by what is in the error."""
    parts = streaming()
    parts.starts().streams(*before, error("no call", failed_generation="<function=f{"))
    assert parts.failure is not None
    assert parts.failure.failed_generation == "<function=f{"


@in_virtual_time
async def test_an_error_event_after_content_breaks_the_stream_whatever_it_says():
    parts = streaming()
    call = parts.starts().streams(ROLE, text("small"))
    call.says(error("busy", type="overloaded_error"))
    assert parts.record.outcome is Outcome.BROKEN_STREAM
    assert parts.failure is not None
    assert parts.failure.message == "busy"
    assert call.cancelled


@in_virtual_time
async def test_an_event_of_more_than_its_limit_breaks_the_stream():
    parts = streaming()
    call = parts.starts().streams(ROLE, text("small"))
    for _ in range(40):
        call.body(b"data: " + b"x" * 65_536)
    assert parts.record.outcome is Outcome.BROKEN_STREAM
    assert call.cancelled


# ---- what is held back


@in_virtual_time
async def test_start_up_events_are_held_back_until_content():
    parts = streaming()
    call = parts.starts().streams(*[ROLE] * HOLD_EVENTS)
    assert parts.heard == []
    call.says(text("small"))
    assert parts.heard == ["first token"]


@in_virtual_time
async def test_of_start_up_events_so_many_are_held_and_no_more():
    parts = streaming()
    call = parts.starts().streams(*[ROLE] * HOLD_EVENTS)
    call.says(ROLE)
    assert parts.heard == ["first token"]


@in_virtual_time
async def test_while_a_race_is_undecided_no_more_than_so_many_bytes_are_taken():
    parts = streaming()
    call = parts.starts().streams(ROLE)
    big = chunk({"role": "assistant", "content": ""}, note="x" * (HOLD_BYTES // 2))
    call.says(big)
    assert (parts.heard, call.is_paused) == ([], False)
    call.says(big, big)
    assert (parts.heard, call.is_paused) == (["first token"], True)
    parts.attempt.reader.resume()
    assert not call.is_paused


@in_virtual_time
async def test_what_comes_once_it_is_relayed_goes_straight_to_the_client():
    parts = streaming()
    call = parts.starts().streams(ROLE)
    parts.record.relayed = True
    call.says(text("small"))
    assert parts.heard == [f"data {b''.join(sse(text('small')))!r}", "first token"]


@in_virtual_time
async def test_a_pause_before_the_connection_is_there_holds_for_it():
    parts = streaming()
    call = parts.starts()
    parts.attempt.reader.pause()
    call.is_paused = False
    call.sent()
    assert call.is_paused


# ---- clocks


def tick(parts: Parts, at: float, **more: Any) -> None:
    parts.attempt.reader.tick(START + at, **more)


TIMEOUTS = f"{TO_THE_STYLE}, timeouts: {{first_token_s: 10, idle_s: 4, total_s: 100}}"


@in_virtual_time
async def test_before_the_request_is_sent_no_clock_runs():
    parts = streaming(TIMEOUTS)
    parts.starts()
    tick(parts, 1000)
    assert parts.heard == []


@in_virtual_time
async def test_a_stream_without_content_is_given_up_after_first_token_s_pings_or_not():
    parts = streaming(TIMEOUTS)
    call = parts.starts().streams(ROLE)
    for second in range(1, 11):
        call.body(b": ping\n\n")
        tick(parts, second)
    assert parts.heard == []
    tick(parts, 10.1)
    assert parts.heard == ["failed timeout 504"]
    assert call.cancelled


@in_virtual_time
async def test_between_content_a_stream_may_be_silent_for_idle_s():
    parts = streaming(TIMEOUTS)
    call = parts.starts().streams(ROLE, text("a"))
    await passes(4)
    tick(parts, 4)
    call.says(text("b"))
    tick(parts, 8)
    assert parts.heard == ["first token"]
    call.body(b": ping\n\n")
    tick(parts, 8.1)
    assert parts.heard == ["first token", "failed broken_stream 504"]
    assert parts.failure is not None
    assert parts.failure.code == "stream_stalled"


@in_virtual_time
async def test_a_request_that_asks_for_thinking_gets_twice_the_time():
    parts = Parts(World("a", TIMEOUTS), inbound_of(stream=True, reasoning_effort="high"))
    parts.starts().streams(ROLE)
    tick(parts, 19.9)
    assert parts.heard == []
    tick(parts, 20.1)
    assert parts.heard == ["failed timeout 504"]


@in_virtual_time
async def test_a_client_that_does_not_read_makes_no_upstream_late():
    parts = streaming(TIMEOUTS)
    parts.starts().streams(ROLE, text("a"))
    parts.attempt.reader.pause()
    tick(parts, 50)
    assert parts.heard == ["first token"]
    await passes(50)
    parts.attempt.reader.resume()
    tick(parts, 53)
    assert parts.heard == ["first token"]
    tick(parts, 54.1)
    assert parts.heard == ["first token", "failed broken_stream 504"]


@in_virtual_time
async def test_a_providers_own_limit_holds_for_whole_answers_too():
    parts = Parts(World(a="no_key_required: true, timeout: 3"))
    parts.starts().sent()
    tick(parts, 3)
    assert parts.heard == []
    tick(parts, 3.1)
    assert parts.heard == ["failed timeout 504"]


# ---- whole answers


@in_virtual_time
async def test_a_whole_answer_is_the_same_in_every_cutting():
    data = orjson.dumps(REPLY)
    for pieces in cuttings(data):
        parts = Parts(World())
        parts.starts().sent().head(200).body(*pieces).end()
        assert (parts.heard, parts.attempt.reader.body) == (["complete"], data)


@in_virtual_time
async def test_bytes_that_are_no_json_pass_as_they_come():
    parts = Parts(World(), inbound_of("/v1/audio/speech", {"model": "chat", "input": "hello"}))
    call = parts.starts().sent().head(200, "audio/mpeg").body(b"\x00one", b"two")
    assert (parts.heard, parts.held()) == (["first token"], b"\x00onetwo")
    call.end()
    assert parts.heard == ["first token", "complete"]
