"""The kinds of provider: facts of one vendor per module, as data. Each module exports its record as
`KIND` and is found by its name; no list names it.

What must not live here: facts of a wire format that hold for every vendor (`styles/`), IO, and
knowledge of another vendor's module.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.variants import Variants, exported, names_in


@cache
def names() -> tuple[str, ...]:
    """The names of all kinds in alphabetical order. Imports none of them."""
    return names_in(__path__)


@cache
def get(name: str) -> ProviderKind:
    """The record of one kind; only its own module is imported. Raises KeyError, with the known
    names, for an unknown one.
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
    """Every kind by name, imported on first access."""
    return Variants(names(), get)
