"""Groq: OpenAI's Chat Completions below /openai/v1."""

from __future__ import annotations

import re

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, ProviderKind

# Page "OpenAI compatibility", 2026-11: these fields are answered with 400.
QUIRKS = Quirks(
    max_tokens_field="max_completion_tokens",
    refuses=frozenset({"logprobs", "logit_bias", "top_logprobs"}),
    developer_role=False,
)
REASONING = re.compile(r"gpt-oss|qwen|deepseek|kimi")


def model_quirks(model: str) -> Quirks | None:
    """API reference "Create chat completion", messages of the assistant, 2026-11: reasoning goes
    back in the field that it came in, to models that reason."""
    if not REASONING.search(model):
        return None
    return msgspec.structs.replace(QUIRKS, reasoning_field="reasoning")


KIND = ProviderKind(
    name="groq",
    title="Groq",
    docs="https://console.groq.com/docs/openai",
    litellm_names=("groq",),
    key_variable="GROQ_API_KEY",
    style="openai",
    listed=listed_by("groq"),
    base_url="https://api.groq.com/openai/v1",
    version="/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "audio", "embeddings")}
    | {"responses": "/responses"},
    quirks=QUIRKS,
    model_quirks=model_quirks,
    # Page "Errors", 2026-11: 498 is the flex tier at capacity; a tool call that the model wrote
    # badly is answered with 400 tool_use_failed.
    errors=ErrorCodes(
        outcomes={
            "model_decommissioned": Outcome.NOT_FOUND,
            "capacity_exceeded": Outcome.OVERLOADED,
        },
        statuses={498: Outcome.OVERLOADED},
        context_length=("please reduce the length of the messages",),
    ),
    notes=("Quota headers count requests per day and tokens per minute.",),
)
