"""Cerebras Inference: OpenAI-compatible."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="cerebras",
    title="Cerebras",
    docs="https://inference-docs.cerebras.ai/resources/openai",
    litellm_names=("cerebras",),
    key_variable="CEREBRAS_API_KEY",
    style="openai",
    base_url="https://api.cerebras.ai/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "completions")},
    # Page "Rate limits", 2026-11: requests are counted by day, tokens by minute; resets are
    # seconds.
    limits=LimitHeaders(
        remaining={
            "requests": "x-ratelimit-remaining-requests-day",
            "tokens": "x-ratelimit-remaining-tokens-minute",
        },
        limit={
            "requests": "x-ratelimit-limit-requests-day",
            "tokens": "x-ratelimit-limit-tokens-minute",
        },
        reset={
            "requests": "x-ratelimit-reset-requests-day",
            "tokens": "x-ratelimit-reset-tokens-minute",
        },
    ),
    # Page "OpenAI compatibility", 2026-11: these fields are answered with 400.
    quirks=Quirks(
        max_tokens_field="max_completion_tokens",
        refuses=frozenset({"frequency_penalty", "logit_bias", "presence_penalty"}),
        developer_role=False,
        # API reference "Chat completions", messages of the assistant, 2026-11
        reasoning_field="reasoning",
    ),
    errors=ErrorCodes(
        outcomes={"queue_exceeded": Outcome.OVERLOADED, "wrong_api_key": Outcome.AUTH_FAILED},
        statuses={402: Outcome.AUTH_FAILED},
        context_length=("please reduce the length of the messages", "current length is"),
    ),
)
