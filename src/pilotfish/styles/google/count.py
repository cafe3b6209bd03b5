"""Counting tokens: Google's `countTokens` and Anthropic's `/v1/messages/count_tokens`, read and
written.

A request to count is a request to answer with less around it, so what is counted goes through the
neutral form: a Messages body is read by `styles.anthropic`, a Google one here. Source:
ai.google.dev/api/tokens and platform.claude.com/docs/en/api/messages-count-tokens, read 2026-11.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.neutral import Chat, Json
from pilotfish.core.formats.style import Target, Written
from pilotfish.styles._fields import ReplyFields
from pilotfish.styles.google.fields import GoogleFields
from pilotfish.styles.google.request_in import read_request
from pilotfish.styles.google.request_out import write_request

# What of a request counts; the rest would be refused.
_COUNTED = (
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "cachedContent",
)


def read_google_request(body: bytes, *, model: str) -> Chat:
    """What a client of `countTokens` wants counted: `contents` alone, or a whole
    `generateContentRequest`. Raises ClientError.
    """
    fields = GoogleFields.of(body)
    whole = fields.mapping("generateContentRequest")
    inner: dict[str, Any] = whole if whole is not None else fields.rest()
    return read_request(msgspec.json.encode(inner), model=model, stream=False)


def write_google_request(chat: Chat, target: Target) -> Written:
    """A body for `countTokens`. System and tools count, too, so it is always a whole
    `generateContentRequest`.
    """
    written = write_request(chat, target)
    body: Json = msgspec.json.decode(written.body)
    name = target.model if "/" in target.model else f"models/{target.model}"
    request = {"model": name} | {key: body[key] for key in _COUNTED if key in body}
    return Written(msgspec.json.encode({"generateContentRequest": request}), written.dropped)


def read_google_reply(body: bytes) -> int:
    """Raises ValueError where there is no count."""
    return _count(body, "totalTokens")


def write_google_reply(tokens: int) -> bytes:
    return msgspec.json.encode({"totalTokens": tokens})


def read_anthropic_reply(body: bytes) -> int:
    """Raises ValueError where there is no count."""
    return _count(body, "input_tokens")


def write_anthropic_reply(tokens: int) -> bytes:
    return msgspec.json.encode({"input_tokens": tokens})


def anthropic_request(written: bytes) -> bytes:
    """A body for Anthropic's `count_tokens` from one for `messages`, without the fields that it
    refuses.
    """
    body: Json = msgspec.json.decode(written)
    counted = (
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
        "mcp_servers",
    )
    return msgspec.json.encode({key: body[key] for key in counted if key in body})


def _count(body: bytes, key: str) -> int:
    fields = ReplyFields.of(body)
    tokens = fields.whole(key)
    if tokens is None:
        fields.wrong(key, "a whole number", None)
    return tokens
