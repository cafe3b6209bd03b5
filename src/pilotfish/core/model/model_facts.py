"""Facts about a model family that hold whichever vendor serves it: what a Claude model refuses at
Anthropic, on Vertex and on Bedrock.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from pilotfish.core.formats.style import Quirks

# Forms: claude-3-5-sonnet-20241022, claude-opus-4-20250514, claude-sonnet-4-5@20250929,
# claude-opus-4.7, claude-opus-5. A date after the major version is not a minor version.
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?([0-9]{1,2})(?:[-.]([0-9]{1,2}))?(?![0-9])")

# Anthropic's page "Migration guide", 2026-11: since 4.6 a trailing assistant turn is answered with
# 400, since 4.7 the sampling fields are too.
NO_PREFILL_SINCE = (4, 6)
NO_SAMPLING_SINCE = (4, 7)
SAMPLING = frozenset({"temperature", "top_p", "top_k"})

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
        refuses=base.refuses | SAMPLING if version >= NO_SAMPLING_SINCE else base.refuses,
    )
