"""Which wire or side endpoint a request goes to, and what its path says about it."""

from __future__ import annotations

import re
from typing import NamedTuple

from pilotfish.simulated.http import VendorRequest
from pilotfish.simulated.wires.anthropic import AnthropicMessages
from pilotfish.simulated.wires.bedrock import BedrockWire
from pilotfish.simulated.wires.bedrock_invoke import BedrockInvoke
from pilotfish.simulated.wires.google import GoogleWire
from pilotfish.simulated.wires.openai_chat import OpenAIChat, OpenAICompletions
from pilotfish.simulated.wires.openai_responses import OpenAIResponsesWire
from pilotfish.simulated.wires.wire import Wire

_CHAT, _ANTHROPIC, _GOOGLE = OpenAIChat(), AnthropicMessages(), GoogleWire()
_GOOGLE_ARRAY = GoogleWire(array=True)


class VendorEndpoint(NamedTuple):
    """`side` names an endpoint that is no chat (`models`, `embeddings`, ...); empty for those that
    are.
    """

    wire: Wire
    side: str = ""
    model: str | None = None
    stream: bool = False

    @property
    def name(self) -> str:
        """One of `ENDPOINTS`: the same for all styles."""
        return _NAMES.get(self.side, self.side)


# By the path's end, since gateways and Azure put their own segments before it.
_ENDINGS: list[tuple[str, Wire, str]] = [
    ("/chat/completions", _CHAT, ""),
    ("/completions", OpenAICompletions(), ""),
    ("/responses", OpenAIResponsesWire(), ""),
    ("/embeddings", _CHAT, "embeddings"),
    ("/moderations", _CHAT, "moderations"),
    ("/rerank", _CHAT, "rerank"),
    ("/images/generations", _CHAT, "images"),
    ("/images/edits", _CHAT, "images"),
    ("/images/variations", _CHAT, "images"),
    ("/audio/transcriptions", _CHAT, "transcriptions"),
    ("/audio/translations", _CHAT, "transcriptions"),
    ("/audio/speech", _CHAT, "speech"),
    ("/messages/count_tokens", _ANTHROPIC, "count_tokens"),
    ("/messages", _ANTHROPIC, ""),
]
_GOOGLE_SIDES = {
    "countTokens": "google_count",
    "embedContent": "google_embed",
    "batchEmbedContents": "google_batch_embed",
}
_NAMES = {
    "": "chat",
    "google_count": "count_tokens",
    "google_embed": "embeddings",
    "google_batch_embed": "embeddings",
}
# What faults can be bound to. `chat` is whatever generates an answer, in any style.
ENDPOINTS = frozenset(
    ["chat", "models", *(side for _, _, side in _ENDINGS if side), *_NAMES.values()]
)
_MODELS = re.compile(r"/models(/[^/:]+)?$")
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/")
_GOOGLE_PATH = re.compile(r"/models/([^/:]+):(\w+)$")
_BEDROCK_PATH = re.compile(r"/model/(.+)/([a-z-]+)$")  # an ARN has slashes
# Action -> its wire, and whether it streams.
_BEDROCK: dict[str, tuple[Wire, bool]] = {
    "converse": (BedrockWire(), False),
    "converse-stream": (BedrockWire(), True),
    "invoke": (BedrockInvoke(), False),
    "invoke-with-response-stream": (BedrockInvoke(), True),
}


def endpoint_of(request: VendorRequest) -> VendorEndpoint | None:
    """None for a path that no vendor here knows."""
    path = request.path
    if (match := _BEDROCK_PATH.search(path)) and match[2] in _BEDROCK:
        wire, stream = _BEDROCK[match[2]]
        return VendorEndpoint(wire, "", match[1], stream)
    if match := _GOOGLE_PATH.search(path):
        return _google(match[1], match[2], request)
    if _MODELS.search(path):
        # Under /v1 only the key's place tells this vendor's list from the others'.
        if ("/v1beta/" in path and "/openai/" not in path) or "x-goog-api-key" in request.headers:
            return VendorEndpoint(_GOOGLE, "models")
        return VendorEndpoint(
            _ANTHROPIC if "anthropic-version" in request.headers else _CHAT, "models"
        )
    deployment = _DEPLOYMENT.search(path)
    for ending, wire, side in _ENDINGS:
        if path.endswith(ending):
            return VendorEndpoint(wire, side, deployment[1] if deployment else None)
    return None


def _google(model: str, action: str, request: VendorRequest) -> VendorEndpoint | None:
    if action == "generateContent":
        return VendorEndpoint(_GOOGLE, "", model)
    if action == "streamGenerateContent":
        return VendorEndpoint(
            _GOOGLE if request.query.get("alt") == "sse" else _GOOGLE_ARRAY, "", model, True
        )
    return (
        VendorEndpoint(_GOOGLE, _GOOGLE_SIDES[action], model) if action in _GOOGLE_SIDES else None
    )
