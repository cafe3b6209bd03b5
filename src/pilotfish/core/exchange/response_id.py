"""The vendor's own name for an answer, as traces show it: read from the answer's first bytes, without
parsing them. An aid for people who look for a request at the vendor, never a ground for a decision.
"""

from __future__ import annotations

import re

LOOKED_AT = 2048  # bytes; every style but Gemini's names its answer at the beginning
_ID = re.compile(rb'"(?:id|responseId)"\s*:\s*"([!-!#-\[\]-~]{1,128})"')


def response_id_in(data: bytes) -> str:
    """Empty where there is none in these bytes."""
    found = _ID.search(data, 0, LOOKED_AT)
    return found[1].decode() if found else ""
