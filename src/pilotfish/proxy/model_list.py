"""The lists of models that clients may ask for, in three vendors' forms."""

from __future__ import annotations

from typing import Any

import orjson

from pilotfish.core.exchange.inbound import shown
from pilotfish.core.model.snapshot import Snapshot

# Vendors' clients demand a date, and the proxy knows none: this one is made up.
_CREATED = 1_700_000_000
_CREATED_AT = "2023-11-14T22:13:20Z"


def models_answer(
    snapshot: Snapshot, asked: tuple[str, str | None], anthropic: bool
) -> tuple[int, bytes]:
    """Status and body of the answer to GET /v1/models[/{id}] or /v1beta/models[/{id}]."""
    version, wanted = asked
    known = _known(snapshot)
    form = _google if version == "v1beta" else _anthropic if anthropic else _openai
    if wanted is not None:
        name = wanted.removeprefix("models/")
        if name not in known:
            return 404, orjson.dumps(_missing(version, anthropic, name))
        return 200, orjson.dumps(form(name, *known[name]))
    entries = [form(name, *about) for name, about in sorted(known.items())]
    if version == "v1beta":
        return 200, orjson.dumps({"models": entries})
    if anthropic:
        ids = [e["id"] for e in entries]
        return 200, orjson.dumps(
            {
                "data": entries,
                "has_more": False,
                "first_id": ids[0] if ids else None,
                "last_id": ids[-1] if ids else None,
            }
        )
    return 200, orjson.dumps({"object": "list", "data": entries})


def _known(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    """Model -> (display name, description), of the models that clients may ask for by name. A glob
    is no model's name; models of its services are asked for as provider/model.
    """
    known: dict[str, tuple[str, str]] = {}
    for rule in snapshot.rules:
        if rule.active and not any(c in rule.request_model for c in "*?["):
            known.setdefault(rule.request_model, (rule.request_model, rule.description))
    for rule in snapshot.virtual_models.values():
        known[rule.name] = (rule.display_name or rule.name, rule.description)
    for provider in snapshot.providers.values():
        for model in provider.models or ():
            known.setdefault(f"{provider.name}/{model}", (f"{provider.name}/{model}", ""))
    return known


def _openai(name: str, title: str, text: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "pilotfish",
    }
    if title != name or text:
        entry |= {"display_name": title, "description": text}
    return entry


def _anthropic(name: str, title: str, text: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": title, "created_at": _CREATED_AT}


def _google(name: str, title: str, text: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "baseModelId": name,
        "version": "1",
        "displayName": title,
        "description": text,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }


def _missing(version: str, anthropic: bool, name: str) -> dict[str, Any]:
    message = f"no rule for model {shown(name)!r}"
    if version == "v1beta":
        return {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}
    if anthropic:
        return {"type": "error", "error": {"type": "not_found_error", "message": message}}
    return {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }
