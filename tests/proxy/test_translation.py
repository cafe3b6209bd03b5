"""How one request is put to services of any style, and how their answers become the client's."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pilotfish.core.exchange.pass_through import KEPT_EVENTS, InArray, PassThrough
from pilotfish.core.exchange.response_stream import Raw, Translated
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.errors import ClientError
from pilotfish.proxy.translation import Translation
from proxy.scripted import REPLY, ROLE, STOP, World, inbound_of, text
from style_wire import payloads, sse
from virtual_time import in_virtual_time

CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "small fish"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 2},
}


class Put:
    """A client's request and the services that it may be put to."""

    def __init__(self, path: str = "/v1/chat/completions", rule: str = "", **more: Any) -> None:
        world = World(
            rules=f"""
            providers:
              o: {{kind: openai, token: {{env: KEY}}}}
              c: {{kind: anthropic, token: {{env: KEY}}}}
              g: {{kind: google, token: {{env: KEY}}}}
              l: {{kind: openai_compatible, api_base: "http://127.0.0.1:9", token: {{env: KEY}}}}
            rules:
            - {{name: chat, services: [{{provider: o, model: gpt}}, {{provider: c, model: claude}},
                {{provider: g, model: gemini}}, {{provider: l, model: local}}], {rule}}}
            """
        )
        compiled = world.snapshot.rules[0]
        self.services = {s.provider.name: s for s in compiled.services}
        self.inbound = inbound_of(path, more.pop("body", None), **more)
        self.translation = Translation(self.inbound, compiled, 1_700_000_000.0)

    def call(self, to: str, op: str) -> Any:
        return self.translation.call(self.services[to], op)

    def stream(self, to: str, op: str, **more: Any) -> Any:
        return self.translation.response_stream(
            self.call(to, op), self.services[to], resumes=False, before=None, **more
        )


# ---- towards a service


@in_virtual_time
async def test_what_cannot_be_read_cannot_be_put_to_another_style_and_says_why():
    put = Put(body={"model": "chat", "messages": "none"})
    with pytest.raises(ClientError, match="messages"):
        put.call("c", "messages")


@in_virtual_time
async def test_the_same_style_gets_the_clients_bytes_but_for_the_model():
    body = b'{ "model": "chat", "messages": [ ], "unheard_of": {"kept": 1.0} }'
    call = Put(body=body).call("o", "chat")
    assert b"".join(call.parts) == body.replace(b'"chat"', b'"gpt"')
    assert (call.same_style, call.dropped) == (True, ())


@in_virtual_time
async def test_another_style_gets_the_request_in_its_own_words():
    call = Put().call("c", "messages")
    sent = orjson.loads(b"".join(call.parts))
    assert (sent["model"], sent["messages"][0]["role"]) == ("claude", "user")
    assert (call.same_style, call.style) == (False, "anthropic")


@in_virtual_time
async def test_a_request_for_vectors_is_put_to_another_style_too():
    put = Put("/v1/embeddings", body={"model": "chat", "input": ["one", "two"]})
    call = put.call("g", "google_batch_embeddings")
    assert len(orjson.loads(b"".join(call.parts))["requests"]) == 2


# ---- what a stream goes through


@pytest.mark.parametrize(
    ("path", "to", "op", "rule", "kind"),
    [
        ("/v1/chat/completions", "o", "chat", "on_stream_break: error", PassThrough),
        ("/v1/chat/completions", "o", "chat", "on_stream_break: continue", PassThrough),
        ("/v1/chat/completions", "c", "messages", "on_stream_break: error", Translated),
        (
            "/v1beta/models/chat:streamGenerateContent",
            "g",
            "generate",
            "on_stream_break: error",
            InArray,
        ),
    ],
)
@in_virtual_time
async def test_what_a_stream_goes_through(path, to, op, rule, kind):
    body = {"contents": []} if "models/" in path else None
    more = {} if body else {"stream": True}
    assert type(Put(path, rule, body=body, **more).stream(to, op)) is kind


@in_virtual_time
async def test_bytes_that_are_no_events_go_through_nothing():
    assert type(Put().translation.raw_stream()) is Raw


@in_virtual_time
async def test_a_usage_event_that_was_not_asked_for_is_not_shown():
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    for asked, shown in (({}, False), ({"stream_options": {"include_usage": True}}, True)):
        stream = Put(rule="on_stream_break: error", stream=True, **asked).stream("o", "chat")
        out = stream.feed(b"".join(sse(ROLE, text("a"), STOP, usage)))
        assert (b'"usage"' in out) is shown
        assert stream.usage.output == 2


