"""vLLM's OpenAI-compatible server."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import OPENAI_PATHS, ErrorCodes, LimitHeaders, ProviderKind

KIND = ProviderKind(
    name="vllm",
    title="vLLM",
    docs="https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html",
    litellm_names=("hosted_vllm", "vllm"),
    style="openai",
    base_url="http://localhost:8000/v1",
    paths={op: OPENAI_PATHS[op] for op in ("chat", "completions", "embeddings", "audio", "rerank")},
    needs_key=False,
    limits=LimitHeaders(),
    # Page "Interleaved thinking", 2026-11: reasoning goes back in the field it came in.
    quirks=Quirks(
        max_tokens_field="max_tokens",
        developer_role=False,
        reasoning_field="reasoning",
        top_k=True,
    ),
    # Error types are the names of Python exceptions: BadRequestError, NotFoundError,
    # InternalServerError.
    errors=ErrorCodes(
        outcomes={"notfounderror": Outcome.NOT_FOUND},
        context_length=(
            "maximum context length",
            "maximum model length",
            "is longer than the maximum",
        ),
    ),
)
