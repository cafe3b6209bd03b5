"""Anthropic's form as clouds take it from their clients: InvokeModel on Bedrock and rawPredict on
Vertex AI. Both put the model into the path and an `anthropic_version` of their own into the body;
on Bedrock streaming is in the path too, and the beta flags are a list in the body.

Sources: Amazon Bedrock user guide, "Anthropic Claude Messages API"; Google Cloud, "Claude on Vertex
AI"; both read 2026-11.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.formats.bodies import Members, replaced

Headers = list[tuple[bytes, bytes]]

_VERSION, _FLAGS, _FLAGS_HEADER = "anthropic_version", "anthropic_beta", b"anthropic-beta"


def takes_anthropic_form(members: Members | None) -> bool:
    """Whether a body that came for InvokeModel is in Anthropic's form. Every model has a form of
    its own there, and this one names its version.
    """
    return members is not None and _VERSION in members


def as_anthropic(
    body: bytes, members: Members, headers: Headers, *, stream: bool
) -> tuple[bytes, Headers]:
    """Body and headers as Anthropic's own API takes them: the same but for what a cloud has said in
    another place.
    """
    values: dict[str, bytes | None] = {_VERSION: None, _FLAGS: None}
    if stream:
        values["stream"] = b"true"
    # What a client of the cloud accepts are the cloud's frames.
    kept = [h for h in headers if h[0] != b"accept"]
    flags = _flags(members)
    if flags:
        kept = [h for h in kept if h[0] != _FLAGS_HEADER]
        kept.append((_FLAGS_HEADER, ",".join(flags).encode()))
    return b"".join(replaced(body, members, values)), kept


def _flags(members: Members) -> list[str]:
    """The beta flags in the body, where there are any and all of them are words."""
    try:
        found = msgspec.json.decode(members[_FLAGS], type=list[str])
    except (KeyError, msgspec.DecodeError):
        return []
    return [flag for flag in found if flag.isascii() and flag.isprintable() and "," not in flag]
