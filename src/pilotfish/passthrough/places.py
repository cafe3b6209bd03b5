"""Places at a vendor where a client is told to go on (where an upload continues, where results are)
are put below the address by which the client came: it has no key for the vendor.
"""

from __future__ import annotations

import re

from aiohttp import web

from pilotfish.core.exchange.families import without_keys
from pilotfish.http1.origin import Origin, host_header

Header = tuple[bytes, bytes]

# Headers of an answer that may name such a place.
_HEADERS = frozenset({b"location", b"x-goog-upload-url", b"x-goog-upload-control-url"})
# Fields of an answer's JSON that do, and that the vendor's own clients follow, by style and family.
_FIELDS = {("anthropic", "batches"): "results_url"}
# An answer with such a field is held, so much at most; what is larger is passed on as it is.
HELD_BYTES = 1024 * 1024


def address_of(request: web.Request) -> str:
    """Scheme, host and port by which the client came."""
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else "http"
    return f"{scheme}://{request.host}"


def through_here(header: Header, origin: Origin, here: str) -> Header:
    """The header with a place at `origin` below `here` instead; others as they are."""
    name, value = header
    if name not in _HEADERS:
        return header
    for there in _spellings(origin):
        if value.startswith(there + b"/"):
            path, _, query = value[len(there) :].decode("latin-1").partition("?")
            query = without_keys(query)
            return name, f"{here}{path}{'?' + query if query else ''}".encode("latin-1")
    return header


def names_places(style: str, family: str) -> bool:
    """Whether answers of this family may name such places in their JSON."""
    return (style, family) in _FIELDS


def body_through_here(body: bytes, style: str, family: str, origin: Origin, here: str) -> bytes:
    """The answer's JSON with its places at `origin` below `here` instead; else byte for byte."""
    field = _FIELDS[style, family].encode()
    there = b"|".join(re.escape(spelt) for spelt in _spellings(origin))
    found = re.compile(rb'("%b"\s*:\s*")(?:%b)(?=/)' % (field, there))
    return found.sub(lambda m: m[1] + here.encode(), body)


def _spellings(origin: Origin) -> tuple[bytes, bytes]:
    start = f"{origin.scheme}://"
    return f"{start}{host_header(origin)}".encode(), f"{start}{origin.host}".encode()
