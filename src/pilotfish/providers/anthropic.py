"""Anthropic's Messages API."""

from __future__ import annotations

import re

import msgspec

from pilotfish.core.outcome import Outcome
from pilotfish.core.provider import Auth, ErrorCodes, LimitHeaders, ProviderKind
from pilotfish.core.style import Quirks

# `max_tokens` is required. 16384 fits every model since Claude 3.7 (page "Models overview", 2026-11); earlier ones take less.
QUIRKS = Quirks(default_max_tokens=16384)
CLAUDE_3_5 = re.compile(r"claude-3-5-")
CLAUDE_3 = re.compile(r"claude-3-(?:opus|sonnet|haiku)-|claude-(?:2|instant)")
KINDS = {"requests": "requests", "tokens": "tokens", "input_tokens": "input-tokens", "output_tokens": "output-tokens"}


def model_quirks(model: str) -> Quirks | None:
    if CLAUDE_3_5.search(model):
        return msgspec.structs.replace(QUIRKS, default_max_tokens=8192)
    if CLAUDE_3.search(model):
        return msgspec.structs.replace(QUIRKS, default_max_tokens=4096)
    return None


KIND = ProviderKind(
    name="anthropic",
    title="Anthropic",
    docs="https://docs.claude.com/en/api/overview",
    style="anthropic",
    base_url="https://api.anthropic.com/v1",
    version="/v1",
    paths={"messages": "/messages", "count_tokens": "/messages/count_tokens"},
    auth=Auth(header="x-api-key", prefix=""),
    headers=(("anthropic-version", "2023-06-01"),),
    oauth_headers=(("anthropic-beta", "oauth-2025-04-20"),),
    # Page "Rate limits", 2026-11: `anthropic-ratelimit-<kind>-<limit|remaining|reset>`, reset in RFC 3339.
    limits=LimitHeaders(
        remaining={kind: f"anthropic-ratelimit-{word}-remaining" for kind, word in KINDS.items()},
        limit={kind: f"anthropic-ratelimit-{word}-limit" for kind, word in KINDS.items()},
        reset={kind: f"anthropic-ratelimit-{word}-reset" for kind, word in KINDS.items()},
    ),
    quirks=QUIRKS,
    model_quirks=model_quirks,
    # Page "Errors", 2026-11. A spent credit balance comes as 400 invalid_request_error and is told only by its message.
    errors=ErrorCodes(
        outcomes={
            "overloaded_error": Outcome.OVERLOADED,
            "rate_limit_error": Outcome.RATE_LIMITED,
            "billing_error": Outcome.RATE_LIMITED,
            "authentication_error": Outcome.AUTH_FAILED,
            "permission_error": Outcome.AUTH_FAILED,
            "not_found_error": Outcome.NOT_FOUND,
            "timeout_error": Outcome.SERVER_ERROR,
            "api_error": Outcome.SERVER_ERROR,
        },
        phrases={"credit balance is too low": Outcome.RATE_LIMITED},
        context_length=("prompt is too long", "exceed context limit", "request_too_large"),
        content_policy=("content filtering policy",),
    ),
)