@in_virtual_time
async def test_the_name_of_the_model_that_the_rule_says_stands_in_every_event_too():
    put = Put(rule="on_stream_break: error, response_model: shown", stream=True)
    out = put.stream("o", "chat").feed(b"".join(sse(ROLE, text("a"), STOP)))
    assert {event["model"] for event in payloads(out)} == {"shown"}


@pytest.mark.parametrize(("rule", "model"), [("", None), ("response_model: shown", "shown")])
@in_virtual_time
async def test_a_call_without_an_id_gets_one_where_a_vendor_sends_such(rule, model):
    call = {"index": 0, "id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    event = text("") | {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    put = Put(rule=f"on_stream_break: error, {rule}", stream=True)
    [raw] = sse(event)
    [kept] = payloads(put.stream("o", "chat").feed(raw))
    assert kept["choices"][0]["delta"]["tool_calls"][0]["id"] == ""
    [changed] = payloads(put.stream("l", "chat").feed(raw))
    assert changed["choices"][0]["delta"]["tool_calls"][0]["id"].startswith("call_")
    assert changed.get("model") == (model or event.get("model"))
    whole = orjson.dumps(REPLY | {"choices": [{"index": 0, "message": {"tool_calls": [call]}}]})
    body = put.translation.whole_answer(put.call("l", "chat"), put.services["l"], whole)
    assert b'"id":""' not in body


# ---- towards the client


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1beta/models/chat:streamGenerateContent?alt=sse", b"text/event-stream"),
        ("/v1beta/models/chat:streamGenerateContent", b"application/json"),
        ("/v1beta/models/chat:generateContent", b"application/json"),
    ],
)
@in_virtual_time
async def test_a_clients_content_type_is_that_of_what_it_asked_for(path, kind):
    put = Put(path, body={"contents": []})
    assert put.translation.content_type == kind


@in_virtual_time
async def test_an_array_of_events_is_json_whatever_the_upstream_calls_its_stream():
    put = Put("/v1beta/models/chat:streamGenerateContent", body={"contents": []})
    upstreams = [(b"content-type", b"text/event-stream"), (b"x-vendor", b"1")]
    headers = put.translation.answer_headers(
        put.call("g", "generate"), put.services["g"], upstreams, frozenset(), streams=True
    )
    assert headers == [(b"content-type", b"application/json"), (b"x-vendor", b"1")]


@pytest.mark.parametrize(
    ("rule", "model"),
    [("", "m"), ("response_model: shown", "shown"), ('response_model: "@requested"', "chat")],
)
@in_virtual_time
async def test_the_client_sees_the_name_of_the_model_that_the_rule_says(rule, model):
    put = Put(rule=rule)
    body = put.translation.whole_answer(
        put.call("o", "chat"), put.services["o"], orjson.dumps(REPLY)
    )
    assert orjson.loads(body)["model"] == model


@in_virtual_time
async def test_an_answer_of_another_style_is_written_in_the_clients():
    put = Put()
    body = put.translation.whole_answer(
        put.call("c", "messages"), put.services["c"], orjson.dumps(CLAUDE)
    )
    answer = orjson.loads(body)
    assert answer["choices"][0]["message"]["content"] == "small fish"
    assert answer["model"] == "claude-x"


@in_virtual_time
async def test_an_answer_that_cannot_be_read_is_an_error_and_no_answer():
    put = Put()
    with pytest.raises(ValueError):
        put.translation.whole_answer(put.call("c", "messages"), put.services["c"], b"[1, 2]")


@pytest.mark.parametrize(
    ("to", "op", "kept"),
    [("o", "chat", [b"content-type", b"x-vendor"]), ("c", "messages", [b"content-type"])],
)
@in_virtual_time
async def test_the_upstreams_headers_are_the_clients_in_the_same_style_alone(to, op, kept):
    put = Put()
    headers = [
        (b"content-type", b"application/json"),
        (b"x-vendor", b"1"),
        (b"set-cookie", b"a=b"),
        (b"x-key", b"echoed"),
    ]
    answer = put.translation.answer_headers(
        put.call(to, op), put.services[to], headers, frozenset({b"x-key"}), streams=False
    )
    assert [name for name, _ in answer] == kept


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/messages", None, b"request-id"),
        ("/model/chat/converse", {"messages": []}, b"x-amzn-requestid"),
        ("/v1/chat/completions", None, None),
    ],
)
@in_virtual_time
async def test_the_request_has_its_id_where_the_vendors_sdks_look_for_it(path, body, name):
    put = Put(path, **({"body": body} if body else {}))
    to, op = ("g", "generate")
    found = put.translation.answer_headers(
        put.call(to, op), put.services[to], [], frozenset(), streams=False
    )
    wanted = [(name, put.inbound.request_id.encode())] if name else []
    assert found == [(b"content-type", b"application/json"), *wanted]


