"""HTTP status, headers and the vendor's error -> the outcome that decides what happens next."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import ErrorCodes, ProviderKind
from pilotfish.core.state.classify import failure_of, judged_by_path
from pilotfish.providers import get

PLAIN = ProviderKind(name="plain", style="openai", paths={})
NOW = 1445412480.0


def classified(
    status: int,
    message: str = "no",
    kind: ProviderKind = PLAIN,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    **error: object,
):
    return failure_of(kind, status, headers, ErrorInfo(message=message, **error), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.BAD_REQUEST),
        (401, Outcome.AUTH_FAILED),
        (402, Outcome.AUTH_FAILED),
        (403, Outcome.NOT_FOUND),
        (404, Outcome.NOT_FOUND),
        (405, Outcome.BAD_REQUEST),
        (408, Outcome.TIMEOUT),
        (413, Outcome.BAD_REQUEST),
        (422, Outcome.BAD_REQUEST),
        (429, Outcome.RATE_LIMITED),
        (500, Outcome.SERVER_ERROR),
        (502, Outcome.SERVER_ERROR),
        (503, Outcome.OVERLOADED),
        (504, Outcome.SERVER_ERROR),
        (529, Outcome.OVERLOADED),
        (302, Outcome.SERVER_ERROR),
    ],
)
def test_a_status_alone(status, outcome):
    failure = classified(status)
    assert (failure.outcome, failure.status) == (outcome, status)


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (400, {"code": "quota_exceeded"}, Outcome.RATE_LIMITED),
        (429, {"code": "insufficient_quota"}, Outcome.AUTH_FAILED),
        (403, {"type": "rate_limit_error"}, Outcome.RATE_LIMITED),
        (500, {"type": "overloaded_error"}, Outcome.OVERLOADED),
        (400, {"code": "invalid_api_key"}, Outcome.AUTH_FAILED),
        (400, {"code": "MODEL_NOT_FOUND"}, Outcome.NOT_FOUND),
    ],
)
def test_a_code_says_more_than_the_status(status, error, outcome):
    assert classified(status, **error).outcome is outcome


def test_a_503_is_overload_whatever_the_type_says():
    kind = ProviderKind(
        name="k",
        style="anthropic",
        paths={},
        errors=ErrorCodes(outcomes={"api_error": Outcome.SERVER_ERROR}),
    )
    assert classified(503, kind=kind, type="api_error").outcome is Outcome.OVERLOADED
    assert classified(500, kind=kind, type="api_error").outcome is Outcome.SERVER_ERROR


def test_digits_in_the_text_are_no_status():
    """The router seed parked a service because a request id held '429'."""
    assert (
        classified(400, "request 4290 with max_tokens 401 failed, see 503").outcome
        is Outcome.BAD_REQUEST
    )


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        ({"type": "overloaded_error"}, Outcome.OVERLOADED, 503),
        ({"type": "api_error"}, Outcome.SERVER_ERROR, 502),
        ({"type": "rate_limit_error"}, Outcome.RATE_LIMITED, 429),
        ({"type": "invalid_request_error"}, Outcome.BAD_REQUEST, 400),
        ({"type": "authentication_error"}, Outcome.AUTH_FAILED, 401),
        ({"type": "permission_error"}, Outcome.NOT_FOUND, 404),
        ({"type": "billing_error"}, Outcome.AUTH_FAILED, 401),
        ({"status": 429}, Outcome.RATE_LIMITED, 429),
        ({"status": 400}, Outcome.BAD_REQUEST, 400),
        ({"type": "who_knows"}, Outcome.OVERLOADED, 503),
    ],
)
def test_an_error_event_in_a_stream_has_the_streams_200(error, outcome, status):
    failure = failure_of(PLAIN, 200, (), ErrorInfo(message="no", **error), NOW)
    assert (failure.outcome, failure.status) == (outcome, status)


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input (9000 tokens) is longer than the maximum model length of 8192.",
        "Please reduce the length of the messages or completion.",
    ],
)
def test_a_prompt_that_is_too_long_is_told_as_such(message):
    failure = classified(400, message)
    assert (failure.outcome, failure.reason) == (Outcome.BAD_REQUEST, "context_length")


def test_a_flagged_prompt_is_no_fault_of_the_key():
    failure = classified(403, code="content_policy_violation")
    assert (failure.outcome, failure.reason) == (Outcome.BAD_REQUEST, "content_policy")


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("Your API key does not have permission to use the specified resource.", Outcome.NOT_FOUND),
        ("You don't have access to the model with the specified model ID.", Outcome.NOT_FOUND),
        ("User x is not authorized to perform: bedrock:InvokeModel", Outcome.NOT_FOUND),
        ("Missing scopes: model.request", Outcome.NOT_FOUND),
        ("Access denied due to Virtual Network/Firewall rules.", Outcome.NOT_FOUND),
        ("", Outcome.NOT_FOUND),
        ("Permission denied: Consumer 'api_key:x' has been suspended.", Outcome.AUTH_FAILED),
        ("Your API key was reported as leaked. Please use another API key.", Outcome.AUTH_FAILED),
        ("Method doesn't allow unregistered callers. Please use API Key", Outcome.AUTH_FAILED),
        ("The security token included in the request is expired", Outcome.AUTH_FAILED),
        ("Your team doesn't have any credits yet", Outcome.AUTH_FAILED),
        ("this key is not one of ours", Outcome.AUTH_FAILED),
    ],
)
def test_a_403_takes_the_credential_out_only_where_it_speaks_of_it(message, outcome):
    """Other models of the same key must not suffer from a denial that is about one."""
    assert classified(403, message).outcome is outcome


def test_a_refused_key_stays_one_whatever_the_text_says():
    failure = classified(401, "prompt is too long, and the key is wrong")
    assert (failure.outcome, failure.reason) == (Outcome.AUTH_FAILED, "")


def test_a_server_error_gets_no_reason():
    failure = classified(500, "failed on a prompt with content_filter in it")
    assert (failure.outcome, failure.reason) == (Outcome.SERVER_ERROR, "")


VENDOR = ProviderKind(
    name="vendor",
    style="openai",
    paths={},
    errors=ErrorCodes(
        outcomes={"busy": Outcome.OVERLOADED, "rate_limit_exceeded": Outcome.OVERLOADED},
        phrases={"who are you": Outcome.AUTH_FAILED},
        statuses={498: Outcome.OVERLOADED},
        context_length=("too_big",),
        content_policy=("naughty",),
    ),
)


def test_the_vendors_own_words_win_over_the_common_ones():
    assert classified(400, code="rate_limit_exceeded", kind=VENDOR).outcome is Outcome.OVERLOADED
    assert classified(400, "Who are you?", kind=VENDOR).outcome is Outcome.AUTH_FAILED
    assert classified(498, kind=VENDOR).outcome is Outcome.OVERLOADED
    assert classified(400, type="too_big", kind=VENDOR).reason == "context_length"
    assert classified(400, "a naughty prompt", kind=VENDOR).reason == "content_policy"


def test_a_busy_vendor_that_says_when_to_come_back_is_counting():
    """Gemini and Bedrock use one code for both; the wait is what tells a quota from a shortage."""
    assert classified(429, code="busy", kind=VENDOR).outcome is Outcome.OVERLOADED
    assert classified(429, code="busy", kind=VENDOR, wait_s=12.0).outcome is Outcome.RATE_LIMITED
    assert classified(503, code="busy", kind=VENDOR, wait_s=12.0).outcome is Outcome.OVERLOADED


def test_a_vendor_may_decide_by_itself():
    kind = ProviderKind(
        name="odd",
        style="openai",
        paths={},
        classify=lambda status, error: Outcome.NOT_FOUND if error.code == "x" else None,
    )
    assert classified(400, code="x", kind=kind).outcome is Outcome.NOT_FOUND
    assert classified(400, code="y", kind=kind).outcome is Outcome.BAD_REQUEST


def test_a_failure_carries_what_the_engine_and_the_client_need():
    headers = ((b"retry-after", b"7"), (b"x", b"y"))
    failure = failure_of(
        PLAIN, 429, headers, ErrorInfo(message="slow down", type="t", code="c"), NOW, b"{}"
    )
    assert (failure.wait_s, failure.message, failure.code, failure.body, failure.headers) == (
        7.0,
        "slow down",
        "c",
        b"{}",
        headers,
    )


def test_a_failure_without_a_message_still_says_something():
    assert classified(500, "").message == "the upstream answered 500 without a message"


def test_limits_that_come_with_every_answer_are_no_word_of_when_to_come_back_unless_one_was_hit():
    headers = [(b"x-ratelimit-remaining-requests", b"99"), (b"x-ratelimit-reset-requests", b"6s")]
    broken = failure_of(get("openai"), 500, headers, ErrorInfo(message="oops"), NOW)
    limited = failure_of(get("openai"), 429, headers, ErrorInfo(message="slow down"), NOW)
    assert (broken.outcome, broken.wait_s) == (Outcome.SERVER_ERROR, None)
    assert (limited.outcome, limited.wait_s) == (Outcome.RATE_LIMITED, 6.0)


def test_a_404_on_a_path_that_a_client_made_up_is_its_own_fault_unless_it_names_the_model():
    """Anybody could otherwise put a service out for all others by asking for
    `/v1/images/nonsense`.
    """
    assert (
        judged_by_path(classified(404, "no such path"), "dall-e-3").outcome is Outcome.BAD_REQUEST
    )
    assert (
        judged_by_path(classified(404, "no model dall-e-3 here"), "dall-e-3").outcome
        is Outcome.NOT_FOUND
    )
    assert (
        judged_by_path(classified(404, "no", code="model_not_found"), "dall-e-3").outcome
        is Outcome.NOT_FOUND
    )
    assert judged_by_path(classified(503), "dall-e-3").outcome is Outcome.OVERLOADED


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_web_page_is_no_refused_key(status):
    words = "CORS requests must set 'anthropic-dangerous-direct-browser-access' header"
    failure = classified(status, words, get("anthropic"), type="authentication_error")
    assert failure.outcome is Outcome.BAD_REQUEST
