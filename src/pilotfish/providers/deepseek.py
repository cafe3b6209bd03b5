"""DeepSeek: OpenAI's Chat Completions, without a version in the path."""

from __future__ import annotations

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import ErrorCodes, LimitHeaders, ProviderKind

# API reference "Create chat completion", 2026-11: response_format knows text and json_object only;
# strict tools are beta.
QUIRKS = Quirks(
    max_tokens_field="max_tokens",
    developer_role=False,
    json_schema=False,
    strict_tools=False,
    prefill=False,
    # Guide "Thinking mode", section "Tool calls", 2026-11: a message with calls that lacks its
    # reasoning_content, be it empty, is answered with 400.
    reasoning_field="reasoning_content",
    reasoning_with_calls=True,
)


def model_quirks(model: str) -> Quirks | None:
    """The reasoner answers 400 to logprobs (guide "Thinking mode", 2026-11)."""
    return (
        msgspec.structs.replace(QUIRKS, refuses=frozenset({"logprobs", "top_logprobs"}))
        if "reasoner" in model
        else None
    )


KIND = ProviderKind(
    name="deepseek",
    title="DeepSeek",
    docs="https://api-docs.deepseek.com",
    litellm_names=("deepseek",),
    key_variable="DEEPSEEK_API_KEY",
    style="openai",
    base_url="https://api.deepseek.com",
    paths={"chat": "/chat/completions"},
    limits=LimitHeaders(),
    quirks=QUIRKS,
    model_quirks=model_quirks,
    # Page "Error codes", 2026-11: 402 is an empty balance, 422 invalid parameters, 503 overload.
    errors=ErrorCodes(
        statuses={402: Outcome.AUTH_FAILED},
        phrases={
            "model not exist": Outcome.NOT_FOUND,
            "insufficient balance": Outcome.AUTH_FAILED,
        },
        content_policy=("content exists risk",),
    ),
    notes=(
        (
            "Has no quota headers. Keeps a request waiting with empty lines or SSE comments while "
            "it is busy."
        ),
    ),
)
