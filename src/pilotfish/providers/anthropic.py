"""Anthropic's Messages API."""

from __future__ import annotations

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.model_facts import (
    OUTPUT_FORMAT_SINCE,
    SYSTEM_TURNS_SINCE,
    claude_quirks,
    claude_version,
)
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import (
    Auth,
    ErrorCodes,
    LimitHeaders,
    OAuthEndpoint,
    ProviderKind,
)

# `max_tokens` is required (API reference "Create a message", 2026-11). All models since Claude 3.7
# take 16384.
QUIRKS = Quirks(default_max_tokens=16384)
KINDS = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input-tokens",
    "output_tokens": "output-tokens",
}


def model_quirks(model: str) -> Quirks | None:
    """`output_config.format` and system turns are of Anthropic's own API; the platforms that serve
    Claude get them later."""
    quirks, version = claude_quirks(model, QUIRKS), claude_version(model)
    if quirks is None or version is None:
        return None
    return msgspec.structs.replace(
        quirks,
        output_format=version >= OUTPUT_FORMAT_SINCE,
        system_turns=version >= SYSTEM_TURNS_SINCE,
    )


KIND = ProviderKind(
    name="anthropic",
    title="Anthropic",
    docs="https://docs.claude.com/en/api/overview",
    litellm_names=("anthropic",),
    key_variable="ANTHROPIC_API_KEY",
    style="anthropic",
    listed=listed_by("anthropic"),
    base_url="https://api.anthropic.com/v1",
    version="/v1",
    paths={"messages": "/messages", "count_tokens": "/messages/count_tokens"},
    auth=Auth(header="x-api-key", prefix=""),
    headers=(("anthropic-version", "2023-06-01"),),
    client_overrides=frozenset({"anthropic-version"}),
    oauth_headers=(("anthropic-beta", "oauth-2025-04-20"),),
    # As Claude Code renews its tokens; read 2026-11.
    oauth_endpoints=dict.fromkeys(
        ("anthropic", "claude", "claude_code"),
        OAuthEndpoint("https://console.anthropic.com/v1/oauth/token", as_json=True),
    ),
    # Page "Rate limits", 2026-11: `anthropic-ratelimit-<kind>-<limit|remaining|reset>`, reset in
    # RFC 3339.
    limits=LimitHeaders(
        remaining={kind: f"anthropic-ratelimit-{word}-remaining" for kind, word in KINDS.items()},
        limit={kind: f"anthropic-ratelimit-{word}-limit" for kind, word in KINDS.items()},
        reset={kind: f"anthropic-ratelimit-{word}-reset" for kind, word in KINDS.items()},
    ),
    quirks=QUIRKS,
    model_quirks=model_quirks,
    # Page "Errors", 2026-11. A spent credit balance is reported as 400 invalid_request_error, and
    # only the message tells it from other refusals.
    errors=ErrorCodes(
        outcomes={
            "overloaded_error": Outcome.OVERLOADED,
            "rate_limit_error": Outcome.RATE_LIMITED,
            "billing_error": Outcome.AUTH_FAILED,
            "authentication_error": Outcome.AUTH_FAILED,
            "not_found_error": Outcome.NOT_FOUND,
            "timeout_error": Outcome.SERVER_ERROR,
            "api_error": Outcome.SERVER_ERROR,
        },
        phrases={"credit balance is too low": Outcome.AUTH_FAILED},
        context_length=("prompt is too long", "exceed context limit", "request_too_large"),
        content_policy=("content filtering policy",),
    ),
    notes=(
        (
            "A client's own `anthropic-version` and `anthropic-beta` go through; requests of other "
            "styles are written for 2023-06-01."
        ),
        (
            "Claude 4.6 and later refuse a trailing assistant turn, 4.7 and later temperature, "
            "top_p and top_k: left out and named."
        ),
    ),
)
