"""Gemini through Google's OpenAI-compatible endpoint. The kind `google` uses the native API, which
loses less in translation.
"""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="gemini_openai",
    title="Gemini (OpenAI-compatible)",
    docs="https://ai.google.dev/gemini-api/docs/openai",
    otel_name="gcp.gemini",
    style="openai",
    listed=listed_by("google"),
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "embeddings", "images")},
    limits=LimitHeaders(),
    # Page "OpenAI compatibility", 2026-11: unknown fields are answered with 400.
    quirks=Quirks(
        max_tokens_field="max_tokens",
        refuses=frozenset(
            {
                "logit_bias",
                "logprobs",
                "top_logprobs",
                "store",
                "service_tier",
                "parallel_tool_calls",
            }
        ),
        developer_role=False,
        prefill=False,
        parallel_tool_calls=False,
        strict_tools=False,
        odd_calls=True,  # calls with the id "" are known of it
        # Guide "Thought signatures", section "OpenAI compatibility", 2026-11
        google_signatures=True,
    ),
    errors=ErrorCodes(
        outcomes={"unavailable": Outcome.OVERLOADED, "resource_exhausted": Outcome.OVERLOADED},
        phrases={
            "api key not valid": Outcome.AUTH_FAILED,
            "exceeded your current quota": Outcome.RATE_LIMITED,
        },
        context_length=("exceeds the maximum number of tokens",),
        content_policy=("prohibited_content",),
    ),
)
