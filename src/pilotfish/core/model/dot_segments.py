"""Names that would lead out of the path they are put into. Encoding them is not enough: servers
behind a vendor's front decode a path once more and then resolve its dots.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from pilotfish.core.model.service import Provider

# Nobody encodes a name more often.
_ROUNDS = 4
_SEPARATORS = re.compile(r"[/\\]")


def has_dot_segment(text: str) -> bool:
    """Whether some segment of it is `.` or `..`, however often it is percent-encoded; `..;x` is
    one to servers in Java. Encoded beyond all measure counts as well.
    """
    for _ in range(_ROUNDS):
        if any(part.partition(";")[0] in (".", "..") for part in _SEPARATORS.split(text)):
            return True
        plain = unquote(text)
        if plain == text:
            return False
        text = plain
    return True


def leaves_path(provider: Provider, model: str) -> bool:
    """Whether the model would leave the path of this provider's URLs; never where it is in the
    body or in the query.
    """
    return has_dot_segment(model) and any(
        "{model}" in path.partition("?")[0] for path in provider.paths.values()
    )
