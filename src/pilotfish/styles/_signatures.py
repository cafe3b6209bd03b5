"""Signatures in styles that are not their vendor's: sealed into text for a client that will hand
them back; those of Gemini's calls, texts and pictures stand in a thinking block of their own."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilotfish.core.formats.neutral import Image, Part, Signature, Text, Thinking, ToolCall

_SEAL = "pilotfish:"


def seal(signature: Signature, style: str) -> str:
    """A signature as text for a client of `style`, which will hand it back: as it is in its own
    family, else with its origin before it.
    """
    return signature.value if signature.origin == style else sealed(signature)


def sealed(signature: Signature) -> str:
    """A signature with its origin and its id, for a client that would lose the id."""
    return f"{_SEAL}{signature.origin}:{signature.id}:{signature.value}"


def is_sealed(text: str) -> bool:
    """Whether a text is what `seal` or `seal_thinking` make for another vendor's signature, or for
    none."""
    return text.startswith(_SEAL)


def unseal(text: str, style: str) -> Signature:
    """What `seal` made, or a signature of `style` itself."""
    if text.startswith(_SEAL):
        origin, _, rest = text[len(_SEAL) :].partition(":")
        identity, _, value = rest.partition(":")
        return Signature(origin, value, identity)
    return Signature(style, text)


UNSIGNED = f"{_SEAL}unsigned::"
"""Stands for the signature of thinking that has none: many SDKs hand thinking back only if it is
signed, and some vendors want it back."""


def seal_thinking(signature: Signature | None, style: str) -> str:
    """As `seal`, for thinking, which may have no signature."""
    return UNSIGNED if signature is None else seal(signature, style)


def unseal_thinking(text: str | None, style: str) -> Signature | None:
    """What `seal_thinking` made."""
    return unseal(text, style) if text and text != UNSIGNED else None


def with_signatures_placed(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts with Gemini's signatures where they belong.

    Those of calls, texts and pictures travel through other styles as thinking without text. They
    are put on the call whose id they have, or else on the part that follows, or else on a text
    without words at the end, which is how Gemini ends a stream."""
    given = list(parts)
    calls = {part.id for part in given if isinstance(part, ToolCall)}
    by_call: dict[str, Signature] = {}
    pending: Signature | None = None
    out: list[Part] = []
    for part in given:
        proof = part.signature if isinstance(part, Thinking) and not part.text else None
        if proof and proof.origin == "google":
            if proof.id in calls:
                by_call[proof.id] = proof
            else:
                pending = proof
            continue
        if pending and isinstance(part, ToolCall | Text | Image):
            part, pending = msgspec.structs.replace(part, signature=pending), None
        out.append(part)
    if pending:
        out.append(Text("", signature=pending))
    return tuple(
        msgspec.structs.replace(part, signature=by_call.pop(part.id))
        if isinstance(part, ToolCall) and part.id in by_call
        else part
        for part in out
    )
