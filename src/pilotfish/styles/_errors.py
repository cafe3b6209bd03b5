"""What the error bodies of all vendors have in common: a message somewhere, perhaps a type, a code
and a hint when to come back.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.styles._loose import BAD_JSON

PREVIEW_CHARS = 500

# "Please try again in 1m2.5s", "retry after 20 seconds", "in 345ms"
_WAIT = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+"
    r"((?:\d+(?:\.\d+)?\s*(?:ms|milliseconds?|h|hours?|m|minutes?|s|seconds?)\s*)+)",
    re.IGNORECASE,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|h|m|s)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def wait_in(message: str) -> float | None:
    """Seconds to wait as a sentence says it; None if it says nothing."""
    found = _WAIT.search(message)
    if not found:
        return None
    return sum(
        float(number) * _SECONDS[unit.lower()] for number, unit in _DURATION.findall(found.group(1))
    )


def text_of(value: Any) -> str:
    """A field that should be text: numbers as text, nothing for the rest."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def json_or_none(body: bytes) -> Any:
    """The body's value, None if it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except BAD_JSON:
        return None


def error_from(value: Any, status: int | None = None) -> ErrorInfo:
    """An error from the object that vendors of the OpenAI and Anthropic families send, or from what
    others put in its place.

    `{"error": {...}}`, `{"error": "text"}`, `{"message": ...}`, `{"detail": ...}` (FastAPI: vLLM
    and its kin), a list of such (Google).
    """
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        message = text_of(value)
        return ErrorInfo(message=message, status=status, wait_s=wait_in(message))
    inner = value.get("error")
    fields = inner if isinstance(inner, dict) else value
    message = text_of(inner) or text_of(fields.get("message")) or text_of(fields.get("detail"))
    if not message:
        detail = fields.get("detail") or fields.get("message") or inner or value
        message = msgspec.json.encode(detail).decode()[:PREVIEW_CHARS]
    own_status = fields.get("status_code") or fields.get("status") or fields.get("code")
    return ErrorInfo(
        message=message,
        type=text_of(fields.get("type")),
        code=text_of(fields.get("code")),
        status=status if status is not None else _http_status(own_status),
        wait_s=wait_in(message),
        failed_generation=text_of(fields.get("failed_generation")),
    )


def _http_status(value: Any) -> int | None:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    return number if isinstance(number, int) and 400 <= number < 600 else None


def error_from_body(status: int, body: bytes) -> ErrorInfo:
    """The error in the body of an answer with `status`; text that is not JSON is given as it is,
    cut short.
    """
    value = json_or_none(body)
    if isinstance(value, dict | list) and value:
        return error_from(value, status)
    message = (
        body[: 4 * PREVIEW_CHARS].decode(errors="replace").strip()[:PREVIEW_CHARS]
        or f"upstream answered {status} without a body"
    )
    return ErrorInfo(message=message, status=status, wait_s=wait_in(message))
