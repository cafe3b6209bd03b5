"""Errors as Google words them: `{"error": {"code", "message", "status", "details": [...]}}`, alone
or in a list of one.

Source: google.aip.dev/193 and Gemini API docs, "Troubleshooting guide"
(ai.google.dev/gemini-api/docs/troubleshooting), read 2026-11.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.styles._errors import error_from, error_from_body, json_or_none, text_of

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Each status word with the HTTP status it comes with."""

_WORDS = {status: word for word, status in reversed(STATUSES.items())} | {
    408: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}

_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")  # a protobuf duration in JSON


def word_for(status: int | None) -> str:
    if status is None or status >= 500:
        return _WORDS.get(status or 500, "INTERNAL")
    return _WORDS.get(status, "INVALID_ARGUMENT")


def google_error(value: Any, status: int | None = None) -> ErrorInfo:
    """The error in an object that holds one. `type` is the status word, `code` the reason
    (`API_KEY_INVALID`) where one is given.
    """
    if isinstance(value, list) and value:
        value = value[0]
    plain = error_from(value, status)
    fields = value.get("error") if isinstance(value, dict) else None
    if not isinstance(fields, dict):
        return plain
    word = text_of(fields.get("status"))
    reason, wait_s = _details(fields.get("details"))
    return ErrorInfo(
        message=plain.message,
        type=word,
        code=reason or plain.code,
        status=plain.status or STATUSES.get(word) or _http(fields.get("code")),
        wait_s=wait_s if wait_s is not None else plain.wait_s,
    )


def _details(details: Any) -> tuple[str, float | None]:
    """The reason and how long to wait, from the typed details."""
    reason, wait_s = "", None
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        if detail.get("@type") == _RETRY_INFO:
            delay = _SECONDS.fullmatch(text_of(detail.get("retryDelay")))
            wait_s = float(delay.group(1)) if delay else wait_s
        reason = reason or text_of(detail.get("reason"))
    return reason, wait_s


def _http(code: Any) -> int | None:
    return code if isinstance(code, int) and 400 <= code < 600 else None


def read_error(status: int, body: bytes) -> ErrorInfo:
    value = json_or_none(body)
    if isinstance(value, dict | list) and value:
        return google_error(value, status)
    return error_from_body(status, body)


def error_body(error: ErrorInfo, status: int | None) -> bytes:
    """Another vendor's type is replaced by Google's word for the status; a hint when to come back
    is kept as RetryInfo.
    """
    status = status or error.status or STATUSES.get(error.type) or 500
    fields: dict[str, Any] = {
        "code": status,
        "message": error.message,
        "status": error.type if error.type in STATUSES else word_for(status),
    }
    if error.wait_s is not None:
        fields["details"] = [
            {
                "@type": _RETRY_INFO,
                "retryDelay": f"{error.wait_s:.3f}".rstrip("0").rstrip(".") + "s",
            }
        ]
    return msgspec.json.encode({"error": fields})
