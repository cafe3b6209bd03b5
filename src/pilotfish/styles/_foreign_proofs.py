"""Other vendors' proofs of thinking, taken out of a request that goes to a service as the client
wrote it.

A client hands back what it was given. Where an earlier turn was served by a vendor of another
style, that holds thinking whose signature is sealed into this style's place for one
(`_signatures`), for that vendor to get it back. The vendor of this style refuses it: it did not
sign it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.bounds import has_too_many_values
from pilotfish.core.formats.style import Target
from pilotfish.styles._loose import BAD_JSON
from pilotfish.styles._signatures import is_sealed
from pilotfish.styles.google.parts import SKIP_CHECK
from pilotfish.styles.google.thinking import generation

Json = dict[str, Any]


def without_proofs(
    style: str, members: Mapping[str, msgspec.Raw], target: Target
) -> dict[str, bytes]:
    """The turns of a request, by the name of their field, without what other vendors have signed;
    nothing where there is none of it."""
    name = {"openai_responses": "input", "google": "contents"}.get(style, "messages")
    raw = members.get(name)
    if raw is None or has_too_many_values(bytes(raw)):
        return {}
    try:
        turns = msgspec.json.decode(raw)
    except BAD_JSON:
        return {}
    if not isinstance(turns, list):
        return {}
    if style == "openai_responses":
        kept = [item for item in turns if not _is_foreign_item(item)]
    elif style == "google":
        kept = _turns(turns, "parts", lambda parts: _google_parts(parts, target.model))
    else:
        kept = _turns(turns, "content", lambda blocks: _own(blocks, _PROOFS[style]))
    return {name: msgspec.json.encode(kept)} if kept != turns else {}


def _turns(turns: list[Any], key: str, own: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """The turns with what is their own; neighbours of one role are one where nothing was left of a
    turn between them."""
    kept: list[Any] = []
    gone = False
    for turn in turns:
        content = turn.get(key) if isinstance(turn, dict) else None
        if not isinstance(content, list):
            kept.append(turn)
            gone = False
            continue
        left = own(content)
        if content and not left:
            gone = True
            continue
        last = kept[-1] if gone and kept and isinstance(kept[-1], dict) else None
        if last and last.get("role") == turn.get("role") and isinstance(last.get(key), list):
            kept[-1] = last | {key: [*last[key], *left]}
        else:
            kept.append(turn if left == content else turn | {key: left})
        gone = False
    return kept


def _own(blocks: Iterable[Any], proof_of: Callable[[Json], Any]) -> list[Any]:
    return [
        block for block in blocks if not (isinstance(block, dict) and is_foreign(proof_of(block)))
    ]


def is_foreign(proof: Any) -> bool:
    """Whether a proof is one that was sealed, as text or as base64."""
    if not isinstance(proof, str):
        return False
    if is_sealed(proof):
        return True
    try:
        text = b64decode(proof, validate=True).decode(errors="replace")
    except ValueError:
        return False
    return is_sealed(text.removeprefix("redacted "))


def _is_foreign_item(item: Any) -> bool:
    reasons = isinstance(item, dict) and item.get("type") == "reasoning"
    return reasons and is_foreign(item.get("encrypted_content"))


def _anthropic_proof(block: Json) -> Any:
    kind = block.get("type")
    if kind == "thinking":
        return block.get("signature")
    return block.get("data") if kind == "redacted_thinking" else None


def _bedrock_proof(block: Json) -> Any:
    inner = block.get("reasoningContent")
    if not isinstance(inner, dict):
        return None
    text = inner.get("reasoningText")
    return text.get("signature") if isinstance(text, dict) else inner.get("redactedContent")


_PROOFS: dict[str, Callable[[Json], Any]] = {
    "anthropic": _anthropic_proof,
    "bedrock": _bedrock_proof,
}


def _google_parts(parts: list[Any], model: str) -> list[Any]:
    """Thoughts go with their signature, other parts lose it. Gemini 3 asks for a signature of the
    first call of a turn, and takes a word of Google's for one of another vendor's model."""
    kept: list[Any] = []
    for part in parts:
        proof = part.get("thoughtSignature") if isinstance(part, dict) else None
        if not is_foreign(proof):
            kept.append(part)
        elif not part.get("thought"):
            kept.append({key: value for key, value in part.items() if key != "thoughtSignature"})
    calls = [part for part in kept if isinstance(part, dict) and "functionCall" in part]
    if calls and generation(model) >= 3 and not any("thoughtSignature" in call for call in calls):
        place = kept.index(calls[0])
        kept[place] = calls[0] | {"thoughtSignature": SKIP_CHECK}
    return kept
