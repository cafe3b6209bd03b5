"""Takes secrets out of vendors' error messages, which often quote the request, keys included.

Only errors are redacted. The content of a successful response is passed on byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo

# Shorter values are not treated as secrets: they may be ordinary words.
MIN_SECRET_BYTES = 8
PLACEHOLDER = b"[key]"
_ACCESS_KEY = re.compile(rb"Credential=([^/,\s]+)/")


def secrets_in(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The secrets in the headers that authenticate a call, the longest first. A secret with a slash
    also appears as JSON may escape it.
    """
    found = set()
    for _, value in headers:
        found.add(value.rpartition(b" ")[2])  # without the scheme, such as `Bearer`
        signer = _ACCESS_KEY.search(value)
        if signer is not None:
            found.add(signer[1])
    found |= {secret.replace(b"/", b"\\/") for secret in found}
    return sorted((s for s in found if len(s) >= MIN_SECRET_BYTES), key=len, reverse=True)


def redact(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """`data` with each of the secrets replaced by `PLACEHOLDER`."""
    for secret in secrets:
        data = data.replace(secret, PLACEHOLDER)
    return data


def redact_error(error: ErrorInfo, secrets: Iterable[bytes]) -> ErrorInfo:
    """An error that was parsed already, with the secrets in its texts replaced."""
    known = list(secrets)

    def clean(text: str) -> str:
        return redact(text.encode("utf-8", "surrogatepass"), known).decode("utf-8", "surrogatepass")

    texts = ("message", "type", "code", "failed_generation")
    return msgspec.structs.replace(error, **{name: clean(getattr(error, name)) for name in texts})
