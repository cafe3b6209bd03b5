"""Fireworks AI: OpenAI-compatible, models named `accounts/fireworks/models/...`."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="fireworks",
    title="Fireworks AI",
    docs="https://docs.fireworks.ai/tools-sdks/openai-compatibility",
    litellm_names=("fireworks_ai",),
    key_variable="FIREWORKS_AI_API_KEY",
    style="openai",
    base_url="https://api.fireworks.ai/inference/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "completions", "embeddings", "rerank")}
    | {"responses": "/responses"},
    # Page "Rate limits", 2026-11: prompt and generated tokens per minute are limited apart.
    limits=LimitHeaders(
        remaining={
            "requests": "x-ratelimit-remaining-requests",
            "input_tokens": "x-ratelimit-remaining-tokens-prompt",
            "output_tokens": "x-ratelimit-remaining-tokens-generated",
        },
        limit={
            "requests": "x-ratelimit-limit-requests",
            "input_tokens": "x-ratelimit-limit-tokens-prompt",
            "output_tokens": "x-ratelimit-limit-tokens-generated",
        },
    ),
    # Guide "Reasoning", section "Interleaved thinking", 2026-11: reasoning_content goes back.
    quirks=Quirks(
        max_tokens_field="max_tokens",
        developer_role=False,
        reasoning_field="reasoning_content",
        top_k=True,
    ),
    errors=ErrorCodes(
        statuses={
            402: Outcome.AUTH_FAILED,
            412: Outcome.AUTH_FAILED,
        },  # 412: the account is suspended
        context_length=("the prompt is too long", "model maximum context length"),
    ),
)
