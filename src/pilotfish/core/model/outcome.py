"""What became of an attempt, in the contract's words, and what is known of a failure."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """The outcomes of contract.md 1; the engine's table (seeds A1) is keyed by them, never by
    status codes.
    """

    SERVED = "served"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    AUTH_FAILED = "auth_failed"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    CONNECT_FAILED = "connect_failed"
    SERVER_ERROR = "server_error"
    BROKEN_STREAM = "broken_stream"
    CLIENT_GONE = "client_gone"
    LOST_RACE = "lost_race"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A failed attempt.

    `status` is the HTTP status to tell the client: the upstream's own where it answered. `wait_s`
    is how long the upstream asked to be left alone, in seconds from when it was read. `reason` is
    `context_length` or `content_policy` where a refusal is one of these (`fallback_on`), else
    empty. `code` is the vendor's own error code or type. `body` is the upstream's own error body.
    `local`: this machine lacked something (descriptors, ports), which says nothing of the service.
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
