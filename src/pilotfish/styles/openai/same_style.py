"""What is changed in a Chat Completions request for a service that speaks the same, but takes not
all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.bounds import has_too_many_values
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._loose import BAD_JSON
from pilotfish.styles._media import tool_id

BRIDGE = "OK."
"""An assistant's message between a tool's and a user's; the service refuses an empty one."""


def edits(members: Mapping[str, msgspec.Raw], quirks: Quirks) -> dict[str, bytes]:
    """`messages` with tool ids and an order of roles that the service takes; nothing where they are
    so already, or are not messages at all, which the service will say."""
    raw = members.get("messages")
    if raw is None or has_too_many_values(bytes(raw)):
        return {}
    try:
        messages = msgspec.json.decode(raw)
    except BAD_JSON:
        return {}
    if not isinstance(messages, list):
        return {}
    fitted = [_with_tool_ids(message, quirks) for message in messages]
    if quirks.assistant_after_tool:
        fitted = with_bridges(fitted)
    return {"messages": msgspec.json.encode(fitted)} if fitted != messages else {}


def _with_tool_ids(message: Any, quirks: Quirks) -> Any:
    if not isinstance(message, dict):
        return message
    changed: dict[str, Any] = {}
    answered = message.get("tool_call_id")
    if isinstance(answered, str):
        changed["tool_call_id"] = tool_id(answered, quirks)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        changed["tool_calls"] = [
            call | {"id": tool_id(call["id"], quirks)}
            if isinstance(call, dict) and isinstance(call.get("id"), str)
            else call
            for call in calls
        ]
    return message | changed


def with_bridges(messages: list[Any]) -> list[Any]:
    """An assistant's message wherever a user's follows a tool's."""
    bridged: list[Any] = []
    for message in messages:
        if _role_of(message) == "user" and bridged and _role_of(bridged[-1]) == "tool":
            bridged.append({"role": "assistant", "content": BRIDGE})
        bridged.append(message)
    return bridged


def _role_of(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None
