"""The tactics (load-balancing policies): how a rule chooses among usable services. Each module
exports one class as `TACTIC` and is found by its name; no list names it.

A tactic reads the candidates' states, its own memory, `now` and a random source. It does no IO,
reads no clock, and does not judge health: it gets only services that may be used.
docs/tactics.md describes each for users.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from pilotfish.core.model.tactic import Tactic
from pilotfish.core.model.variants import Variants, exported, names_in

DEFAULT = "adaptive"


@cache
def names() -> tuple[str, ...]:
    """The names of all tactics in alphabetical order. Imports none of them."""
    return names_in(__path__)


@cache
def get(name: str) -> type[Tactic[Any]]:
    """The tactic of this name; only its own module is imported. Raises KeyError, with the known
    names, for an unknown one.
    """
    if name not in names():
        raise KeyError(f"unknown tactic {name!r}; known: {', '.join(names())}")
    return cast("type[Tactic[Any]]", exported(__name__, name, "TACTIC"))


def all_tactics() -> Mapping[str, type[Tactic[Any]]]:
    """Every tactic by its name in the rules file, imported on first access."""
    return Variants(names(), get)
