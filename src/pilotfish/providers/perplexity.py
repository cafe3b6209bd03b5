"""Perplexity: OpenAI-compatible Sonar models; no version in the path, no tools."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="perplexity",
    title="Perplexity",
    docs="https://docs.perplexity.ai/guides/chat-completions-guide",
    litellm_names=("perplexity",),
    key_variable="PERPLEXITYAI_API_KEY",
    style="openai",
    base_url="https://api.perplexity.ai",
    paths={"chat": "/chat/completions"},
    probe=None,  # no call that needs a key is free of charge
    limits=LimitHeaders(),
    # API reference "Chat completions", 2026-11: no function calling.
    quirks=Quirks(
        max_tokens_field="max_tokens",
        refuses=frozenset(
            {"tools", "tool_choice", "parallel_tool_calls", "logit_bias", "n", "seed"}
        ),
        stream_usage=False,
        developer_role=False,
        prefill=False,
    ),
    errors=ErrorCodes(
        phrases={"invalid model": Outcome.NOT_FOUND}, statuses={402: Outcome.AUTH_FAILED}
    ),
    notes=(
        (
            "Sonar models take no tools: a request with tools that is sent here loses them, and "
            "`x-pilotfish-dropped` says so."
        ),
    ),
)
