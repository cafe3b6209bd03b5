"""Mistral AI: Chat Completions with a strict schema, where an unknown field is refused with 422."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, ProviderKind

# API reference "Chat", 2026-11: fields of OpenAI's that its schema does not have. They are answered
# with "extra inputs are not permitted".
REFUSES = frozenset(
    {
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "store",
        "service_tier",
        "max_completion_tokens",
        "seed",
        "stream_options",
        "modalities",
        "audio",
        "verbosity",
    }
)

KIND = ProviderKind(
    name="mistral",
    title="Mistral AI",
    docs="https://docs.mistral.ai/api",
    otel_name="mistral_ai",
    litellm_names=("mistral",),
    key_variable="MISTRAL_API_KEY",
    style="openai",
    listed=listed_by("mistral"),
    base_url="https://api.mistral.ai/v1",
    version="/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "embeddings", "moderations", "audio")},
    # Tool call ids must be nine letters or digits; a user message right after a tool's is refused
    # (3230, "Unexpected role 'user' after role 'tool'"). The last chunk of a stream holds the usage
    # even if the request does not ask for it. Reasoning comes and goes back as chunks of content
    # (guide "Reasoning", 2026-11).
    quirks=Quirks(
        assistant_after_tool=True,
        odd_calls=True,  # without their type
        reasoning_field="content",
        max_tokens_field="max_tokens",
        tool_id="mistral9",
        refuses=REFUSES,
        stream_usage=False,
        developer_role=False,
        prefill=False,
        reasoning_effort=False,
    ),
    errors=ErrorCodes(
        outcomes={
            "1500": Outcome.NOT_FOUND,
            "invalid_model": Outcome.NOT_FOUND,
            "3505": Outcome.OVERLOADED,
        },
        phrases={
            "invalid model": Outcome.NOT_FOUND,
            "service tier capacity exceeded": Outcome.OVERLOADED,
        },
        context_length=("too large for model with",),
    ),
)
