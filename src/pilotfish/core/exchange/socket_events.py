"""What is looked at in the events of a WebSocket session: tokens, whether an answer is under way, and
errors. An event's type stands near its beginning, so most events are only glanced at.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.exchange.sockets import LIVE, REALTIME, RESPONSES
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.usage import Usage

# As far as an event's type is looked for: OpenAI's events begin with it, or with an id before it.
GLANCE_BYTES = 256

_ENDS = {
    REALTIME: (b'"response.done"',),
    RESPONSES: (b'"response.completed"', b'"response.failed"', b'"response.incomplete"'),
}
_TRANSCRIBED = b'"conversation.item.input_audio_transcription.completed"'
_CREATE, _CREATED, _ERROR = b'"response.create"', b'"response.created"', b'"error"'


class SocketEvents:
    """Of one session. `busy`: an answer is under way. `turns`: answers so far. `transcribes`: the
    session only writes down what it hears, so that is what its tokens are for.
    """

    def __init__(self, op: str, *, transcribes: bool = False) -> None:
        self._op, self._transcribes = op, transcribes
        self._ends = _ENDS.get(op, ())
        self._usage: Usage | None = None  # of Live's turn, as far as is known
        self.busy = False
        self.turns = 0

    def from_client(self, event: bytes) -> None:
        if self._op == LIVE:
            head = event[:GLANCE_BYTES]  # Google's SDK for Python writes names the other way
            if b'"clientContent"' in head or b'"client_content"' in head:
                self.busy = True
        elif _CREATE in event[:GLANCE_BYTES]:
            self.busy = True

    def from_vendor(self, event: bytes) -> Usage | None:
        """Takes notice; the tokens of an answer that is over with this event."""
        if self._op == LIVE:
            return self._from_live(event)
        head = event[:GLANCE_BYTES]
        if b'"response.' in head:
            if any(end in head for end in self._ends):
                return self._end(_openai_usage(event, "response"))
            if _CREATED in head:
                self.busy = True
        elif self._transcribes and _TRANSCRIBED in head:
            return self._end(_openai_usage(event, ""))
        elif _ERROR in head:
            self.busy = False
        return None

    def _end(self, usage: Usage | None) -> Usage | None:
        self.busy = False
        self.turns += 1
        return usage

    def _from_live(self, event: bytes) -> Usage | None:
        if b'"usageMetadata"' in event:  # of the turn so far, at any place of it
            self._usage = _live_usage(event) or self._usage
        if b'"turnComplete"' in event:
            return self._end(self.left())
        if b'"serverContent"' in event[:GLANCE_BYTES]:
            self.busy = True
        return None

    def left(self) -> Usage | None:
        """Tokens that no end of an answer has told of."""
        usage, self._usage = self._usage, None
        return usage


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _member(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _decoded(event: bytes) -> Any:
    try:
        return msgspec.json.decode(event)
    except (msgspec.DecodeError, RecursionError):
        return None


def _openai_usage(event: bytes, within: str) -> Usage | None:
    found = _decoded(event)
    counts = _member(_member(found, within) if within else found, "usage")
    if "input_tokens" not in counts and "output_tokens" not in counts:
        return None
    # Responses has a letter more than Realtime.
    read = _member(counts, "input_token_details") or _member(counts, "input_tokens_details")
    written = _member(counts, "output_tokens_details")
    return Usage(
        input=_number(counts.get("input_tokens")),
        output=_number(counts.get("output_tokens")),
        cached_input=_number(read.get("cached_tokens")),
        reasoning=_number(written.get("reasoning_tokens")),
    )


def _live_usage(event: bytes) -> Usage | None:
    counts = _member(_decoded(event), "usageMetadata")
    if not counts:
        return None
    thought = _number(counts.get("thoughtsTokenCount"))
    said = counts.get("responseTokenCount", counts.get("candidatesTokenCount"))
    return Usage(
        input=_number(counts.get("promptTokenCount"))
        + _number(counts.get("toolUsePromptTokenCount")),
        output=_number(said) + thought,
        cached_input=_number(counts.get("cachedContentTokenCount")),
        reasoning=thought,
    )


# ---- errors


def error_of_event(op: str, event: bytes) -> ErrorInfo | None:
    """The error that a vendor's event tells; None for any other event. Live has no such events: it
    closes with a code and a reason.
    """
    if op == LIVE or _ERROR not in event[:GLANCE_BYTES]:
        return None
    found = _decoded(event)
    if not isinstance(found, dict) or found.get("type") != "error":
        return None
    error = _member(found, "error") or found
    status = found.get("status")
    return ErrorInfo(
        message=str(error.get("message") or "the upstream reported an error"),
        type=str(error.get("type") or ""),
        code=str(error.get("code") or ""),
        status=status if isinstance(status, int) else None,
    )


def error_event(op: str, error: ErrorInfo, status: int) -> bytes:
    """An error as the vendor's own event; empty for Live, which has none."""
    if op == LIVE:
        return b""
    kind = error.type or ("invalid_request_error" if 400 <= status < 500 else "server_error")
    body = {"type": kind, "code": error.code or None, "message": error.message, "param": None}
    told: dict[str, Any] = {"type": "error", "error": body}
    if op == RESPONSES:
        told["status"] = status
    return msgspec.json.encode(told)


# ---- close codes (RFC 6455, 7.4)

NORMAL, GOING_AWAY, NO_STATUS, POLICY, TOO_BIG, BROKEN = 1000, 1001, 1005, 1008, 1009, 1011
TRY_AGAIN = 1013
REASON_BYTES = 123
_NEVER_SENT = frozenset({1004, 1005, 1006, 1015})
_STATUS_OF_CLOSE = {1007: 400, 1008: 400, 1009: 413, 1013: 503}


def sendable(code: int | None) -> int:
    """A close code that may be passed on: some only say that none came."""
    if code is None or code == NO_STATUS:
        return NORMAL
    return code if 1000 <= code <= 4999 and code not in _NEVER_SENT else BROKEN


def reason_of(text: str) -> bytes:
    """A close frame's reason, cut where it must be, never within a character."""
    return text.encode()[:REASON_BYTES].decode("utf-8", "ignore").encode()


def error_of_close(code: int | None, reason: str) -> ErrorInfo:
    """Why a vendor closed a session that had not begun. Gemini says so in the reason only, with the
    words of its other errors.
    """
    lowered = reason.lower()
    status = _STATUS_OF_CLOSE.get(code or 0, 502)
    for words, meant in _WORDS:
        if any(word in lowered for word in words):
            status = meant
            break
    said = reason or f"the upstream closed the session with code {code or NO_STATUS}"
    return ErrorInfo(message=said, status=status)


_WORDS = (
    (("api key", "unauthenticated", "credential"), 401),
    (("quota", "resource_exhausted", "rate limit"), 429),
    (("unavailable", "overloaded"), 503),
    (("not found", "is not supported for bidi"), 404),
)


def close_code(status: int) -> int:
    """The close code for a session that an error of this status ended before it began."""
    if status in (429, 503):
        return TRY_AGAIN
    return POLICY if 400 <= status < 500 else BROKEN
