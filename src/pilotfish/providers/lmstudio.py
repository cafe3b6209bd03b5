"""LM Studio's OpenAI-compatible server on this machine."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="lmstudio",
    title="LM Studio",
    docs="https://lmstudio.ai/docs/developer/openai-compat",
    litellm_names=("lm_studio",),
    style="openai",
    base_url="http://localhost:1234/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "completions", "embeddings")},
    needs_key=False,
    limits=LimitHeaders(),
    quirks=Quirks(max_tokens_field="max_tokens", developer_role=False, strict_tools=False),
    errors=ErrorCodes(
        context_length=(
            "which is not enough",
            "when context the overflows",
            "context overflow",
            "greater than the context length",
        )
    ),
)
