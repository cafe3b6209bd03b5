"""Vendors. One file per kind, each exporting `KIND`; found by looking into this folder, listed
nowhere.

What lives here: facts of one vendor, as data. What must not: anything true of a wire format whoever
serves it (`styles/`), IO, and knowledge of another vendor's file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.variants import Variants, exported, names_in


@cache
def names() -> tuple[str, ...]:
    """The names of all kinds, in order, without importing any of them."""
    return names_in(__path__)


@cache
def get(name: str) -> ProviderKind:
    """The record of one kind; only its own module is imported. Raises KeyError for a name that no
    file has.
    """
    if name not in names():
        raise KeyError(f"unknown provider kind {name!r}; known: {', '.join(names())}")
    kind = exported(__name__, name, "KIND")
    if not isinstance(kind, ProviderKind) or kind.name != name:
        raise TypeError(
            f"providers/{name}.py must export KIND, a ProviderKind named {name!r}; found {kind!r}"
        )
    return kind


def all_kinds() -> Mapping[str, ProviderKind]:
    """Every kind by name; each is imported when it is looked at."""
    return Variants(names(), get)
