"""Classifies a failed attempt: HTTP status, headers and the vendor's error -> a `Failure` with its
outcome.

The vendor's own record (`ErrorCodes`) decides first, then codes common to all vendors, then the
status. All decisions after this one look at the outcome only.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.provider import ErrorCodes, ProviderKind
from pilotfish.core.state.retry_after import wait_hint

# Codes, types and phrases that mean the same at every vendor that uses them.
COMMON = ErrorCodes(
    outcomes={
        "insufficient_quota": Outcome.AUTH_FAILED,
        "rate_limit_exceeded": Outcome.RATE_LIMITED,
        "rate_limit_error": Outcome.RATE_LIMITED,
        "too_many_requests": Outcome.RATE_LIMITED,
        "quota_exceeded": Outcome.RATE_LIMITED,
        "overloaded_error": Outcome.OVERLOADED,
        "server_overloaded": Outcome.OVERLOADED,
        "invalid_api_key": Outcome.AUTH_FAILED,
        "authentication_error": Outcome.AUTH_FAILED,
        "model_not_found": Outcome.NOT_FOUND,
    },
    context_length=(
        "context_length_exceeded",
        "exceed_context_size_error",  # llama.cpp
        "maximum context length",  # OpenAI, vLLM, DeepSeek, OpenRouter
        "exceeds the available context size",  # llama.cpp
        "maximum model length",  # vLLM
        "longer than the maximum model length",
        "input length and `max_tokens` exceed context limit",
        "prompt is too long",
        "input is too long",
        "reduce the length of the messages",
        "exceeds the model's context",
        "exceeds the context window",
        "context window exceeds",
    ),
    content_policy=(
        "content_policy_violation",
        "content_filter",
        "data_inspection_failed",  # Alibaba's models behind many compatible servers
        "responsibleaipolicyviolation",
        "flagged as potentially violating",
        "content management policy",
        "safety system",
    ),
)

# What vendors say of a browser's page under 401 and 403, which is not about the key: Anthropic's
# words, and those of common CORS middlewares.
ABOUT_ORIGIN = (
    "cors requests",
    "not allowed by cors",
    "origin not allowed",
    "origin is not allowed",
    "invalid origin",
    "disallowed cors origin",
)

# Error types that decide only where there is no HTTP error status: in an error event of a stream.
BY_TYPE = {
    "invalid_request_error": Outcome.BAD_REQUEST,
    "not_found_error": Outcome.NOT_FOUND,
    "billing_error": Outcome.AUTH_FAILED,
    "request_too_large": Outcome.BAD_REQUEST,
    "timeout_error": Outcome.SERVER_ERROR,
    "api_error": Outcome.SERVER_ERROR,
    "server_error": Outcome.SERVER_ERROR,
    "internal_error": Outcome.SERVER_ERROR,
    "internalservererror": Outcome.SERVER_ERROR,
}

# What an error says whose status, or whose type where it has no status, is a denial. A 403 is about
# the key only where it says so; else it is about the model or the operation, which other models of
# the same key must not suffer from.
DENIED, UNPAID = 403, 402
UNPAID_CODES = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
DENIALS = frozenset({"permission_error", "permission_denied", "accessdeniedexception"})
_OF_THE_KEY = (
    "suspended",
    "leaked",
    "revoked",
    "expired",
    "deactivated",
    "incorrect api key",
    "invalid api key",
    "api key is invalid",
    "api key is valid",  # Bedrock: make sure that your ...
    "api key not valid",
    "wrong api key",
    "unregistered callers",  # Google, without a key
    "security token",  # AWS
    "signature",
    "authentication failed",
    "credit",
    "billing",
    "balance",
    "payment",
)
_OF_THE_MODEL = (
    "model",
    "scope",
    "permission",
    "not authorized to perform",
    "not allowed",
    "access to",
    "operation",
    "resource",
    "deployment",
    "endpoint",
)
_PERHAPS_OF_THE_KEY = ("key", "credential", "authenticat", "token", "account")

# The HTTP status that a client gets for a failure that came without one.
STATUS = {
    Outcome.RATE_LIMITED: 429,
    Outcome.OVERLOADED: 503,
    Outcome.AUTH_FAILED: 401,
    Outcome.NOT_FOUND: 404,
    Outcome.BAD_REQUEST: 400,
    Outcome.TIMEOUT: 504,
    Outcome.SERVER_ERROR: 502,
}


def failure_of(
    kind: ProviderKind,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    error: ErrorInfo,
    now_wall: float,
    body: bytes = b"",
) -> Failure:
    """The failure that an error response reports, or an error event of a stream (`status` is then
    the stream's 200).

    `headers`: (lower-case name, value). `now_wall`: epoch seconds, for retry-after dates. `body`:
    the upstream's own error body.
    """
    kept = tuple(headers)
    real = status if status >= 300 else error.status or 0
    wait_s = wait_hint(kept, now_wall, error.wait_s, error.message, resets=False)
    reason = _reason(kind.errors, error) if real < 500 else ""
    outcome = _outcome(kind, real, error, reason, wait_s)
    if wait_s is None and outcome is Outcome.RATE_LIMITED:
        wait_s = wait_hint(kept, now_wall)
    return Failure(
        outcome=outcome,
        status=real or STATUS.get(outcome, 502),
        message=error.message or f"the upstream answered {status} without a message",
        code=error.code or error.type,
        reason=reason if outcome is Outcome.BAD_REQUEST else "",
        wait_s=wait_s,
        body=body,
        headers=kept,
        failed_generation=error.failed_generation,
    )


def judged_by_path(failure: Failure, model: str) -> Failure:
    """The failure of a call with a path that the client chose (`/v1/images/*`). A 404 that does not
    name the model is the client's error there, and must not take the service out for others.
    """
    if (
        failure.outcome is not Outcome.NOT_FOUND
        or model in failure.message
        or failure.code == "model_not_found"
    ):
        return failure
    return msgspec.structs.replace(failure, outcome=Outcome.BAD_REQUEST)


def is_unpaid(failure: Failure) -> bool:
    """Whether a credential was refused for want of money."""
    return failure.status == UNPAID or failure.code in UNPAID_CODES


def _outcome(
    kind: ProviderKind, status: int, error: ErrorInfo, reason: str, wait_s: float | None
) -> Outcome:
    if status in (401, 403) and any(words in error.message.lower() for words in ABOUT_ORIGIN):
        return Outcome.BAD_REQUEST
    if kind.classify is not None:
        own = kind.classify(status, error)
        if own is not None:
            return own
    if reason and status not in (401, 429):
        # Some vendors refuse a flagged or over-long prompt with 403 although the key is good.
        return Outcome.BAD_REQUEST
    named = _named(kind.errors, error) or kind.errors.statuses.get(status) or _named(COMMON, error)
    if named is Outcome.OVERLOADED and status == 429 and wait_s is not None:
        # An overloaded 429 with a retry-after is a quota.
        return Outcome.RATE_LIMITED
    if named is Outcome.SERVER_ERROR and status in (503, 529):
        return Outcome.OVERLOADED  # the status is more exact than Anthropic's api_error
    if named is not None:
        return named
    if status == DENIED or (not status and error.type.lower() in DENIALS):
        return denied(error) or Outcome.NOT_FOUND
    return _by_status(status) if status else _by_type(error)


def denied(error: ErrorInfo) -> Outcome | None:
    """What a denial is about: the key (`auth_failed`), or a model or an operation that the key is
    not for (`not_found`); None where it does not say."""
    message = error.message.lower()
    for words, outcome in (
        (_OF_THE_KEY, Outcome.AUTH_FAILED),
        (_OF_THE_MODEL, Outcome.NOT_FOUND),
        (_PERHAPS_OF_THE_KEY, Outcome.AUTH_FAILED),
    ):
        if any(word in message for word in words):
            return outcome
    return None


def _named(codes: ErrorCodes, error: ErrorInfo) -> Outcome | None:
    outcomes = codes.outcomes
    if outcomes:
        # The code is more exact than the type.
        found = outcomes.get(error.code.lower()) or outcomes.get(error.type.lower())
        if found is not None:
            return found
    if codes.phrases:
        message = error.message.lower()
        for phrase, outcome in codes.phrases.items():
            if phrase in message:
                return outcome
    return None


def _reason(codes: ErrorCodes, error: ErrorInfo) -> str:
    code, type_, message = error.code.lower(), error.type.lower(), error.message.lower()

    def has(marks: tuple[str, ...]) -> bool:
        return any(mark in message or mark in (code, type_) for mark in marks)

    if has(codes.context_length) or has(COMMON.context_length):
        return "context_length"
    return "content_policy" if has(codes.content_policy) or has(COMMON.content_policy) else ""


def _by_status(status: int) -> Outcome:
    if status == UNPAID:  # an empty account, at every vendor that uses it
        return Outcome.AUTH_FAILED
    match status:
        case 429:
            return Outcome.RATE_LIMITED
        case 503 | 529:
            return Outcome.OVERLOADED
        case 401:
            return Outcome.AUTH_FAILED
        case 404:
            return Outcome.NOT_FOUND
        case 408:
            return Outcome.TIMEOUT
    if 400 <= status < 500:
        return Outcome.BAD_REQUEST
    return Outcome.SERVER_ERROR  # other 5xx, and redirects, which no vendor's API sends


def _by_type(error: ErrorInfo) -> Outcome:
    return BY_TYPE.get(error.type.lower()) or BY_TYPE.get(error.code.lower()) or Outcome.OVERLOADED
