"""A system prompt of the rules, put before the client's own in the bytes of its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Members = Mapping[str, msgspec.Raw]

BETWEEN = "\n\n"


def before_messages(members: Members, text: str) -> dict[str, bytes]:
    """OpenAI: in the first message, if that is an instruction, else in one of its own."""
    own = _decoded(members.get("messages"), list[msgspec.Raw])
    if own is None:
        return {}  # the service will say what is wrong with it
    first = _decoded(own[0], dict[str, msgspec.Raw]) if own else None
    role = _decoded(first.get("role"), str) if first else None
    if first is None or role not in ("system", "developer"):
        return {"messages": _encoded([{"role": "system", "content": text}, *own])}
    content = _joined(first.get("content"), text, {"type": "text", "text": text})
    return {"messages": _encoded([{**first, "content": msgspec.Raw(content)}, *own[1:]])}


def before_text(members: Members, name: str, text: str) -> dict[str, bytes]:
    """A field that is a text (Responses), or a text or blocks (Anthropic)."""
    return {name: _joined(members.get(name), text, {"type": "text", "text": text})}


def before_blocks(members: Members, name: str, text: str) -> dict[str, bytes]:
    """A field that is a list of blocks (Bedrock)."""
    own = _decoded(members.get(name), list[msgspec.Raw]) or []
    return {name: _encoded([{"text": text}, *own])}


def before_parts(members: Members, name: str, text: str) -> dict[str, bytes]:
    """A field that is an object with `parts` (Google)."""
    own = _decoded(members.get(name), dict[str, msgspec.Raw]) or {}
    parts = _decoded(own.get("parts"), list[msgspec.Raw])
    if parts is None:
        parts = [own["parts"]] if "parts" in own else []
    return {name: _encoded({**own, "parts": [{"text": text}, *parts]})}


def _joined(own: msgspec.Raw | None, text: str, block: dict[str, Any]) -> bytes:
    """A text before a text, or a block before blocks."""
    said = _decoded(own, str)
    if said is not None:
        return _encoded(f"{text}{BETWEEN}{said}" if said else text)
    blocks = _decoded(own, list[msgspec.Raw])
    return _encoded([block, *blocks]) if blocks else _encoded(text)


def _decoded(raw: msgspec.Raw | None, shape: Any) -> Any:
    """None for what is absent, or of another shape."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.DecodeError:
        return None


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)
