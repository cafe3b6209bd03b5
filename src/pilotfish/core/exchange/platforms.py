"""Anthropic's form as clouds take it from their clients: InvokeModel on Bedrock and rawPredict on
Vertex AI. Both put the model into the path and an `anthropic_version` of their own into the body;
on Bedrock streaming is in the path too, and the beta flags are a list in the body.

Sources: Amazon Bedrock user guide, "Anthropic Claude Messages API"; Google Cloud, "Claude on Vertex
AI"; both read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pilotfish.core.formats.bodies import Members, members_of, replaced

if TYPE_CHECKING:
    from pilotfish.core.exchange.inbound import Inbound

_VERSION, _FLAGS, _FLAGS_HEADER = "anthropic_version", "anthropic_beta", b"anthropic-beta"


def takes_anthropic_form(inbound: Inbound) -> bool:
    """Whether a body that came for InvokeModel is in Anthropic's form. Every model has a form of
    its own there, and this one names its version.
    """
    return inbound.members is not None and _VERSION in inbound.members


def as_anthropic(inbound: Inbound) -> None:
    """Makes of a cloud's request what Anthropic's own API takes: the same bytes but for what is
    said in another place.
    """
    members = inbound.members
    assert members is not None
    values: dict[str, bytes | None] = {_VERSION: None, _FLAGS: None}
    if inbound.stream:
        values["stream"] = b"true"
    flags = _flags(members)
    inbound.body = b"".join(replaced(inbound.body, members, values))
    inbound.members = members_of(inbound.body)
    # What a client of the cloud accepts are the cloud's frames.
    headers = [h for h in inbound.headers if h[0] != b"accept"]
    if flags:
        headers = [h for h in headers if h[0] != _FLAGS_HEADER]
        headers.append((_FLAGS_HEADER, ",".join(flags).encode("latin-1", "replace")))
    inbound.headers = headers


def _flags(members: Members) -> list[str]:
    """The beta flags in the body, where there are any and all of them are words."""
    try:
        found = msgspec.json.decode(members[_FLAGS], type=list[str])
    except (KeyError, msgspec.DecodeError):
        return []
    return [flag for flag in found if flag.isascii() and flag.isprintable() and "," not in flag]
