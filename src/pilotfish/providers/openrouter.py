"""OpenRouter: many vendors behind one OpenAI-compatible API."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="openrouter",
    title="OpenRouter",
    docs="https://openrouter.ai/docs/api-reference/overview",
    litellm_names=("openrouter",),
    key_variable="OPENROUTER_API_KEY",
    style="openai",
    base_url="https://openrouter.ai/api/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "completions", "embeddings")},
    # The list of models is public and proves no key; /key describes the key itself (page "API key
    # limits", 2026-11).
    probe="/key",
    tested="it knows the key",
    limits=LimitHeaders(
        remaining={"requests": "x-ratelimit-remaining"},
        limit={"requests": "x-ratelimit-limit"},
        reset={"requests": "x-ratelimit-reset"},  # epoch milliseconds
    ),
    # Guide "Reasoning tokens", section "Preserving reasoning", 2026-11: what came in
    # `reasoning_details`, signatures among it, goes back as it came. Guide "PDF inputs", 2026-11:
    # `file_data` may be the address of a public file.
    quirks=Quirks(
        max_tokens_field="max_tokens",
        reasoning_field="reasoning_details",
        top_k=True,
        file_urls=True,
    ),
    # Page "Errors", 2026-11: 402 no credits, 403 the input was flagged, 408 timeout, 502 the model
    # is down, 503 no provider meets the request's requirements.
    errors=ErrorCodes(
        statuses={402: Outcome.AUTH_FAILED, 502: Outcome.OVERLOADED},
        phrases={
            "is not a valid model id": Outcome.NOT_FOUND,
            "no endpoints found": Outcome.NOT_FOUND,
            # There are credits, but not enough for the longest answer to this request.
            "fewer max_tokens": Outcome.NOT_FOUND,
        },
        content_policy=("input was flagged", "requires moderation"),
    ),
    notes=("Errors after the first byte of a stream come as a chunk with an `error` object.",),
)
