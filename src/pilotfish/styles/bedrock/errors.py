"""Errors as Bedrock words them: `{"message"}` beside a header `x-amzn-errortype`, or an exception
frame in a stream.

Source: Amazon Bedrock API reference, "ConverseStream" and "Common errors"
(docs.aws.amazon.com/bedrock/latest/APIReference), and the service model of botocore 1.44, read
2026-11.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.formats import eventstream
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.styles._errors import error_from_body, json_or_none, text_of

STATUSES = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "UnrecognizedClientException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "ServiceQuotaExceededException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
"""Each exception with its HTTP status, which a frame in a stream does not carry."""

_TYPES = {status: name for name, status in reversed(STATUSES.items())} | {
    401: "AccessDeniedException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}

# Those that a stream can hold; the others have no shape there.
_IN_STREAM = {
    400: "validationException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    503: "serviceUnavailableException",
    529: "serviceUnavailableException",
}


def type_for(status: int | None) -> str:
    if status is None or status >= 500:
        return _TYPES.get(status or 500, "InternalServerException")
    return _TYPES.get(status, "ValidationException")


def read_error(status: int, body: bytes, type_header: str = "") -> ErrorInfo:
    """`type_header` is `x-amzn-errortype`, the only place where Converse names the exception; other
    services write `__type`.
    """
    plain = error_from_body(status, body)
    value = json_or_none(body)
    fields = value if isinstance(value, dict) else {}
    named = bare_type(
        type_header or text_of(fields.get("__type")) or text_of(fields.get("code")) or plain.type
    )
    message = text_of(fields.get("message")) or text_of(fields.get("Message")) or plain.message
    return ErrorInfo(
        message=message,
        type=named or type_for(status),
        code=named or plain.code,
        status=status,
        wait_s=plain.wait_s,
    )


def bare_type(name: str) -> str:
    """The exception's name without namespace and link: `com.amazon.coral#X:http://...` is `X`."""
    return name.partition(":")[0].rpartition("#")[2].strip()


def frame_error(name: str, payload: bytes) -> ErrorInfo:
    """The error in an exception frame, whose name begins with a small letter."""
    kind = name[:1].upper() + name[1:]
    status = STATUSES.get(kind)
    found = read_error(status or 500, payload, kind)
    return msgspec.structs.replace(found, status=status or 500)


def message_error(message: eventstream.Message) -> ErrorInfo:
    """What a message that is no event tells: an exception of the service, or an error of the stream
    itself, with its words in the headers.
    """
    headers = message.headers
    if headers.get(":message-type") == "exception":
        return frame_error(text_of(headers.get(":exception-type")), message.payload)
    code = text_of(headers.get(":error-code"))
    text = (
        text_of(headers.get(":error-message"))
        or code
        or f"a message of type {headers.get(':message-type')!r}"
    )
    return ErrorInfo(message=text, type=code, code=code, status=500)


def damage_error(found: Exception) -> ErrorInfo:
    """A frame that is damaged is no event to be left out: what it held is missing, and an answer
    with a hole must not look whole.
    """
    return ErrorInfo(message=f"the upstream's stream is damaged: {found}", status=502)


def error_body(error: ErrorInfo, status: int) -> bytes:
    """The exception is also named in the body, since this body may go out without Bedrock's header;
    SDKs look in both places.
    """
    return msgspec.json.encode(
        {
            "message": error.message,
            "__type": error.type if error.type in STATUSES else type_for(status),
        }
    )


def error_frame(error: ErrorInfo) -> bytes:
    name = _IN_STREAM.get(
        error.status or 500,
        "validationException" if 400 <= (error.status or 500) < 500 else "internalServerException",
    )
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return eventstream.write(headers, msgspec.json.encode({"message": error.message}))
