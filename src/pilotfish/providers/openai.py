"""OpenAI's own API: Chat Completions and Responses, and everything else below /v1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, Option, ProviderKind

# API reference "Create chat completion", 2026-11: ids of tool calls longer than 40 characters are
# refused. `max_tokens` is deprecated, and reasoning models refuse it; all models take
# `max_completion_tokens`.
QUIRKS = Quirks(max_tokens_field="max_completion_tokens", tool_id_max=40, prefill=False)

# Guide "Reasoning models", 2026-11: reasoning models answer 400 to sampling fields.
SAMPLING = frozenset(
    {
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
    }
)
REASONING = re.compile(r"^(?:o[134](?:-|$)|gpt-5(?!.*chat))")


def style_from(options: Mapping[str, Any]) -> str:
    return "openai_responses" if options.get("api") == "responses" else "openai"


def base_from(options: Mapping[str, Any]) -> str:
    return str(options.get("base_url") or "https://api.openai.com/v1").rstrip("/")


def model_quirks(model: str) -> Quirks | None:
    return msgspec.structs.replace(QUIRKS, refuses=SAMPLING) if REASONING.match(model) else None


KIND = ProviderKind(
    name="openai",
    title="OpenAI",
    docs="https://platform.openai.com/docs/api-reference",
    litellm_names=("openai", "text-completion-openai"),
    key_variable="OPENAI_API_KEY",
    style="openai",
    base_url="https://api.openai.com/v1",
    version="/v1",
    paths={
        **{op: path for op, path in OPENAI_PATHS.items() if op != "rerank"},
        "responses": "/responses",
    },
    options={
        "api": Option(
            choices=("completions", "responses"),
            help="which API requests of other styles are translated to",
        ),
        "base_url": Option(help="like `api_base`"),
    },
    style_from=style_from,
    base_from=base_from,
    quirks=QUIRKS,
    model_quirks=model_quirks,
    # Guide "Error codes", 2026-11.
    errors=ErrorCodes(
        outcomes={
            "insufficient_quota": Outcome.RATE_LIMITED,
            "billing_hard_limit_reached": Outcome.RATE_LIMITED,
            "rate_limit_exceeded": Outcome.RATE_LIMITED,
            "model_not_found": Outcome.NOT_FOUND,
            "invalid_api_key": Outcome.AUTH_FAILED,
            "account_deactivated": Outcome.AUTH_FAILED,
        },
        context_length=("context_length_exceeded", "string_above_max_length"),
        content_policy=(
            "content_policy_violation",
            "invalid_prompt",
            "moderation_blocked",
            "safety system",
        ),
    ),
    notes=(
        (
            "Chat and Responses clients both reach it untranslated; `options.api` only decides for "
            "clients of other styles."
        ),
    ),
)
