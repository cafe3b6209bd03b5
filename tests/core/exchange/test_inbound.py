"""What is known of a client's request, and which headers pass in either direction."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import (
    Headers,
    Inbound,
    filter_request_headers,
    filter_response_headers,
    shown,
)
from pilotfish.core.formats.header_text import header_text
from pilotfish.errors import ClientError

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GENERATE, STREAM = (
    "/v1beta/models/gemini-pro:generateContent",
    "/v1beta/models/gemini-pro:streamGenerateContent",
)
CONVERSE = "/model/nova/converse"


def inbound(
    path: str, body: bytes | dict[str, Any], *, query: str = "", headers: Headers | None = None
) -> Inbound:
    endpoint = endpoints.find(path)
    assert endpoint is not None
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Inbound(endpoint, path, query, headers or [], body, "req-1", "10.0.0.1")


# ---- what cannot be read


def test_a_compressed_body_is_refused_by_its_encoding() -> None:
    with pytest.raises(ClientError, match=r"content-encoding is 'gzip', expected") as e:
        inbound(CHAT, b"\x1f\x8b\x08", headers=[(b"content-encoding", b"gzip")])
    assert (e.value.status, e.value.code) == (415, "unsupported_encoding")
    with pytest.raises(ClientError, match="not UTF-8"):
        inbound(CHAT, b"\x1f\x8b\x08", headers=[(b"content-encoding", b"Identity")])


def test_a_model_of_megabytes_is_refused_by_its_length_and_not_repeated() -> None:
    """What is remembered of a model (a rule_state, a service's state) would be as large."""
    with pytest.raises(
        ClientError, match=r"^'model' has 1000000 characters, expected at most 2048$"
    ):
        inbound(CHAT, {"model": "m" * 1_000_000})


def test_a_long_text_is_repeated_in_part() -> None:
    assert (shown("a" * 200), shown("a" * 201)) == ("a" * 200, "a" * 200 + "...")


def test_a_body_that_is_no_json_object_is_the_clients_error() -> None:
    with pytest.raises(ClientError, match="not JSON"):
        inbound(CHAT, b"{")


@pytest.mark.parametrize("model", [["a"], 7, None, {"name": "é" * 40}])
def test_a_model_that_is_no_text_is_named_as_found(model: Any) -> None:
    body = json.dumps({"model": model}, ensure_ascii=False).encode()
    found = json.dumps(model, ensure_ascii=False)[:10]
    with pytest.raises(
        ClientError, match=f"'model' must be a string, found {re.escape(found)}"
    ) as e:
        inbound(CHAT, body)
    assert (e.value.status, e.value.code) == (400, "invalid_model")


def test_a_request_without_a_model_has_an_empty_one() -> None:
    assert inbound(CHAT, {}).model == ""


# ---- model, stream, scenario


def test_model_and_stream_come_from_the_body_or_from_the_path() -> None:
    chat = inbound(CHAT, {"model": "gpt-4o", "stream": True})
    assert (chat.op, chat.style, chat.scenario, chat.model, chat.stream) == (
        "chat",
        "openai",
        "openai",
        "gpt-4o",
        True,
    )
    google = inbound(STREAM, {"model": "ignored"})
    assert (google.model, google.stream, google.scenario) == ("gemini-pro", True, "google")
    converse = inbound(CONVERSE, {"stream": True})
    assert (converse.model, converse.stream) == ("nova", False)
    assert inbound(RESPONSES, {}).scenario == "openai"
    assert inbound("/claude_code/v1/messages", {}).scenario == "claude_code"


def test_only_a_stream_that_is_true_is_a_stream() -> None:
    assert [inbound(CHAT, {"stream": value}).stream for value in (False, None, "true", 1)] == [
        False
    ] * 4


def test_a_google_stream_is_an_array_unless_it_asks_for_events() -> None:
    assert inbound(STREAM, {}).array
    assert not inbound(STREAM, {}, query="alt=sse").array
    assert not inbound(GENERATE, {}).array
    assert not inbound(CONVERSE + "-stream", {}).array


def test_tokens_are_estimated_from_the_bodys_size() -> None:
    assert inbound(CHAT, {"prompt": "x" * 4000}).tokens == pytest.approx(1000, abs=10)
    assert inbound(CHAT, {}).tokens >= 1


# ---- include_usage


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ('{"include_usage":true}', True),
        ('{ "include_usage" :\n true }', True),
        ('{"x":1,"include_usage":true}', True),
        ('{"include_usage":false,"x":true}', False),
        ('{"include_usage":"true"}', False),
        ('{"nested":{"include_usage":true}}', False),
        ("{}", False),
        ("null", False),
        ("[1]", False),
    ],
)
def test_usage_is_asked_for_by_include_usage_alone(options: str, asked: bool) -> None:
    assert (
        inbound(CHAT, f'{{"stream":true,"stream_options":{options}}}'.encode()).usage_requested
        is asked
    )


