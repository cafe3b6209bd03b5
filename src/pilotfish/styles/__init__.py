"""Wire formats, one module or folder each, exporting `STYLE` (see `core.formats.style`). Pure:
bytes and values in, bytes and values out.

Styles are found, not listed: what lies here without an underscore is one. Each is imported when it
is first asked for, and inside a style the translations are imported when a request first needs
them, since most sidecars only pass bytes through.
"""

from __future__ import annotations

from functools import cache
from typing import cast

from pilotfish.core.formats.style import Style
from pilotfish.core.model.variants import exported, names_in


@cache
def names() -> tuple[str, ...]:
    """The names of all styles, in alphabetical order; imports none of them. Raises OSError where
    they cannot be looked up now.
    """
    found = names_in(__path__)
    # no descriptor is left to read the folder with, and an empty answer would be remembered for
    # ever
    if not found:
        raise OSError("the folder of styles cannot be read")
    return found


@cache
def get(name: str) -> Style:
    """The style of that name. Raises KeyError, naming those there are."""
    if name not in names():
        raise KeyError(f"unknown style {name!r}; known: {', '.join(names())}")
    return cast(Style, exported(__name__, name, "STYLE"))


def all_styles() -> tuple[Style, ...]:
    """Every style; imports them all."""
    return tuple(get(name) for name in names())
