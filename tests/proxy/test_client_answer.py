"""What the client reads: heads, bytes, errors, keep-alives, in its own style."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pilotfish.core.formats import eventstream
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.proxy.client_answer import KEEP_ALIVE_S, ClientAnswer, error_of
from proxy.scripted import DONE, REPLY, ROLE, STOP, USAGE, Client, Parts, World, inbound_of, text
from virtual_time import START, in_virtual_time

pytestmark = pytest.mark.interpreted
# An event that Bedrock's SDKs do not know, and pass over.
BEDROCK_PING = eventstream.write(
    {":event-type": "ping", ":content-type": "application/json", ":message-type": "event"}, b"{}"
)


class Answered:
    """A client, the answer to it and one attempt that may become it."""

    def __init__(self, world: World | None = None, **more: Any) -> None:
        path = more.pop("path", "/v1/chat/completions")
        self.parts = Parts(world or World(), inbound_of(path, more.pop("body", None), **more))
        self.client = Client(path, [], b"{}")
        self.record = self.parts.request
        self.answer = ClientAnswer(
            self.client.exchange,
            self.parts.inbound,
            self.parts.translation,
            self.record,
            (b"x-pilotfish-rule", b"chat"),
        )
        self.attempt = self.parts.attempt

    def fails(self, retry_after_s: float | None = None, *, by_attempt: bool = False, **more: Any):
        failure = Failure(
            outcome=Outcome.OVERLOADED, status=503, message="too busy", code="busy", **more
        )
        if by_attempt:
            self.attempt.record.failure = failure
        self.answer.reply_failure(failure, retry_after_s, self.attempt)
        return self.client


# ---- failures


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/chat/completions", ["error", "message"]),
        ("/v1/responses", ["error", "message"]),
        ("/v1/messages", ["error", "message"]),
        ("/v1beta/models/chat:generateContent", ["error", "message"]),
        ("/model/chat/converse", ["message"]),
    ],
)
@in_virtual_time
async def test_an_error_is_worded_as_the_clients_style_has_it(path, where):
    told = Answered(path=path).fails()
    found = told.json
    for name in where:
        found = found[name]
    assert (told.status, found, told.headers["content-type"]) == (
        503,
        "too busy",
        "application/json",
    )


@pytest.mark.parametrize(
    ("seconds", "told"),
    # The last but one is what is left of 30 s on a clock that stands at some 10,000.
    [(0.0, "1"), (0.2, "1"), (7.0, "7"), (30.000000000001819, "30"), (7.2, "8")],
)
@in_virtual_time
async def test_when_to_come_back_is_said_in_whole_seconds_and_never_too_early(seconds, told):
    assert Answered().fails(seconds).headers["retry-after"] == told


@in_virtual_time
async def test_the_upstreams_words_go_with_its_headers_where_the_styles_are_the_same():
    said = Answered()
    said.parts.starts()
    client = said.fails(
        by_attempt=True,
        body=b'{"error":{"message":"theirs"}}',
        headers=((b"x-vendor", b"1"), (b"retry-after", b"99"), (b"set-cookie", b"a=b")),
    )
    assert client.json["error"]["message"] == "theirs"
    assert client.headers["x-vendor"] == "1"
    assert "retry-after" not in client.headers, "when to come back is the proxy's to say"
    assert "set-cookie" not in client.headers


@in_virtual_time
async def test_words_in_another_style_are_told_in_the_clients():
    said = Answered(path="/v1/messages")
    said.parts.starts()
    client = said.fails(by_attempt=True, body=b'{"error":{"message":"theirs"}}')
    assert (client.json["type"], client.json["error"]["message"]) == ("error", "too busy")


@in_virtual_time
async def test_the_words_of_an_attempt_that_was_not_the_last_to_fail_are_not_told():
    client = Answered().fails(body=b'{"error":{"message":"theirs"}}')
    assert client.json["error"]["message"] == "too busy"


@in_virtual_time
async def test_what_the_model_could_not_write_is_kept_for_agents_that_mend_it():
    client = Answered().fails(failed_generation="<function=f{")
    assert client.json["error"]["failed_generation"] == "<function=f{"
    assert "failed_generation" not in Answered().fails().json["error"]


@pytest.mark.parametrize(
    ("path", "name"), [("/v1/messages", "request-id"), ("/model/chat/converse", "x-amzn-requestid")]
)
@in_virtual_time
async def test_an_error_has_the_requests_id_where_the_vendors_sdks_look_for_it(path, name):
    client = Answered(path=path).fails()
    assert client.headers[name] == client.headers["x-request-id"]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("context_length", "context_length_exceeded"),
        ("content_policy", "content_policy_violation"),
        ("", "busy"),
    ],
)
def test_reasons_have_the_codes_that_clients_look_for(reason, code):
    failure = Failure(
        outcome=Outcome.BAD_REQUEST, status=400, message="m", code="busy", reason=reason
    )
    assert error_of(failure).code == code


# ---- keep-alives


@in_virtual_time
async def test_a_whole_answer_is_not_kept_alive_since_it_has_no_events():
    said = Answered()
    said.answer.keep_alive(START + 1000)
    assert said.client.raw == b""


@pytest.mark.parametrize(
    ("path", "body", "ping"),
    [
        ("/v1/chat/completions", None, b": ping\n\n"),
        ("/v1/messages", None, b'event: ping\ndata: {"type": "ping"}\n\n'),
        ("/v1beta/models/chat:streamGenerateContent?alt=sse", {"contents": []}, b"\n\n"),
        ("/v1beta/models/chat:streamGenerateContent", {"contents": []}, b"\n\n"),
        ("/model/chat/converse-stream", {"messages": []}, BEDROCK_PING),
    ],
)
@in_virtual_time
async def test_a_keep_alive_is_what_the_clients_style_takes_for_one(path, body, ping):
    said = Answered(path=path, body=body, **({} if body else {"stream": True}))
    said.answer.keep_alive(START + KEEP_ALIVE_S - 0.1)
    assert said.client.raw == b""
    said.answer.keep_alive(START + KEEP_ALIVE_S)
    sent = said.client.body
    assert sent.replace(b" ", b"") == ping.replace(b" ", b"")
    assert (said.client.status, said.record.code) == (200, 200)
    assert ("request-id" in said.client.headers) is (path == "/v1/messages")
    said.answer.keep_alive(START + 2 * KEEP_ALIVE_S - 0.1)
    assert said.client.body == sent


# ---- a service that does not stream, for a client that asked for a stream

STREAMS = [
    ("/v1/chat/completions", {}, b"data: [DONE]"),
    ("/v1/completions", {"prompt": "hello"}, b"data: [DONE]"),
    ("/v1/messages", {}, b"event: message_stop"),
    ("/v1/responses", {"input": "hello"}, b"event: response.completed"),
    (
        "/v1beta/models/chat:streamGenerateContent?alt=sse",
        {"contents": []},
        b'"finishReason":"STOP"',
    ),
    ("/v1beta/models/chat:streamGenerateContent", {"contents": []}, b'"finishReason":"STOP"'),
    ("/model/chat/converse-stream", {"messages": []}, b"messageStop"),
]
COMPLETION = {
    "id": "c1",
    "object": "text_completion",
    "choices": [{"index": 0, "text": "small fish", "finish_reason": "stop"}],
}


def whole(path: str, body: dict[str, Any], *, kept_alive: bool) -> Answered:
    body = {"messages": [{"role": "user", "content": "hello"}], **body}
    if "/models/" not in path and not path.startswith("/model/"):
        body = {"model": "chat", "stream": True, "max_tokens": 9, **body}
    elif "contents" in body:
        body = {"contents": [{"parts": [{"text": "hello"}]}]}
    else:
        body = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    said = Answered(path=path, body=body)
    if kept_alive:
        said.answer.keep_alive(START + KEEP_ALIVE_S)
    said.parts.starts().answers(body=COMPLETION if path == "/v1/completions" else None)
    said.answer.relay(said.attempt, START)
    said.answer.finish(said.attempt)
    return said


@pytest.mark.parametrize(("path", "body", "end"), STREAMS)
@in_virtual_time
async def test_a_whole_answer_ends_a_stream_that_was_kept_alive(path, body, end):
    client = whole(path, body, kept_alive=True).client
    assert client.is_answered
    assert client.body.count(b"small fish") >= 1
    assert end in client.body
    if path.endswith("Content"):
        parts = [chunk["candidates"][0]["content"]["parts"][0] for chunk in client.json]
        assert "".join(part["text"] for part in parts) == "small fish"


@pytest.mark.parametrize(("path", "body", "end"), [s for s in STREAMS if "completions" not in s[0]])
@in_virtual_time
async def test_a_whole_answer_of_another_style_is_told_as_the_stream_that_was_asked_for(
    path, body, end
):
    client = whole(path, body, kept_alive=False).client
    assert (end in client.body, client.is_answered) == (True, True)
    kind = "application/json" if path.endswith("Content") else "event"
    assert kind in client.headers["content-type"]


@in_virtual_time
async def test_a_whole_answer_of_the_same_style_is_the_upstreams_own():
    client = whole("/v1/chat/completions", {}, kept_alive=False).client
    assert (client.json, client.headers["content-type"]) == (REPLY, "application/json")


@in_virtual_time
async def test_a_stream_that_was_kept_alive_hears_of_a_whole_answer_that_cannot_be_told():
    said = Answered(stream=True)
    said.answer.keep_alive(START + KEEP_ALIVE_S)
    said.parts.starts().answers(body={"choices": "none of this kind"})
    said.answer.relay(said.attempt, START)
    said.answer.finish(said.attempt)
    assert "error" in said.client.events[-1]
    assert said.client.is_answered


# ---- answers


@in_virtual_time
async def test_a_whole_answer_is_one_response_with_its_length():
    said = Answered()
    said.parts.starts().answers()
    said.answer.relay(said.attempt, START)
    assert said.client.raw == b"", "it is answered in one piece, when it is complete"
    said.answer.finish(said.attempt)
    assert said.client.json == REPLY
    assert said.client.headers["content-length"] == str(len(orjson.dumps(REPLY)))
    assert said.record.relayed is said.attempt.record


@in_virtual_time
async def test_what_was_held_back_comes_first_when_a_stream_is_relayed():
    said = Answered(World("a", "on_stream_break: error"), stream=True)
    call = said.parts.starts().streams(ROLE, text("small "))
    assert said.client.raw == b""
    said.answer.relay(said.attempt, START)
    assert said.client.said == "small "
    call.says(text("fish"))
    assert said.parts.heard[-1].startswith("data ")


@in_virtual_time
async def test_a_stream_that_is_complete_before_it_is_relayed_comes_in_one_piece():
    said = Answered(World("a", "on_stream_break: error"), stream=True)
    said.parts.starts().streams(ROLE, text("small fish"), STOP, USAGE, DONE)
    said.answer.relay(said.attempt, START)
    said.answer.finish(said.attempt)
    assert (said.client.said, said.client.is_answered) == ("small fish", True)


@in_virtual_time
async def test_what_could_not_be_carried_is_named_in_a_header_that_is_not_endless():
    said = Answered()
    said.record.note_dropped(tuple(f"field_{n}" for n in range(80)))
    said.parts.starts().answers()
    said.answer.relay(said.attempt, START)
    said.answer.finish(said.attempt)
    named = said.client.headers["x-pilotfish-dropped"].split(", ")
    assert (len(named), named[0]) == (50, "field_0")


# ---- broken off


@in_virtual_time
async def test_a_whole_answer_that_breaks_once_its_head_is_out_is_broken_off():
    said = Answered(path="/v1/audio/speech", body={"model": "chat", "input": "hello"})
    said.parts.starts().sent().head(200, "audio/mpeg").body(b"half")
    said.answer.relay(said.attempt, START)
    said.answer.break_stream(Failure(outcome=Outcome.BROKEN_STREAM, status=502, message="cut"))
    assert said.client.is_broken_off
    assert not said.client.is_answered


@in_virtual_time
async def test_a_pause_of_the_client_is_the_relayed_attempts_alone():
    said = Answered(World("a", "on_stream_break: error"), stream=True)
    call = said.parts.starts().streams(ROLE, text("small "))
    said.answer.pause()
    assert not call.is_paused
    said.answer.relay(said.attempt, START)
    said.answer.pause()
    assert call.is_paused
    said.answer.resume()
    assert not call.is_paused