def test_without_a_stream_nobody_asks_for_its_usage() -> None:
    assert not inbound(CHAT, {"stream_options": {"include_usage": True}}).usage_requested


# ---- thinking


@pytest.mark.parametrize(
    ("path", "body", "thinks"),
    [
        (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        (MESSAGES, {"thinking": {"type": "adaptive"}}, True),
        (MESSAGES, {"thinking": {"type": "disabled"}}, False),
        (MESSAGES, {"thinking": None}, False),
        (MESSAGES, {"messages": [{"role": "user", "content": "thinking"}]}, False),
        (CHAT, {"reasoning_effort": "high"}, True),
        (CHAT, {"reasoning_effort": "minimal"}, False),
        (CHAT, {"reasoning_effort": "none"}, False),
        (CHAT, {"reasoning_effort": None}, False),
        (RESPONSES, {"reasoning": {"effort": "low"}}, True),
        (RESPONSES, {"reasoning": {"summary": "auto"}}, True),
        (RESPONSES, {"reasoning": {"effort": "none", "summary": "auto"}}, False),
        (RESPONSES, {"reasoning": None}, False),
        (GENERATE, {"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}, True),
        (GENERATE, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}}, True),
        (GENERATE, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, False),
        (GENERATE, {"generationConfig": {"temperature": 1}}, False),
        (GENERATE, {"generationConfig": None}, False),
        (CONVERSE, {"additionalModelRequestFields": {"thinking": {"type": "enabled"}}}, True),
        (
            CONVERSE,
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled"}}},
            True,
        ),
        (
            CONVERSE,
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "disabled"}}},
            False,
        ),
        (CONVERSE, {"additionalModelRequestFields": {"reasoning_effort": "high"}}, True),
        (CONVERSE, {"additionalModelRequestFields": {"top_k": 3}}, False),
    ],
)
def test_thinking_is_noticed_in_every_style(path: str, body: dict[str, Any], thinks: bool) -> None:
    """Answers that think first may start twice as late."""
    assert inbound(path, body).thinking is thinks


@given(st.sampled_from([CHAT, RESPONSES, MESSAGES, GENERATE, CONVERSE]), st.recursive(
    st.none() | st.booleans() | st.text(max_size=4), lambda x: st.lists(x, max_size=2) | st.dictionaries(
        st.sampled_from(["type", "effort", "thinkingConfig", "thinking", "reasoningConfig"]), x, max_size=2), max_leaves=5))  # fmt: skip
def test_no_form_of_a_field_is_too_odd(path: str, value: Any) -> None:
    fields = [
        "thinking",
        "reasoning",
        "reasoning_effort",
        "generationConfig",
        "additionalModelRequestFields",
        "stream_options",
    ]
    for field in fields:
        assert inbound(path, {field: value, "stream": True}).thinking in (True, False)


# ---- who asks for which model


def test_the_model_of_a_form_is_the_one_that_is_asked_for() -> None:
    body = b'--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--XX--\r\n'
    kind = [(b"content-type", b"Multipart/Form-Data; boundary=XX")]
    request = inbound("/v1/audio/transcriptions", body, headers=kind)
    assert (request.model, request.subpath, request.members, request.stream) == (
        "whisper-1",
        "transcriptions",
        None,
        False,
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "a", "model": "b"}',
        b'{"model":"a","messages":[],"mod\\u0065l":"a"}',
        b'{"stream": true, "model": "a", "stream": false}',
    ],
)
def test_a_body_that_says_something_twice_is_refused(body: bytes) -> None:
    with pytest.raises(
        ClientError, match=r"^the request body has '(model|stream)' twice"
    ) as refused:
        inbound(CHAT, body)
    assert refused.value.status == 400


def test_what_stands_twice_further_in_is_the_clients_own_affair() -> None:
    body = b'{"model": "m", "tools": [{"model": 1, "model": 2}], "metadata": {"model": "x"}}'
    assert inbound(CHAT, body).model == "m"


# ---- headers


SECRETS = [
    "authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "cookie",
    "x-amz-security-token", "x-amz-date", "x-amz-content-sha256", "x-amzn-bedrock-api-key", "openai-organization", "openai-project",
    "x-goog-user-project", "x-auth-token", "x-secret", "helicone-auth-key-token", "x-litellm-api-key", "x-my-password", "x-credential",
    "x-goog-iam-authorization-token", "copilot-session-token",
]  # fmt: skip
HOPS = [
    "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "content-length", "proxy-connection",
    "origin", "referer", "true-client-ip", "client-ip", "x-client-ip", "x-original-url", "x-rewrite-url", "helicone-target-url",
    "helicone-openai-api-base", "x-litellm-api-base", "x-portkey-provider", "x-portkey-custom-host",
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "x-envoy-attempt-count", "x-request-id",
    "x-pilotfish-service", "accept-encoding",
]  # fmt: skip


