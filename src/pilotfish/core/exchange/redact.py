"""Vendors quote what they were sent, keys included, in whatever they refuse: what they say in an
error is told without it.

Only errors are gone over. The content of an answer is the vendor's and the client's, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo

KEY_BYTES = 8  # what is shorter is no secret, but may be any word
INSTEAD = b"[key]"
_SECRET_NAME = re.compile(rb"authorization|key|token|secret|password|cookie|credential")
_ACCESS_KEY = re.compile(rb"Credential=([^/,\s]+)/")


def carries_secret(name: bytes) -> bool:
    """Whether a header that the rules set, lower case, is to be kept quiet about: by its name."""
    return _SECRET_NAME.search(name) is not None


def secrets_in(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """What of these headers, which authenticate a call, must not be repeated: the longest first,
    each also as JSON may write it.
    """
    found = set()
    for _, value in headers:
        found.add(value.rpartition(b" ")[2])  # without the scheme's name
        signer = _ACCESS_KEY.search(value)
        if signer is not None:
            found.add(signer[1])
    found |= {secret.replace(b"/", b"\\/") for secret in found}
    return sorted((secret for secret in found if len(secret) >= KEY_BYTES), key=len, reverse=True)


def redact(data: bytes, secrets: Iterable[bytes]) -> bytes:
    for secret in secrets:
        data = data.replace(secret, INSTEAD)
    return data


def redact_error(error: ErrorInfo, secrets: Iterable[bytes]) -> ErrorInfo:
    """The same for an error that has been read already."""
    kept = list(secrets)

    def told(text: str) -> str:
        return redact(text.encode("utf-8", "surrogatepass"), kept).decode("utf-8", "surrogatepass")

    return msgspec.structs.replace(
        error, message=told(error.message), type=told(error.type), code=told(error.code)
    )
