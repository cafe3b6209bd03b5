"""Google's Gemini API (AI Studio keys)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import (
    Auth,
    ErrorCodes,
    LimitHeaders,
    OAuthEndpoint,
    ProviderKind,
)


def passes(root: str, rest: str, options: Mapping[str, Any]) -> str | None:
    """Its paths begin with a version, those of uploads and downloads with a word before it."""
    return root + rest if re.fullmatch(r"(?:/[a-z/]+)?/v1(?:beta|alpha)?", root) else None


KIND = ProviderKind(
    name="google",
    title="Google Gemini",
    docs="https://ai.google.dev/api",
    otel_name="gcp.gemini",
    litellm_names=("gemini",),
    key_variable="GEMINI_API_KEY",
    style="google",
    listed=listed_by("google"),
    base_url="https://generativelanguage.googleapis.com/v1beta",
    version="/v1beta",
    paths={
        "generate": "/models/{model}:generateContent",
        "generate:stream": "/models/{model}:streamGenerateContent?alt=sse",
        "google_count_tokens": "/models/{model}:countTokens",
        "google_embeddings": "/models/{model}:embedContent",
        "google_batch_embeddings": "/models/{model}:batchEmbedContents",
        "live": "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    },
    auth=Auth(header="x-goog-api-key", prefix=""),
    limits=LimitHeaders(),
    passes=passes,
    # Guide "Troubleshooting", 2026-11. A wrong key is answered with 400 INVALID_ARGUMENT and the
    # reason API_KEY_INVALID. FAILED_PRECONDITION: the account may not use the service from its
    # country. RESOURCE_EXHAUSTED: a quota if a retry-after comes with it, else overload.
    errors=ErrorCodes(
        outcomes={
            "resource_exhausted": Outcome.OVERLOADED,
            "unavailable": Outcome.OVERLOADED,
            "api_key_invalid": Outcome.AUTH_FAILED,
            "unauthenticated": Outcome.AUTH_FAILED,
            "failed_precondition": Outcome.AUTH_FAILED,
            "not_found": Outcome.NOT_FOUND,
            "deadline_exceeded": Outcome.SERVER_ERROR,
            "internal": Outcome.SERVER_ERROR,
        },
        phrases={"api key not valid": Outcome.AUTH_FAILED, "api key expired": Outcome.AUTH_FAILED},
        context_length=("exceeds the maximum number of tokens",),
        content_policy=("prohibited_content", "prohibited use policy"),
    ),
    # Identity guide "Using OAuth 2.0", read 2026-11.
    oauth_endpoints=dict.fromkeys(
        ("google", "gemini", "gemini_cli", "antigravity"),
        OAuthEndpoint("https://oauth2.googleapis.com/token"),
    ),
    notes=("Has no quota headers; a 429 tells in its body when to come back (RetryInfo).",),
)
