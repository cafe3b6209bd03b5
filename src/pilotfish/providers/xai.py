"""xAI: OpenAI-compatible Chat Completions and Responses for Grok."""

from __future__ import annotations

import re

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, ProviderKind

QUIRKS = Quirks(max_tokens_field="max_completion_tokens", prefill=False)
REASONING = re.compile(r"grok-(?:3-mini|4|code)")


def model_quirks(model: str) -> Quirks | None:
    """Guide "Reasoning", 2026-11: reasoning models answer 400 to penalties and stop; of them only
    grok-3-mini takes reasoning_effort.
    """
    if not REASONING.search(model):
        return None
    refuses = frozenset({"presence_penalty", "frequency_penalty", "stop"})
    return msgspec.structs.replace(QUIRKS, refuses=refuses, reasoning_effort="grok-3-mini" in model)


KIND = ProviderKind(
    name="xai",
    title="xAI",
    docs="https://docs.x.ai/docs/api-reference",
    otel_name="x_ai",
    litellm_names=("xai",),
    key_variable="XAI_API_KEY",
    style="openai",
    listed=listed_by("xai"),
    base_url="https://api.x.ai/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "completions", "embeddings", "images")}
    | {"responses": "/responses"},
    quirks=QUIRKS,
    model_quirks=model_quirks,
    # Page "Debugging errors", 2026-11: a wrong key is answered with 400, a flagged prompt with 403.
    errors=ErrorCodes(
        phrases={
            "incorrect api key": Outcome.AUTH_FAILED,
            "used all available credits": Outcome.AUTH_FAILED,
            "monthly spending limit": Outcome.AUTH_FAILED,
        },
        context_length=("maximum prompt length",),
        content_policy=("content violates usage guidelines", "usage guidelines"),
    ),
)
