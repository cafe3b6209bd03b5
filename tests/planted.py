"""Secrets that tests plant: every one carries a mark, so that `leaks.py` finds it wherever it comes
out.

A test makes its keys with `planted(name)`, or writes the mark into them itself (`gho_hush`,
`http://user:hush@proxy`). What a client sends as its own key is made with `planted("client")`: that
must not even reach a vendor.
"""

from __future__ import annotations

import base64

MARK = "hush"
CLIENT_MARK = "hush-client"
FIXTURES_KEY = "planted-key"  # of the documented requests in tests/fixtures/providers


def planted(name: str = "key") -> str:
    """A secret of this name: long enough for a key, and in any header's, URL's and JSON text's
    alphabet.
    """
    return f"sk-{MARK}-{name}-0123456789"


CLIENT_KEY = planted("client")
PROVIDER_KEY = planted("provider")

# What no output may hold: a planted secret as it is or as `Basic` credentials with the user name
# `user`, and any private key at all, as PEM or as a Kubernetes Secret holds it.
MARKS: tuple[bytes, ...] = (
    MARK.encode(),
    FIXTURES_KEY.encode(),
    base64.b64encode(f"user:{MARK}".encode()),
    b"PRIVATE KEY-----",
    *(base64.b64encode(f"-----BEGIN {kind}PRIVATE".encode())[:24] for kind in ("", "RSA ", "EC ")),
)
LONGEST = max(map(len, MARKS))


def is_planted(secret: str) -> bool:
    return MARK in secret or FIXTURES_KEY in secret


def marks_in(data: bytes) -> list[bytes]:
    return [mark for mark in MARKS if mark in data]
