"""How a rule chooses among usable services: one small class per file, each exporting `TACTIC`,
found here and named nowhere else.

A tactic asks the candidates' states, its own memory, `now` and a random source, and nothing else.
No IO, no clock, no health: it sees only services that may be used.
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
    """The names of all tactics, in order, without importing any of them."""
    return names_in(__path__)


@cache
def get(name: str) -> type[Tactic[Any]]:
    """The tactic of this name; only its own module is imported. Raises KeyError with the known
    ones.
    """
    if name not in names():
        raise KeyError(f"unknown tactic {name!r}; known: {', '.join(names())}")
    return cast("type[Tactic[Any]]", exported(__name__, name, "TACTIC"))


def all_tactics() -> Mapping[str, type[Tactic[Any]]]:
    """Every tactic by its name in the rules file; each is imported when it is looked at."""
    return Variants(names(), get)
