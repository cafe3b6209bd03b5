"""Together AI: OpenAI-compatible."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="together",
    title="Together AI",
    docs="https://docs.together.ai/docs/openai-api-compatibility",
    litellm_names=("together_ai",),
    key_variable="TOGETHERAI_API_KEY",
    style="openai",
    base_url="https://api.together.xyz/v1",
    paths={
        op: OPENAI_PATHS[op]
        for op in ("chat", "completions", "embeddings", "images", "audio", "rerank")
    },
    # Page "Rate limits", 2026-11.
    limits=LimitHeaders(
        remaining={"requests": "x-ratelimit-remaining", "tokens": "x-tokenlimit-remaining"},
        limit={"requests": "x-ratelimit-limit", "tokens": "x-tokenlimit-limit"},
        reset={"requests": "x-ratelimit-reset"},
    ),
    # API reference "Create chat completion", messages of the assistant, 2026-11: reasoning goes
    # back in the field that it came in.
    quirks=Quirks(
        max_tokens_field="max_tokens",
        developer_role=False,
        reasoning_field="reasoning",
        top_k=True,
    ),
    # Page "Error codes", 2026-11: 402 is a reached spending limit, 403 a prompt that is too long,
    # 529 overload.
    errors=ErrorCodes(
        statuses={402: Outcome.AUTH_FAILED},
        context_length=(
            "`inputs` tokens + `max_new_tokens`",
            "input validation error: `inputs`",
            "token count exceeds",
        ),
    ),
)
