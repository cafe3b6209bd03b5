"""Errors as Anthropic words them: `{"type": "error", "error": {"type", "message"}}`.

Source: Claude API docs, "Errors" (platform.claude.com/docs/en/api/errors), read 2026-11.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import event_from
from pilotfish.styles._errors import error_from

STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Each type with its status, which an error event in a stream does not carry."""

_TYPES = {status: word for word, status in STATUSES.items()} | {503: "overloaded_error"}


def type_for(status: int | None) -> str:
    if status is None or status >= 500:
        return _TYPES.get(status or 500, "api_error")
    return _TYPES.get(status, "invalid_request_error")


def stream_error(value: Any) -> ErrorInfo:
    """The error in an event, with the status that it would have had."""
    error = error_from(value)
    return msgspec.structs.replace(error, status=error.status or STATUSES.get(error.type))


def error_body(error: ErrorInfo, status: int | None) -> bytes:
    """Another vendor's type is replaced by Anthropic's for the status, since clients know only
    these.
    """
    word = error.type if error.type in STATUSES else type_for(status)
    return msgspec.json.encode({"type": "error", "error": {"type": word, "message": error.message}})


def error_event(error: ErrorInfo) -> bytes:
    return event_from(error_body(error, error.status), b"error")
