"""Signatures in styles that are not their vendor's: sealed into text for a client that will hand
them back, and, for those of Gemini's calls and texts, in a thinking block of their own."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilotfish.core.formats.neutral import Part, Signature, Text, Thinking, ToolCall

_SEAL = "pilotfish:"


def seal(signature: Signature, style: str) -> str:
    """A signature as text for a client of `style`, which will hand it back: as it is in its own
    family, else with its origin before it.
    """
    return (
        signature.value
        if signature.origin == style
        else f"{_SEAL}{signature.origin}:{signature.id}:{signature.value}"
    )


def unseal(text: str, style: str) -> Signature:
    """What `seal` made, or a signature of `style` itself."""
    if text.startswith(_SEAL):
        origin, _, rest = text[len(_SEAL) :].partition(":")
        identity, _, value = rest.partition(":")
        return Signature(origin, value, identity)
    return Signature(style, text)


def with_signatures_placed(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts with Gemini's signatures of calls and texts, which travel through other styles as
    thinking without text, on the part that follows each."""
    out: list[Part] = []
    pending: Signature | None = None
    for part in parts:
        proof = part.signature if isinstance(part, Thinking) and not part.text else None
        if proof and proof.origin == "google":
            pending = proof
            continue
        if pending and isinstance(part, ToolCall | Text):
            part, pending = msgspec.structs.replace(part, signature=pending), None
        out.append(part)
    return tuple(out)
