"""Takes secrets out of what vendors say: their error messages often quote the request, keys
included, and servers that are being debugged say it in headers.

A secret is found in whatever spelling it comes: as it is, with characters escaped as JSON, URLs or
HTML escape them, or inside of base64. Only errors and headers are redacted; the content of a
successful response is passed on byte for byte.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache

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
    """`data` with each of the secrets replaced by `PLACEHOLDER`, however it is spelt."""
    for secret in secrets:
        for spelt in _spellings(secret):
            data = data.replace(spelt, PLACEHOLDER)
        if _ESCAPE.search(data):
            data = _escaped(secret).sub(PLACEHOLDER, data)
    return data


def redact_headers(
    headers: list[tuple[bytes, bytes]], sent: tuple[tuple[bytes, bytes], ...]
) -> list[tuple[bytes, bytes]]:
    """Headers of an answer, without the secrets in the headers that were `sent` to authenticate its
    call.
    """
    spelt, secrets = _all_spellings(sent)
    values = b"\n".join([value for _, value in headers])
    if _ESCAPE.search(values) is None and not any(s in values for s in spelt):
        return headers  # nearly always
    return [(name, redact(value, secrets)) for name, value in headers]


# What a character may be escaped by: a backslash, a percent sign, an ampersand.
_ESCAPE = re.compile(rb"[\\%&]")


@lru_cache(maxsize=256)
def _all_spellings(
    sent: tuple[tuple[bytes, bytes], ...],
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Of the secrets in these headers: how they may be spelt without escapes, and the secrets."""
    secrets = tuple(secrets_in(sent))
    return tuple(spelt for secret in secrets for spelt in _spellings(secret)), secrets


@lru_cache(maxsize=256)
def _spellings(secret: bytes) -> tuple[bytes, ...]:
    """The secret as it is, and what stands in base64 for it wherever it begins there."""
    found = {secret}
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + secret)
        # The first and the last letters depend on what stands before and after.
        inside = encoded[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6]
        found |= {inside, inside.replace(b"+", b"-").replace(b"/", b"_")}
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache(maxsize=256)
def _escaped(secret: bytes) -> re.Pattern[bytes]:
    """The secret with any of its characters escaped: `\\u002b`, `\\/`, `%2B`, `&#43;`, `&#x2b;`."""
    return re.compile(b"".join(map(_escaped_character, secret)))


def _escaped_character(character: int) -> bytes:
    plain, digits = re.escape(bytes((character,))), _hex(character)
    return rb"(?:\\*%b|\\+u00%b|\\+x%b|%%(?:25)*%b|&#0*%d;|&#[xX]0*%b;)" % (
        *(plain, digits, digits, digits),
        *(character, digits),
    )


def _hex(character: int) -> bytes:
    """Two digits in either case, for a pattern."""
    return b"".join(b"[%c%c]" % (d, d ^ 32) if d > 57 else b"%c" % d for d in b"%02x" % character)


def redact_error(error: ErrorInfo, secrets: Iterable[bytes]) -> ErrorInfo:
    """An error that was parsed already, with the secrets in its texts replaced."""
    known = list(secrets)

    def clean(text: str) -> str:
        return redact(text.encode("utf-8", "surrogatepass"), known).decode("utf-8", "surrogatepass")

    texts = ("message", "type", "code", "failed_generation")
    return msgspec.structs.replace(error, **{name: clean(getattr(error, name)) for name in texts})
