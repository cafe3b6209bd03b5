"""Which wire or side endpoint a request goes to, and what its path says about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pilotfish.simulated.wires.anthropic import AnthropicMessages
from pilotfish.simulated.wires.openai_chat import OpenAIChat, OpenAICompletions

if TYPE_CHECKING:
    from pilotfish.simulated.http import Request
    from pilotfish.simulated.wires.wire import Wire

_CHAT, _COMPLETIONS, _ANTHROPIC = OpenAIChat(), OpenAICompletions(), AnthropicMessages()


class Surface(NamedTuple):
    """`side` names an endpoint that is no chat (`models`, `embeddings`, ...); empty for those that are."""

    wire: Wire
    side: str = ""
    model: str | None = None
    stream: bool = False
    array: bool = False


_PATHS: list[tuple[re.Pattern[str], Wire, str]] = [
    (re.compile(r"/chat/completions$"), _CHAT, ""),
    (re.compile(r"/messages/count_tokens$"), _ANTHROPIC, "count_tokens"),
    (re.compile(r"/messages$"), _ANTHROPIC, ""),
    (re.compile(r"/completions$"), _COMPLETIONS, ""),
]
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/")


def surface_of(request: Request) -> Surface | None:
    """None for a path that no vendor here knows."""
    path = request.path
    if re.search(r"/models(/[^/:]+)?$", path):
        return Surface(_ANTHROPIC if "anthropic-version" in request.headers else _CHAT, "models")
    deployment = _DEPLOYMENT.search(path)
    for pattern, wire, side in _PATHS:
        if pattern.search(path):
            return Surface(wire, side, deployment[1] if deployment else None)
    return None