@pytest.mark.parametrize("same_style", [True, False])
def test_no_credential_and_no_matter_of_the_connection_goes_upstream(same_style: bool) -> None:
    for name in SECRETS + HOPS:
        assert filter_request_headers([(name.encode(), b"x")], same_style) == [], name


def test_in_the_same_style_a_vendors_own_headers_pass_in_their_order() -> None:
    headers = [
        (b"anthropic-beta", b"a"),
        (b"anthropic-version", b"v"),
        (b"x-custom", b"1"),
        (b"anthropic-beta", b"b"),
        (b"traceparent", b"t"),
    ]
    assert filter_request_headers([*headers, (b"x-api-key", b"k")], True) == headers


def test_what_the_connection_header_names_stays_behind_too() -> None:
    headers = [(b"x-hop", b"1"), (b"connection", b"Keep-Alive, X-Hop"), (b"x-custom", b"2")]
    assert filter_request_headers(headers, True) == [(b"x-custom", b"2")]


def test_in_another_style_only_what_every_vendor_understands_passes() -> None:
    headers = [
        (b"anthropic-beta", b"a"),
        (b"user-agent", b"sdk"),
        (b"x-stainless-os", b"Linux"),
        (b"traceparent", b"t"),
    ]
    assert filter_request_headers(headers, False) == [
        (b"user-agent", b"sdk"),
        (b"traceparent", b"t"),
    ]


def test_a_flood_of_made_up_names_is_not_remembered_and_still_sorted() -> None:
    from pilotfish.core.exchange.inbound import _MAY_GO_UPSTREAM, CACHED_HEADER_NAMES

    for i in range(CACHED_HEADER_NAMES + 50):
        assert filter_request_headers([(f"x-made-up-{i}".encode(), b"1")], True)
        assert filter_request_headers([(f"x-made-up-{i}-token".encode(), b"1")], True) == []
    assert len(_MAY_GO_UPSTREAM) <= CACHED_HEADER_NAMES


def test_of_the_upstreams_answer_its_own_matters_stay_behind() -> None:
    kept = [
        (b"content-type", b"x"),
        (b"retry-after", b"7"),
        (b"x-ratelimit-remaining-requests", b"1"),
        (b"openai-processing-ms", b"5"),
    ]
    names = ["set-cookie", "content-encoding", "transfer-encoding", "connection", "server", "date", "cf-ray", "x-pilotfish-rule",
             "access-control-allow-origin", "content-length", "x-request-id", "www-authenticate"]  # fmt: skip
    assert filter_response_headers([*kept, *((name.encode(), b"x") for name in names)]) == kept


def test_a_header_that_carried_a_key_does_not_come_back() -> None:
    headers = [(b"content-type", b"x"), (b"x-tenant", b"k"), (b"x-other", b"1")]
    kept = filter_response_headers(headers, frozenset({b"x-tenant"}))
    assert kept == [(b"content-type", b"x"), (b"x-other", b"1")]


def test_the_first_header_of_a_name_is_the_one_that_counts() -> None:
    request = inbound(CHAT, {}, headers=[(b"x-session", b"1"), (b"x-session", b"2")])
    assert (request.header(b"x-session"), request.header(b"absent")) == (b"1", None)


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        (b"application/x-www-form-urlencoded", b"application/json"),  # curl -d without a header
        (b"text/plain", b"application/json"),
        (b"application/json; charset=utf-8", b"application/json; charset=utf-8"),
        (b"application/vnd.api+JSON", b"application/vnd.api+JSON"),
    ],
)
def test_json_goes_upstream_as_json_whatever_the_client_called_it(
    sent: bytes, passed: bytes
) -> None:
    assert inbound(CHAT, {"model": "m"}, headers=[(b"content-type", sent)]).content_type == passed


def test_a_configured_name_cannot_break_out_of_its_header() -> None:
    assert header_text("rule\r\nset-cookie: x") == b"rule  set-cookie: x"
    assert header_text("a\0b\x1b\x7f") == b"a b  "
    assert header_text("Größe") == b"Gr\\xf6\\xdfe"


@pytest.mark.parametrize(
    "name", ["location", "refresh", "clear-site-data", "content-location", "set-cookie", "link-x"]
)
def test_what_a_browser_would_obey_does_not_come_from_a_vendor(name: str) -> None:
    passed = filter_response_headers([(name.encode(), b"x")])
    assert bool(passed) == (name == "link-x")


def test_headers_that_a_vendors_connection_names_are_of_that_connection_alone() -> None:
    headers = [
        (b"x-a", b"1"),
        (b"connection", b"close, X-A"),
        (b"x-b", b"2"),
        (b"keep-alive", b"5"),
    ]
    assert filter_response_headers(headers) == [(b"x-b", b"2")]
