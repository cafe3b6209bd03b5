"""What is seen of a session's events: answers under way, their tokens, errors, close codes."""

import json

import pytest

from pilotfish.core.exchange.socket_events import (
    REASON_BYTES,
    SocketEvents,
    close_code,
    error_event,
    error_of_close,
    error_of_event,
    reason_of,
    sendable,
)
from pilotfish.core.exchange.sockets import LIVE, REALTIME, RESPONSES
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.usage import Usage


def raw(**event):
    return json.dumps(event).encode()


def done(op, usage):
    kind = "response.done" if op == REALTIME else "response.completed"
    return raw(type=kind, response={"usage": usage})


@pytest.mark.parametrize("op", [REALTIME, RESPONSES, LIVE])
@pytest.mark.parametrize(
    "event", [b"", b"\x00\xff", b"{", b'"response.done"', b'{"type":"response.done"}', b'{"type":"response.done","response":{"usage":[]}}', b'"usageMetadata" "turnComplete"', b"{" * 10_000 + b'"usageMetadata"']
)  # fmt: skip
def test_nonsense_counts_nothing(op, event):
    assert SocketEvents(op).from_vendor(event) is None


@pytest.mark.parametrize("op", [REALTIME, RESPONSES])
def test_tokens_come_with_the_end_of_an_answer(op):
    events = SocketEvents(op)
    usage = {
        "input_tokens": 10,
        "output_tokens": 5,
        "input_token_details": {"cached_tokens": 3},
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    assert events.from_vendor(raw(type="response.output_text.delta", delta="x")) is None
    expected = Usage(input=10, output=5, cached_input=3, reasoning=2)
    assert events.from_vendor(done(op, usage)) == expected
    assert events.from_vendor(done(op, {"input_tokens": True, "output_tokens": "x"})) == Usage()
    assert events.turns == 2


def test_a_session_that_writes_down_what_it_hears_counts_that():
    heard = raw(
        type="conversation.item.input_audio_transcription.completed",
        usage={"type": "tokens", "input_tokens": 4, "output_tokens": 2},
    )
    assert SocketEvents(REALTIME, transcribes=True).from_vendor(heard) == Usage(input=4, output=2)
    assert SocketEvents(REALTIME).from_vendor(heard) is None


def test_lives_tokens_count_once_a_turn_however_often_it_tells_them():
    events = SocketEvents(LIVE)
    for said in (3, 5):
        counts = {"promptTokenCount": 8, "responseTokenCount": said}
        event = raw(serverContent={"modelTurn": {}}, usageMetadata=counts)
        assert events.from_vendor(event) is None
    assert events.from_vendor(raw(serverContent={"turnComplete": True})) == Usage(input=8, output=5)
    assert events.left() is None
    counts = {"promptTokenCount": 1, "toolUsePromptTokenCount": 2, "thoughtsTokenCount": 4}
    events.from_vendor(raw(serverContent={}, usageMetadata=counts))
    assert events.left() == Usage(input=3, output=4, reasoning=4)


@pytest.mark.parametrize("op", [REALTIME, RESPONSES])
def test_an_answer_is_under_way_until_it_ends(op):
    events = SocketEvents(op)
    events.from_client(raw(type="input_audio_buffer.append", audio="x"))
    assert not events.busy
    events.from_client(raw(type="response.create"))
    assert events.busy
    events.from_vendor(done(op, {}))
    assert not events.busy
    events.from_vendor(raw(type="response.created"))  # the vendor heard the end of a sentence
    assert events.busy
    events.from_vendor(raw(type="error", error={"message": "x"}))
    assert not events.busy


def test_a_turn_of_live_is_under_way_until_it_ends():
    events = SocketEvents(LIVE)
    events.from_client(raw(realtimeInput={"audio": "x"}))
    assert not events.busy
    for name in ("clientContent", "client_content"):
        events.busy = False
        events.from_client(raw(**{name: {"turnComplete": True}}))
        assert events.busy
    events.from_vendor(raw(serverContent={"turnComplete": True}))
    assert not events.busy
    events.from_vendor(raw(serverContent={"modelTurn": {}}))
    assert events.busy


def test_errors_as_events():
    told = error_of_event(
        REALTIME, raw(type="error", error={"type": "t", "code": "c", "message": "m"})
    )
    assert told == ErrorInfo(message="m", type="t", code="c")
    assert error_of_event(RESPONSES, raw(type="error", status=400, error={})).status == 400
    assert error_of_event(REALTIME, raw(type="session.created", note='"error"')) is None
    assert error_of_event(REALTIME, b'"error"') is None
    assert error_of_event(LIVE, raw(type="error", error={"message": "m"})) is None


def test_errors_are_told_in_the_vendors_own_event():
    error = ErrorInfo(message="m", code="c")
    told = json.loads(error_event(REALTIME, error, 503))
    assert told == {
        "type": "error",
        "error": {"type": "server_error", "code": "c", "message": "m", "param": None},
    }
    told = json.loads(error_event(RESPONSES, error, 404))
    assert (told["status"], told["error"]["type"]) == (404, "invalid_request_error")
    assert error_event(LIVE, error, 500) == b""


@pytest.mark.parametrize(
    ("code", "expected"),
    [(None, 1000), (1005, 1000), (1006, 1011), (1015, 1011), (1000, 1000), (4001, 4001), (999, 1011), (70000, 1011)],
)  # fmt: skip
def test_close_codes_that_only_say_that_none_came_are_not_sent(code, expected):
    assert sendable(code) == expected


def test_a_reason_is_cut_within_what_a_frame_holds():
    assert reason_of("x" * 500) == b"x" * REASON_BYTES
    cut = reason_of("\u00e9" * 100)
    assert len(cut) <= REASON_BYTES
    assert set(cut.decode()) == {"\u00e9"}


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (1008, "models/x is not found for API version v1beta", 404),
        (1011, "You exceeded your current quota", 429),
        (1007, "API key not valid. Please pass a valid API key.", 401),
        (1007, "Invalid JSON payload", 400),
        (1013, "", 503),
        (1011, "The service is currently unavailable.", 503),
        (1011, "Internal error", 502),
        (None, "", 502),
    ],
)
def test_what_a_close_before_the_first_event_means(code, reason, status):
    error = error_of_close(code, reason)
    assert error.status == status
    assert error.message


@pytest.mark.parametrize(("status", "code"), [(429, 1013), (503, 1013), (404, 1008), (502, 1011)])
def test_the_code_of_a_session_that_did_not_begin(status, code):
    assert close_code(status) == code
