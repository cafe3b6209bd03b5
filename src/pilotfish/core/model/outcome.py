"""What became of an attempt, and the details of a failure."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of an attempt, as logs, metrics and the page name it. Retries and health are
    decided by it, never by HTTP status codes.
    """

    SERVED = "served"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    AUTH_FAILED = "auth_failed"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CONNECT_FAILED = "connect_failed"
    SERVER_ERROR = "server_error"
    BROKEN_STREAM = "broken_stream"
    CLIENT_GONE = "client_gone"
    LOST_RACE = "lost_race"


# Why a request was refused, where another service may see it otherwise.
CONTEXT_LENGTH, CONTENT_POLICY = "context_length", "content_policy"
# The code of a failure without a call: there is no credential to send.
NO_CREDENTIAL = "no_credential"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A failed attempt.

    `status`: the HTTP status for the client, which is the upstream's own where it answered.
    `wait_s`: the retry-after that the upstream gave, in seconds from when it was read; None if it
    gave none. `reason`: `context_length` or `content_policy` if a refusal is one of these (the
    rule's `fallback_on` names them), else empty. An answer that was declined under status 200 is a
    failure of this kind too (`refused`), although the client may get it as it is. `code`: the
    vendor's own error code or type. `failed_generation`: see `ErrorInfo`. `body`: the upstream's
    own error body. `local`: the cause is here (no file descriptor or port left, a kept connection
    that had been closed), so the failure says nothing about the service.
    """

    outcome: Outcome
    status: int
    message: str
    code: str = ""
    reason: str = ""
    wait_s: float | None = None
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    local: bool = False
    failed_generation: str = ""
