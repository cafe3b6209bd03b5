"""OpenAI's own API: Chat Completions and Responses, and everything else below /v1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import (
    OPENAI_PATHS,
    ErrorCodes,
    OAuthEndpoint,
    Option,
    ProviderKind,
)

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
REASONING = re.compile(r"^(?:o[134](?:-|$)|gpt-[5-9](?!.*chat))")
VERSION = re.compile(r"gpt-([0-9]+)(?:\.([0-9]+))?")


def style_from(options: Mapping[str, Any]) -> str:
    return "openai_responses" if options.get("api") == "responses" else "openai"


def base_from(options: Mapping[str, Any]) -> str:
    return str(options.get("base_url") or "https://api.openai.com/v1").rstrip("/")


def model_quirks(model: str) -> Quirks | None:
    """GPT-5.1 and later take effort `none` to switch reasoning off (guide "Reasoning models"), 5.6
    and later cache breakpoints (guide "Prompt caching"); both 2026-11."""
    if not REASONING.match(model):
        return None
    found = VERSION.match(model)
    version = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return msgspec.structs.replace(
        QUIRKS,
        refuses=SAMPLING,
        no_effort=version >= (5, 1),
        prompt_cache_breakpoints=version >= (5, 6),
    )


KIND = ProviderKind(
    name="openai",
    title="OpenAI",
    docs="https://platform.openai.com/docs/api-reference",
    litellm_names=("openai", "text-completion-openai"),
    key_variable="OPENAI_API_KEY",
    style="openai",
    listed=listed_by("openai"),
    base_url="https://api.openai.com/v1",
    version="/v1",
    paths={
        **{op: path for op, path in OPENAI_PATHS.items() if op != "rerank"},
        "responses": "/responses",
        "realtime": "/realtime?model={model}",
        "responses_socket": "/responses",
    },
    options={
        "api": Option(
            choices=("completions", "responses"),
            help=(
                "responses: every chat request goes to Responses, those of Chat Completions "
                "translated"
            ),
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
            "insufficient_quota": Outcome.AUTH_FAILED,
            "billing_hard_limit_reached": Outcome.AUTH_FAILED,
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
    # As Codex renews its tokens; read 2026-11.
    oauth_endpoints=dict.fromkeys(
        ("openai", "codex"), OAuthEndpoint("https://auth.openai.com/oauth/token", as_json=True)
    ),
    notes=(
        (
            "Chat and Responses clients both reach it untranslated, other styles as Chat. With "
            "`options: {api: responses}`, or `api_style: openai_responses`, every request goes to "
            "Responses, where newer models can do more."
        ),
    ),
)
