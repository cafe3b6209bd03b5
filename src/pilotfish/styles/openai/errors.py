"""Errors as OpenAI words them: `{"error": {"message", "type", "param", "code"}}`.

Source: OpenAI API reference, "Error codes" (platform.openai.com/docs/guides/error-codes), read
2026-11. Responses uses the same body.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import event_from
from pilotfish.styles._errors import error_from

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
    504: "timeout",
    529: "service_unavailable_error",
}


def type_for(status: int | None) -> str:
    """The type that goes with a status where the error itself names none."""
    if status is None or status >= 500:
        return _TYPES.get(status or 500, "server_error")
    return _TYPES.get(status, "invalid_request_error")


_STATUSES = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "service_unavailable_error": 503,
    "server_overloaded": 503,
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "content_policy_violation": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
}


def status_for(error: ErrorInfo) -> int | None:
    """The status that an error in a stream would have had; None if neither its code nor its type is
    known.
    """
    return error.status or _STATUSES.get(error.code) or _STATUSES.get(error.type)


def stream_error(value: Any) -> ErrorInfo:
    """The error in an event, with the status that it would have had."""
    error = error_from(value)
    return msgspec.structs.replace(error, status=status_for(error))


def error_body(error: ErrorInfo, status: int | None) -> bytes:
    fields = {
        "message": error.message,
        "type": error.type or type_for(status),
        "param": None,
        "code": error.code or None,
    }
    if error.failed_generation:
        fields["failed_generation"] = error.failed_generation
    return msgspec.json.encode({"error": fields})


def error_event(error: ErrorInfo) -> bytes:
    """OpenAI's SDKs raise on a chunk that holds an error; nothing follows it, `[DONE]` least of
    all.
    """
    return event_from(error_body(error, error.status))
