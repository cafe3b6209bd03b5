"""Facts of a model family that hold whoever serves it: which requests a Claude refuses, at
Anthropic, on Vertex or on Bedrock alike.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from pilotfish.core.formats.style import Quirks

# claude-3-5-sonnet-20241022, claude-opus-4-20250514, claude-sonnet-4-5@20250929, claude-opus-4.7,
# claude-opus-5: a date is no minor.
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?([0-9]{1,2})(?:[-.]([0-9]{1,2}))?(?![0-9])")

# Page "Migration guide", 2026-11: from 4.6 on a trailing assistant turn is answered with 400, from
# 4.7 on the sampling fields are.
NO_PREFILL_SINCE = (4, 6)
NO_SAMPLING_SINCE = (4, 7)
SAMPLING = frozenset({"temperature", "top_p", "top_k"})

# Longest answers by version (page "Models overview", 2026-11); a Claude must be told one, and takes
# no more than its own.
MAX_TOKENS = (((3, 7), 16384), ((3, 5), 8192), ((0, 0), 4096))


@cache
def claude_version(model: str) -> tuple[int, int] | None:
    """(major, minor) of a Claude model's name in any vendor's spelling; None if it is no Claude or
    does not say.
    """
    m = _CLAUDE.search(model)
    return (int(m[1]), int(m[2] or 0)) if m else None


def claude_quirks(model: str, base: Quirks) -> Quirks | None:
    """`base` with what this Claude refuses; None if the name says no version."""
    version = claude_version(model)
    if version is None:
        return None
    return msgspec.structs.replace(
        base,
        default_max_tokens=next(tokens for since, tokens in MAX_TOKENS if version >= since),
        prefill=version < NO_PREFILL_SINCE,
        refuses=base.refuses | SAMPLING if version >= NO_SAMPLING_SINCE else base.refuses,
    )
