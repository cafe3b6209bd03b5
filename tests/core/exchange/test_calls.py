"""From a client's request to an upstream's: what is changed, what is asked for besides, what is
lost.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.routing.playbook import House
from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.calls import (
    JOIN_BYTES,
    CallBody,
    call_body,
    chat_of,
    continuation_body,
    may_run_twice,
    request_parts,
)
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.model.service import Service
from pilotfish.core.routing.rule_state import op_for
from pilotfish.errors import ClientError

HELLO = {"role": "user", "content": "Hello"}


def service(kind: str = "openai", model: str = "m", options: str = "") -> Service:
    more = f"  p: {{kind: {kind}, token: {{env: KEY}} {options}}}"
    return (
        House("", f"services: [{{provider: p, model: {json.dumps(model)}}}]", more=more)
        .snapshot.rules[0]
        .services[0]
    )


def inbound(
    path: str,
    body: dict[str, Any] | bytes,
    content_type: bytes = b"application/json",
    *headers: tuple[bytes, bytes],
) -> Inbound:
    endpoint = endpoints.find(path)
    assert endpoint is not None
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Inbound(endpoint, path, "", [(b"content-type", content_type), *headers], text, "r", "")


def call(request: Inbound, to: Service) -> CallBody:
    op = op_for(to, request.op)
    assert op is not None
    return call_body(request, to, op, styles.get)


def sent(made: CallBody) -> Any:
    return json.loads(b"".join(made.parts))


# ---- what cannot be written


@pytest.mark.parametrize(
    "body",
    [
        {"model": "x"},
        {"model": "x", "messages": 7},
        {"model": "x", "messages": [{"role": "nobody"}]},
    ],
)
def test_a_request_that_its_own_style_cannot_read_is_the_clients_error(
    body: dict[str, Any],
) -> None:
    with pytest.raises(ClientError) as e:
        call(inbound("/v1/chat/completions", body), service("anthropic"))
    assert e.value.status == 400


# ---- the same style


def test_in_the_same_style_only_the_models_name_changes() -> None:
    body = b'{ "messages":[], "model": "gpt-4o", "vendor_field_of_last_week": 1.50 }'
    made = call(inbound("/v1/chat/completions", body), service(model="m"))
    assert b"".join(made.parts) == body.replace(b'"gpt-4o"', b'"m"')
    assert (made.op, made.style, made.same_style, made.hides_usage, made.dropped) == (
        "chat",
        "openai",
        True,
        False,
        (),
    )


def test_a_body_that_needs_no_change_is_the_very_same_bytes() -> None:
    request = inbound("/v1/messages", {"model": "m", "messages": [HELLO], "max_tokens": 5})
    assert call(request, service("anthropic")).parts[0] is request.body


def test_a_service_of_the_same_style_gets_the_ids_and_the_order_that_it_takes() -> None:
    call_id = "call_AbC123xyz"
    function = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "model": "x",
        "messages": [
            HELLO,
            {"role": "assistant", "tool_calls": [function]},
            {"role": "tool", "tool_call_id": call_id, "content": "1"},
            HELLO,
        ],
    }
    request = inbound("/v1/chat/completions", body)
    messages = sent(call(request, service("mistral")))["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[2]["tool_call_id"] == messages[1]["tool_calls"][0]["id"] != call_id
    assert sent(call(request, service()))["messages"] == body["messages"]


def test_a_request_is_built_afresh_for_every_attempt() -> None:
    request = inbound("/v1/chat/completions", {"model": "x", "messages": [HELLO]})
    assert sent(call(request, service(model="one")))["model"] == "one"
    assert sent(call(request, service(model="two")))["model"] == "two"
    assert json.loads(request.body)["model"] == "x"


@pytest.mark.parametrize("body", [{}, {"model": "another"}])
def test_a_model_in_the_path_comes_into_the_body_whatever_the_body_says(
    body: dict[str, Any],
) -> None:
    request = inbound("/openai/deployments/m/chat/completions", {"messages": [HELLO], **body})
    assert sent(call(request, service(model="m")))["model"] == "m"


def test_styles_that_keep_the_model_in_the_path_get_none_into_the_body() -> None:
    request = inbound("/v1beta/models/x:generateContent", {"contents": []})
    assert b"".join(call(request, service("google")).parts) == request.body


def test_a_forms_model_is_replaced_and_its_boundary_kept() -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--B--\r\n'
    made = call(
        inbound("/v1/audio/transcriptions", body, b"multipart/form-data; boundary=B"),
        service(model="m"),
    )
    assert made.parts == (body.replace(b"whisper-1", b"m"),)
    assert made.content_type == b"multipart/form-data; boundary=B"


# ---- usage is always asked for in OpenAI's streams


@pytest.mark.parametrize(
    ("given", "asked", "hides"),
    [
        ({}, {"include_usage": True}, True),
        ({"stream_options": None}, {"include_usage": True}, True),
        (
            {"stream_options": {"include_usage": False, "x": 1}},
            {"include_usage": True, "x": 1},
            True,
        ),
        ({"stream_options": {"include_usage": True}}, {"include_usage": True}, False),
    ],
)
def test_usage_is_asked_for_and_hidden_where_the_client_did_not(
    given: dict[str, Any], asked: dict[str, Any], hides: bool
) -> None:
    made = call(
        inbound("/v1/chat/completions", {"model": "m", "stream": True, "messages": [], **given}),
        service(),
    )
    assert sent(made)["stream_options"] == asked
    assert made.hides_usage is hides


def test_stream_options_that_are_wrong_are_the_upstreams_to_refuse() -> None:
    made = call(
        inbound("/v1/chat/completions", {"model": "m", "stream": True, "stream_options": [1]}),
        service(),
    )
    assert sent(made)["stream_options"] == [1]


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/chat/completions", {"model": "m", "messages": []}, "openai"),
        ("/v1/messages", {"model": "m", "stream": True}, "anthropic"),
        ("/v1/embeddings", {"model": "m", "stream": True}, "openai"),
    ],
)
def test_without_an_openai_stream_nothing_is_asked_for(
    path: str, body: dict[str, Any], kind: str
) -> None:
    made = call(inbound(path, body), service(kind))
    assert (sent(made), made.hides_usage) == (body, False)


# ---- another style


def test_another_style_is_written_whole_and_says_what_it_lost() -> None:
    request = inbound(
        "/v1/chat/completions",
        {"model": "x", "messages": [HELLO], "stream": True, "logit_bias": {"1": 2}},
    )
    made = call(request, service("anthropic", "claude"))
    assert (made.op, made.style, made.same_style, made.dropped) == (
        "messages",
        "anthropic",
        False,
        ("logit_bias",),
    )
    body = sent(made)
    assert (body["model"], body["stream"], body["messages"][0]["content"]) == (
        "claude",
        True,
        "Hello",
    )


def test_a_request_is_read_into_the_neutral_form_once() -> None:
    request = inbound("/v1/chat/completions", {"model": "x", "messages": [HELLO]})
    assert chat_of(request, styles.get) is chat_of(request, styles.get)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_platforms_own_wishes_are_obeyed_in_both_ways(path: str) -> None:
    """Claude on Vertex: no model in the body, a version instead."""
    options = ", options: {project: p, location: global}"
    request = inbound(path, {"model": "x", "messages": [HELLO], "max_tokens": 5})
    body = sent(call(request, service("vertex", "claude-sonnet-4-5", options)))
    assert "model" not in body
    assert body["anthropic_version"].startswith("vertex-")


# ---- going on from a broken stream


@pytest.mark.parametrize(("prefill", "last"), [(True, "assistant"), (False, "user")])
def test_a_continuation_holds_what_the_client_has_seen_and_streams(
    prefill: bool, last: str
) -> None:
    request = inbound("/v1/chat/completions", {"model": "x", "messages": [HELLO], "stream": True})
    made = continuation_body(
        request, service("anthropic", "claude"), "messages", styles.get, "The fox ", prefill=prefill
    )
    body = sent(made)
    assert (body["model"], body["stream"], body["messages"][-1]["role"]) == ("claude", True, last)
    assert "The fox" in json.dumps(body["messages"])
    assert (made.op, made.style, made.same_style) == ("messages", "anthropic", False)


def test_a_continuation_obeys_a_platforms_own_wishes_too() -> None:
    request = inbound(
        "/v1/messages", {"model": "x", "messages": [HELLO], "max_tokens": 5, "stream": True}
    )
    to = service("vertex", "claude-sonnet-4-5", ", options: {project: p, location: global}")
    made = continuation_body(request, to, "messages", styles.get, "The fox", prefill=True)
    assert "model" not in sent(made)
    assert made.same_style


# ---- flags that a platform wants in the body

KNOWN, OTHER_KNOWN, FOREIGN = (
    "interleaved-thinking-2025-05-14",
    "context-1m-2025-08-07",
    "oauth-2025-04-20",
)


def on_bedrock(
    body: dict[str, Any],
    *flags: str,
    options: str = "",
    model: str = "anthropic.claude-sonnet-4-5-v1:0",
) -> CallBody:
    headers = [(b"anthropic-beta", line.encode()) for line in flags]
    request = inbound(
        "/v1/messages",
        {"model": "x", "messages": [HELLO], "max_tokens": 5, **body},
        b"application/json",
        *headers,
    )
    return call(request, service("bedrock", model, options))


def test_flags_that_the_platform_refuses_are_left_out_and_named() -> None:
    """One flag that Bedrock does not know, and it answers the whole request with 400."""
    made = on_bedrock({}, f"{FOREIGN}, {KNOWN}")
    assert sent(made)["anthropic_beta"] == [KNOWN]
    assert made.dropped == (f"anthropic-beta.{FOREIGN}",)


def test_flags_alone_that_the_platform_refuses_leave_no_field() -> None:
    made = on_bedrock({}, FOREIGN)
    assert "anthropic_beta" not in sent(made)
    assert made.dropped == (f"anthropic-beta.{FOREIGN}",)


def test_fields_that_the_platform_refuses_are_left_out_and_named_too() -> None:
    """A rule that falls back from Anthropic to Bedrock must not end there with 400."""
    made = on_bedrock({"service_tier": "auto", "metadata": {"user_id": "u"}}, FOREIGN)
    assert ("service_tier" in sent(made), sent(made)["metadata"]) == (False, {"user_id": "u"})
    assert made.dropped == ("service_tier", f"anthropic-beta.{FOREIGN}")


def test_a_continuation_leaves_them_out_as_well() -> None:
    request = inbound(
        "/v1/messages",
        {
            "model": "x",
            "messages": [HELLO],
            "max_tokens": 5,
            "stream": True,
            "service_tier": "auto",
        },
    )
    to = service("bedrock", "anthropic.claude-sonnet-4-5-v1:0")
    made = continuation_body(request, to, "messages", styles.get, "The fox", prefill=True)
    assert "service_tier" not in sent(made)


def test_flags_in_a_field_of_another_kind_are_the_upstreams_to_refuse() -> None:
    assert sent(on_bedrock({"anthropic_beta": "text"}, KNOWN))["anthropic_beta"] == "text"


def test_each_flag_is_sent_once_however_often_it_was_said() -> None:
    made = on_bedrock({"anthropic_beta": [KNOWN, FOREIGN]}, KNOWN, f"{OTHER_KNOWN},,{OTHER_KNOWN}")
    assert sent(made)["anthropic_beta"] == [KNOWN, FOREIGN, OTHER_KNOWN]
    assert made.dropped == (), (
        "what the client wrote into the platform's own field is its own affair"
    )


def test_a_rules_file_may_know_more_flags() -> None:
    made = on_bedrock(
        {},
        "new-2027-01-01,newer-2027-02-01",
        options=", options: {anthropic_beta: 'newer-2027-02-01, new-2027-01-01'}",
    )
    assert (sent(made)["anthropic_beta"], made.dropped) == (
        ["new-2027-01-01", "newer-2027-02-01"],
        (),
    )


def test_without_flags_there_is_no_field() -> None:
    assert "anthropic_beta" not in sent(on_bedrock({}))


def test_a_body_is_otherwise_the_very_bytes_that_the_client_sent() -> None:
    """Signatures, cache marks and fields of last week stand in it: nothing is read and written
    anew.
    """
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    body = {
        "system": [
            {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        ],
        "messages": [HELLO, {"role": "assistant", "content": [thought]}, HELLO],
        "stream": True,
        "vendor_field_of_last_week": 1.50,
    }
    found = sent(on_bedrock(body))
    assert found == {
        "messages": body["messages"], "max_tokens": 5, "system": body["system"], "vendor_field_of_last_week": 1.5,
        "anthropic_version": "bedrock-2023-05-31",
    }  # fmt: skip


def test_a_continuation_keeps_the_clients_flags() -> None:
    headers = [(b"anthropic-beta", f"{KNOWN},{FOREIGN}".encode())]
    request = inbound(
        "/v1/messages",
        {"model": "x", "messages": [HELLO], "max_tokens": 5, "stream": True},
        b"application/json",
        *headers,
    )
    to = service("bedrock", "anthropic.claude-sonnet-4-5-v1:0")
    made = continuation_body(request, to, "messages", styles.get, "The fox", prefill=True)
    assert (sent(made)["anthropic_beta"], made.dropped, made.headers) == (
        [KNOWN],
        (f"anthropic-beta.{FOREIGN}",),
        (),
    )
    assert not {"model", "stream"} & set(sent(made))


# ---- the bytes of a request


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n"


def test_a_requests_head_and_body_go_out_in_one_write() -> None:
    made = CallBody(
        "chat",
        "openai",
        (b'{"a"', b":1}"),
        True,
        headers=(("anthropic-beta", "x"),),
        content_type=b"application/json",
    )
    assert request_parts(
        HEAD, [(b"authorization", b"Bearer k")], made, [b"traceparent: t\r\n"]
    ) == (
        HEAD + b"authorization: Bearer k\r\nanthropic-beta: x\r\ntraceparent: t\r\n"
        b'content-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}',
    )


def test_a_large_body_is_not_copied() -> None:
    large = bytes(JOIN_BYTES)
    head, *parts = request_parts(HEAD, [], CallBody("chat", "openai", (large, b"x"), True))
    assert head.endswith(b"content-length: %d\r\n\r\n" % (JOIN_BYTES + 1))
    assert parts[0] is large


# ---- which requests may be sent twice


@pytest.mark.parametrize(
    ("body", "may"),
    [
        ({"model": "m"}, True),
        ({"store": False}, True),
        ({"store": True}, False),
        ({"background": True}, False),
        ({"store": "yes"}, True),
    ],
)
def test_what_stores_or_runs_on_is_never_sent_twice(body: dict[str, Any], may: bool) -> None:
    assert may_run_twice(inbound("/v1/responses", body)) is may


def test_a_form_is_never_sent_twice() -> None:
    assert not may_run_twice(
        inbound("/v1/audio/transcriptions", b"--B--", b"multipart/form-data; boundary=B")
    )


# --- a conversation that another vendor served before ---

SEALED = {"type": "thinking", "thinking": "Hm.", "signature": "pilotfish:google::c2ln"}
TALK = {
    "model": "m",
    "max_tokens": 9,
    "messages": [
        HELLO,
        {"role": "assistant", "content": [SEALED, {"type": "text", "text": "Mild."}]},
        HELLO,
    ],
}


@pytest.mark.parametrize(("other", "goes"), [("google", False), ("anthropic", True)])
def test_what_another_vendor_signed_is_left_out_where_there_is_one(other: str, goes: bool) -> None:
    more = f"""
  p: {{kind: anthropic, token: {{env: KEY}}}}
  o: {{kind: {other}, token: {{env: KEY}}}}"""
    house = House("", "services: [{provider: p, model: m}, {provider: o, model: m}]", more=more)
    to = next(s for s in house.snapshot.rules[0].services if s.provider.name == "p")
    assert to.provider.among_others is not goes
    body = sent(call(inbound("/v1/messages", TALK), to))
    assert body["messages"][1]["content"] == TALK["messages"][1]["content"][0 if goes else 1 :]  # type: ignore[index]