@in_virtual_time
async def test_a_claude_stream_begins_with_an_estimate_of_what_was_asked():
    words = {"messages": [{"role": "user", "content": "word " * 400}], "max_tokens": 9}
    put = Put("/v1/messages", body=words, stream=True)
    out = put.stream("o", "chat").feed(b"".join(sse(ROLE, text("a"))))
    usage = payloads(out)[0]["message"]["usage"]
    assert usage["input_tokens"] == put.inbound.tokens > 400
    assert usage["output_tokens"] == 0


# ---- going on with a broken stream


@in_virtual_time
async def test_a_stream_that_said_something_can_be_resumed_and_one_that_called_a_tool_cannot():
    called = text("")
    called["choices"][0]["delta"] = {
        "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{"}}]
    }
    for events, may in (([ROLE], False), ([ROLE, text("a")], True), ([text("a"), called], False)):
        put = Put(stream=True)
        stream = put.stream("o", "chat")
        stream.feed(b"".join(sse(*events)))
        assert not put.translation.can_be_resumed(stream), "it is not the client's"
        put.translation.relay(stream)
        assert put.translation.can_be_resumed(stream) is may


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        ("on_stream_break: error", {}),
        ("on_stream_break: restart, buffer: true", {}),
        ("", {"n": 2}),
        ("", {"response_format": {"type": "json_object"}}),
        ("", {"response_format": {"type": "json_schema", "json_schema": {"name": "s"}}}),
        ("", {"messages": "none"}),
    ],
)
@pytest.mark.parametrize("to", ["o", "c"])
@in_virtual_time
async def test_what_another_service_could_not_go_on_with_is_not_resumed(rule, more, to):
    put = Put(rule=rule, stream=True, **({} if to == "o" else {"max_tokens": 9}), **more)
    if to == "c" and more.get("messages") == "none":
        return  # it cannot be put to another style at all
    stream = put.stream(to, "chat" if to == "o" else "messages")
    if to == "o":
        stream.feed(b"".join(sse(ROLE, text("a"))))
    else:
        delta = {"type": "content_block_delta", "index": 0}
        stream.feed(b"".join(sse({**delta, "delta": {"type": "text_delta", "text": "a"}})))
    put.translation.relay(stream)
    assert not put.translation.can_be_resumed(stream)


@in_virtual_time
async def test_a_stream_whose_form_is_not_known_any_more_is_not_resumed():
    put = Put(stream=True)
    stream = put.stream("o", "chat")
    stream.feed(b"".join(sse(*[text("a"), ROLE] * (KEPT_EVENTS + 1))))
    put.translation.relay(stream)
    assert not put.translation.can_be_resumed(stream)


@in_virtual_time
async def test_the_next_service_is_asked_with_what_the_client_has_already():
    put = Put(rule="on_stream_break: continue", stream=True)
    stream = put.stream("o", "chat")
    stream.feed(b"".join(sse(ROLE, text("the small pilot fish "))))
    put.translation.relay(stream)
    assert put.translation.can_be_resumed(stream)
    body = put.translation.continuation(put.services["c"], "messages", prefill=True)
    turns = orjson.loads(b"".join(body.parts))["messages"]
    assert turns[-1]["role"] == "assistant"
    assert "the small pilot fish" in str(turns[-1])


@in_virtual_time
async def test_a_broken_stream_ends_with_an_error_in_the_clients_style():
    told = ErrorInfo(message="it broke", type="", code="stream_broken", status=502)
    for path, body, word in (
        ("/v1/chat/completions", None, b'"message":"it broke"'),
        ("/v1/messages", None, b"event: error"),
        ("/v1beta/models/chat:streamGenerateContent?alt=sse", {"contents": []}, b"it broke"),
    ):
        put = Put(path, body=body)
        event = put.translation.error_event(told, None)
        assert word in event.replace(b'": "', b'":"')
        assert payloads(event)


@in_virtual_time
async def test_an_array_that_breaks_is_still_an_array():
    put = Put(
        "/v1beta/models/chat:streamGenerateContent", "on_stream_break: error", body={"contents": []}
    )
    told = ErrorInfo(message="it broke", type="", code="c", status=502)
    assert (
        orjson.loads(put.translation.error_event(told, None))[0]["error"]["message"] == "it broke"
    )
    stream = put.stream("g", "generate")
    begun = stream.feed(b'data: {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}\n\n')
    whole = begun + put.translation.error_event(told, stream)
    assert [next(iter(element)) for element in orjson.loads(whole)] == ["candidates", "error"]
