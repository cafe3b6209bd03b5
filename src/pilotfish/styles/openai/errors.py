"""Errors as OpenAI words them: `{"error": {"message", "type", "param", "code"}}`.

Source: OpenAI API reference, "Error codes" (platform.openai.com/docs/guides/error-codes), read 2026-11. Responses uses the same body.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.sse import event_from
from pilotfish.core.style import ErrorInfo

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


def error_body(error: ErrorInfo, status: int | None) -> bytes:
    return msgspec.json.encode(
        {"error": {"message": error.message, "type": error.type or type_for(status), "param": None, "code": error.code or None}}
    )


def error_event(error: ErrorInfo) -> bytes:
    """OpenAI's SDKs raise on a chunk that holds an error; nothing follows it, `[DONE]` least of all."""
    return event_from(error_body(error, error.status))
