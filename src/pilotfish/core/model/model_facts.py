"""Facts about a model family that hold whichever vendor serves it: what a Claude model refuses at
Anthropic, on Vertex and on Bedrock.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import ErrorCodes, LimitHeaders

# Forms: claude-3-5-sonnet-20241022, claude-opus-4-20250514, claude-sonnet-4-5@20250929,
# claude-opus-4.7, claude-opus-5. A date after the major version is not a minor version.
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?([0-9]{1,2})(?:[-.]([0-9]{1,2}))?(?![0-9])")

# Anthropic's page "Migration guide", 2026-11: since 4.6 a trailing assistant turn is answered with
# 400 and thinking is adaptive, since 4.7 the sampling fields and a thinking budget are answered
# with 400.
NO_PREFILL_SINCE = ADAPTIVE_THINKING_SINCE = (4, 6)
NO_SAMPLING_SINCE = (4, 7)
# Pages "Structured outputs" and "Mid-conversation system messages", 2026-11.
OUTPUT_FORMAT_SINCE = (4, 5)
SYSTEM_TURNS_SINCE = (4, 8)

# (since version, longest answer in tokens), newest first (Anthropic's page "Models overview",
# 2026-11). `max_tokens` is required, and a value above the model's own maximum is refused.
MAX_TOKENS = (((3, 7), 16384), ((3, 5), 8192), ((0, 0), 4096))


@cache
def claude_version(model: str) -> tuple[int, int] | None:
    """(major, minor) from a model name in any vendor's spelling; None if the name is not a Claude's
    or holds no version.
    """
    m = _CLAUDE.search(model)
    return (int(m[1]), int(m[2] or 0)) if m else None


def claude_quirks(model: str, base: Quirks) -> Quirks | None:
    """`base` with what this Claude model refuses; None if the name holds no version."""
    version = claude_version(model)
    if version is None:
        return None
    return msgspec.structs.replace(
        base,
        default_max_tokens=next(tokens for since, tokens in MAX_TOKENS if version >= since),
        prefill=version < NO_PREFILL_SINCE,
        sampling_fields=version < NO_SAMPLING_SINCE,
        adaptive_thinking=version >= ADAPTIVE_THINKING_SINCE,
    )


# Open models whose chat templates want the reasoning of earlier turns in tool loops, in the field
# in which their own services and most servers take it. Sources: DeepSeek, guide "Thinking mode";
# Moonshot, "Kimi K2 thinking"; Z.ai, "Preserved thinking"; MiniMax, "Interleaved thinking"; all
# read 2026-11.
_REASONS_IN_LOOPS = re.compile(r"deepseek|kimi|glm-|minimax|mimo")


def open_model_quirks(model: str, base: Quirks) -> Quirks | None:
    """`base` with what this model wants on any server that speaks OpenAI's form; None if its name
    says nothing."""
    name = model.lower()
    if "gemini" in name:
        return msgspec.structs.replace(base, google_signatures=True)
    if _REASONS_IN_LOOPS.search(name):
        return msgspec.structs.replace(base, reasoning_field="reasoning_content")
    return None


# ---- Anthropic's own API, wherever it is reached

# `max_tokens` is required (API reference "Create a message", 2026-11). All models since Claude 3.7
# take 16384.
CLAUDE_API_QUIRKS = Quirks(default_max_tokens=16384)
_LIMITED = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input-tokens",
    "output_tokens": "output-tokens",
}
# Page "Rate limits", 2026-11: `anthropic-ratelimit-<kind>-<limit|remaining|reset>`, reset in
# RFC 3339.
CLAUDE_API_LIMITS = LimitHeaders(
    remaining={kind: f"anthropic-ratelimit-{word}-remaining" for kind, word in _LIMITED.items()},
    limit={kind: f"anthropic-ratelimit-{word}-limit" for kind, word in _LIMITED.items()},
    reset={kind: f"anthropic-ratelimit-{word}-reset" for kind, word in _LIMITED.items()},
)
# Page "Errors", 2026-11. A spent credit balance is reported as 400 invalid_request_error, and
# only the message tells it from other refusals.
CLAUDE_API_ERRORS = ErrorCodes(
    outcomes={
        "overloaded_error": Outcome.OVERLOADED,
        "rate_limit_error": Outcome.RATE_LIMITED,
        "billing_error": Outcome.AUTH_FAILED,
        "authentication_error": Outcome.AUTH_FAILED,
        "not_found_error": Outcome.NOT_FOUND,
        "timeout_error": Outcome.SERVER_ERROR,
        "api_error": Outcome.SERVER_ERROR,
    },
    phrases={"credit balance is too low": Outcome.AUTH_FAILED},
    context_length=("prompt is too long", "exceed context limit", "request_too_large"),
    content_policy=("content filtering policy",),
)


def claude_api_quirks(model: str) -> Quirks | None:
    """`output_config.format` and system turns are of Anthropic's own API; the platforms that serve
    Claude get them later.
    """
    quirks, version = claude_quirks(model, CLAUDE_API_QUIRKS), claude_version(model)
    if quirks is None or version is None:
        return None
    return msgspec.structs.replace(
        quirks,
        output_format=version >= OUTPUT_FORMAT_SINCE,
        system_turns=version >= SYSTEM_TURNS_SINCE,
    )
