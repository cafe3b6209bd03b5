"""Ollama's OpenAI-compatible endpoint on this machine."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="ollama",
    title="Ollama",
    docs="https://docs.ollama.com/api/openai-compatibility",
    litellm_names=("ollama", "ollama_chat"),
    style="openai",
    base_url="http://localhost:11434/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "completions", "embeddings")},
    needs_key=False,
    limits=LimitHeaders(),
    # Page "OpenAI compatibility", 2026-11: tool_choice, logit_bias, user and n are ignored.
    # Reasoning goes back in the field that it came in, and in no other.
    quirks=Quirks(
        max_tokens_field="max_tokens",
        developer_role=False,
        strict_tools=False,
        reasoning_field="reasoning",
    ),
    errors=ErrorCodes(
        context_length=(
            "input length exceeds",
            "exceeds the available context size",
            "exceeds context length",
        )
    ),
    notes=(
        (
            "Cuts a prompt that is too long instead of refusing it, unless told otherwise; raise "
            "`num_ctx` in the Modelfile."
        ),
    ),
)
