"""The endpoints that are no chat: one short answer each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.wires.anthropic import AnthropicMessages

if TYPE_CHECKING:
    from pilotfish.simulated.behaviour import Profile
    from pilotfish.simulated.http import Request
    from pilotfish.simulated.surface import Surface


class Missing(Exception):
    """A model that this vendor does not have; its name is the text."""


def side_answer(surface: Surface, request: Request, body: dict[str, Any], profile: Profile) -> tuple[str, bytes]:
    """Content type and body. Raises BadRequest, Missing."""
    if surface.side == "models":
        return "application/json", orjson.dumps(_models(surface, request, profile))
    if surface.side == "count_tokens":
        asked = AnthropicMessages().read_prompt(body, surface.model, False)
        return "application/json", orjson.dumps({"input_tokens": asked.input_tokens})
    raise BadRequest(f"unknown endpoint {request.path}")


def _models(surface: Surface, request: Request, profile: Profile) -> Any:
    wanted = request.path.rpartition("/models")[2].strip("/")
    if wanted and wanted not in profile.models:
        raise Missing(wanted)
    if surface.wire.style == "anthropic":
        anthropic = [
            {"type": "model", "id": name, "display_name": name.title(), "created_at": "2025-01-01T00:00:00Z"} for name in profile.models
        ]
        if wanted:
            return next(model for model in anthropic if model["id"] == wanted)
        return {"data": anthropic, "has_more": False, "first_id": profile.models[0], "last_id": profile.models[-1]}
    openai = [{"id": name, "object": "model", "created": 1735689600, "owned_by": "simulated"} for name in profile.models]
    return next(model for model in openai if model["id"] == wanted) if wanted else {"object": "list", "data": openai}
