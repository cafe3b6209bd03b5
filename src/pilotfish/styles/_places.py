"""Fields that only one style knows, with the places they stood at:
`generationConfig.speechConfig`.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def placed(parent: str, fields: Json) -> Json:
    """What was left of the object `parent`, by place."""
    return {f"{parent}.{name}": value for name, value in fields.items()}


def put_back(body: Json, place: str, value: Any, parents: tuple[str, ...]) -> None:
    """Sets a field at its place, where nothing stands yet. `parents` are the objects that have such
    fields, inner ones first.

    Only these divide a place, since any other name may hold dots itself.
    """
    inside = body
    for parent in parents:
        if place.startswith(f"{parent}."):
            place = place[len(parent) + 1 :]
            for step in parent.split("."):
                inside = inside.setdefault(step, {})
            break
    inside.setdefault(place, value)
