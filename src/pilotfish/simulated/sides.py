"""The endpoints that are no chat: one short answer each."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import orjson

from pilotfish.simulated.asked import BadRequest, text_of
from pilotfish.simulated.behaviour import Profile
from pilotfish.simulated.endpoint import VendorEndpoint
from pilotfish.simulated.http import VendorRequest
from pilotfish.simulated.wires.anthropic import AnthropicMessages
from pilotfish.simulated.wires.openai_chat import needed_model

_VECTOR = (0.5, -0.25, 0.125, 1.0)
# A picture of one transparent pixel.
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_SPEECH = bytes(range(256)) * 16
_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class Missing(Exception):
    """A model that this vendor does not have; its name is the text."""


def side_answer(
    endpoint: VendorEndpoint, request: VendorRequest, body: dict[str, Any], profile: Profile
) -> tuple[str, bytes]:
    """Content type and body. Raises BadRequest, Missing."""
    if endpoint.side == "speech":
        needed_model(body, endpoint.model)
        return "audio/mpeg", _SPEECH
    if endpoint.side == "models":
        return "application/json", orjson.dumps(_models(endpoint, request, profile))
    return "application/json", orjson.dumps(_SIDES[endpoint.side](endpoint, body))


def _models(endpoint: VendorEndpoint, request: VendorRequest, profile: Profile) -> Any:
    wanted = request.path.rpartition("/models")[2].strip("/")
    if wanted and wanted not in profile.models:
        raise Missing(wanted)
    names = [wanted] if wanted else list(profile.models)
    if endpoint.wire.style == "anthropic":
        models: list[dict[str, Any]] = [
            {
                "type": "model",
                "id": n,
                "display_name": n.title(),
                "created_at": "2025-01-01T00:00:00Z",
            }
            for n in names
        ]
        return (
            models[0]
            if wanted
            else {"data": models, "has_more": False, "first_id": names[0], "last_id": names[-1]}
        )
    if endpoint.wire.style == "google":
        limits = {"inputTokenLimit": 1048576, "outputTokenLimit": 65536}
        models = [
            {
                "name": f"models/{n}",
                "displayName": n.title(),
                "supportedGenerationMethods": ["generateContent", "countTokens"],
                **limits,
            }
            for n in names
        ]
        return models[0] if wanted else {"models": models}
    models = [
        {"id": n, "object": "model", "created": 1735689600, "owned_by": "simulated"} for n in names
    ]
    return models[0] if wanted else {"object": "list", "data": models}


def _embeddings(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    given = body.get("input")
    if not given:
        raise BadRequest("input: found none, expected a string or an array")
    inputs = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    packed = base64.b64encode(struct.pack(f"<{len(_VECTOR)}f", *_VECTOR)).decode()
    vector = packed if body.get("encoding_format") == "base64" else list(_VECTOR)
    tokens = sum(max(1, len(text) // 4) for text in inputs)
    data = [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(inputs))]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {
        "object": "list",
        "data": data,
        "model": needed_model(body, endpoint.model),
        "usage": usage,
    }


def _moderations(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    given = body.get("input", "")
    inputs = given if isinstance(given, list) else [given]
    results = []
    for text in inputs:
        flagged = "violence" in text_of(text)
        results.append(
            {
                "flagged": flagged,
                "categories": {name: flagged and name == "violence" for name in _CATEGORIES},
                "category_scores": {
                    name: 0.9 if flagged and name == "violence" else 0.01 for name in _CATEGORIES
                },
                "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
            }
        )
    return {
        "id": "modr-simulated",
        "model": body.get("model") or "omni-moderation-latest",
        "results": results,
    }


def _images(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    needed_model(body, endpoint.model)
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 5},
        "output_tokens": 100,
        "total_tokens": 105,
    }
    return {
        "created": 1735689600,
        "data": [{"b64_json": _PIXEL} for _ in range(int(body.get("n") or 1))],
        "usage": usage,
    }


def _transcriptions(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    needed_model(body, endpoint.model)
    if not isinstance(body.get("file"), bytes):
        raise BadRequest("file: found none, expected an audio file")
    return {
        "text": f"a recording of {len(body['file'])} bytes",
        "usage": {"type": "duration", "seconds": 3},
    }


def _rerank(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    documents = body.get("documents") or []
    results = [{"index": i, "relevance_score": 1 / (i + 1)} for i in range(len(documents))]
    return {
        "id": "rerank-simulated",
        "model": needed_model(body, endpoint.model),
        "results": results,
        "usage": {"total_tokens": 9},
    }


def _count_tokens(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    return {
        "input_tokens": AnthropicMessages().read_prompt(body, endpoint.model, False).input_tokens
    }


def _google_count(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    body = body.get("generateContentRequest") or body
    return {"totalTokens": endpoint.wire.read(body, endpoint.model, False).input_tokens}


def _google_embed(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    if "content" not in body:
        raise BadRequest("* EmbedContentRequest.content: contents is not specified")
    return {"embedding": {"values": list(_VECTOR)}}


def _google_batch_embed(endpoint: VendorEndpoint, body: dict[str, Any]) -> Any:
    return {
        "embeddings": [
            _google_embed(endpoint, one)["embedding"] for one in body.get("requests") or []
        ]
    }


_SIDES: dict[str, Callable[[VendorEndpoint, dict[str, Any]], Any]] = {
    "embeddings": _embeddings,
    "moderations": _moderations,
    "images": _images,
    "transcriptions": _transcriptions,
    "rerank": _rerank,
    "count_tokens": _count_tokens,
    "google_count": _google_count,
    "google_embed": _google_embed,
    "google_batch_embed": _google_batch_embed,
}
