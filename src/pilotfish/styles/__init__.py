"""Wire formats, one module or folder each, exporting `STYLE` (see `core.style`). Pure: bytes and values in, bytes and values out.

Styles are found, not listed: what lies here without an underscore is one. Each is imported when it is first asked for, and inside a
style the translations are imported when a request first needs them, since most sidecars only pass bytes through.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from pilotfish.core.variants import exported, names_in

if TYPE_CHECKING:
    from pilotfish.core.style import Style


@cache
def names() -> tuple[str, ...]:
    """The names of all styles, in alphabetical order; imports none of them."""
    return names_in(__path__)


@cache
def get(name: str) -> Style:
    """The style of that name. Raises KeyError, naming those there are."""
    if name not in names():
        raise KeyError(f"unknown style {name!r}; known: {', '.join(names())}")
    return cast("Style", exported(__name__, name, "STYLE"))


def all_styles() -> tuple[Style, ...]:
    """Every style; imports them all."""
    return tuple(get(name) for name in names())
