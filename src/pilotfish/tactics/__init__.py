"""How a rule chooses among usable services: one small class per file, each exporting `TACTIC`, found here and named nowhere else.

A tactic asks the candidates' states, its own memory, `now` and a random source, and nothing else. No IO, no clock, no health: it sees
only services that may be used.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pilotfish.core.tactic import Tactic

DEFAULT = "adaptive"


@cache
def all_tactics() -> Mapping[str, type[Tactic]]:
    """Every tactic by its name in the rules file."""
    found: dict[str, type[Tactic]] = {}
    for module in pkgutil.iter_modules(__path__):
        tactic: type[Tactic] = importlib.import_module(f"{__name__}.{module.name}").TACTIC
        found[tactic.name] = tactic
    return MappingProxyType(found)


def get(name: str) -> type[Tactic]:
    """The tactic of this name; KeyError with the known ones."""
    known = all_tactics()
    if name not in known:
        raise KeyError(f"unknown tactic {name!r}; known: {', '.join(known)}")
    return known[name]
