"""Converts other tools' configurations to rules: tingly-box JSON and LiteLLM `config.yaml`.

A literal key is never copied: the rules name an environment variable instead, and `Imported.lost`
says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotfish.core.rules.importing.litellm import from_litellm
from pilotfish.core.rules.importing.tingly import from_tingly
from pilotfish.core.rules.importing.writing import Imported, Known

__all__ = ["Imported", "Known", "imported"]


def imported(data: Any, known: Known) -> Imported:
    """The rules for a configuration of either tool. Raises ValueError for any other document."""
    if not isinstance(data, Mapping):
        raise ValueError(f"expected an object with settings in it, found {type(data).__name__}")
    if "model_list" in data:
        return from_litellm(data, known)
    if "rules" in data or "providers_v2" in data:
        return from_tingly(data, known)
    found = ", ".join(repr(str(key)) for key in list(data)[:8]) or "nothing"
    raise ValueError(
        "neither a LiteLLM config.yaml ('model_list') nor a tingly-box configuration "
        f"('providers', 'rules'); found {found}"
    )
