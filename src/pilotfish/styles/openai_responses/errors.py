"""The error event of Responses. The body of an error answer is that of Chat Completions."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import event_from
from pilotfish.styles.openai.errors import stream_error, type_for


def response_error(value: Any) -> ErrorInfo:
    """The error in a response that failed, or in an event."""
    return stream_error(value or {"message": "the response failed without saying why"})


def error_event(error: ErrorInfo, sequence_number: int) -> bytes:
    """The fields stand flat, as the reference has them, and under `error`, as the service sends
    them and as OpenAI's SDKs raise on.
    """
    word = error.type or type_for(error.status)
    code = error.code or word
    body = {
        "type": "error",
        "sequence_number": sequence_number,
        "code": code,
        "message": error.message,
        "param": None,
        "error": {"type": word, "code": code, "message": error.message, "param": None},
    }
    return event_from(msgspec.json.encode(body), b"error")
