"""Anthropic's Messages API."""

from __future__ import annotations

from pilotfish.core.model.model_facts import (
    CLAUDE_API_ERRORS,
    CLAUDE_API_LIMITS,
    CLAUDE_API_QUIRKS,
    claude_api_quirks,
)
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import Auth, OAuthEndpoint, ProviderKind

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
    limits=CLAUDE_API_LIMITS,
    quirks=CLAUDE_API_QUIRKS,
    model_quirks=claude_api_quirks,
    errors=CLAUDE_API_ERRORS,
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
