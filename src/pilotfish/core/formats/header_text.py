"""Text as the value of a header."""

from __future__ import annotations

_BLANKED = bytes(0x20 if c < 0x20 or c == 0x7F else c for c in range(256))


def header_text(text: str) -> bytes:
    """A name, configured or chosen by a client, as the value of a header: ASCII, without control
    characters, other letters as backslash escapes.
    """
    return text.encode("ascii", "backslashreplace").translate(_BLANKED)
