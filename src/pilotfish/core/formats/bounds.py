"""How much a JSON text may hold before it is read, so that reading it never takes long.

Reading takes time for each value, and a mebibyte has room for half a million of them. Counting is
quick: bytes are counted first, which is enough for nearly all texts, and strings are left out only
where that says too many.
"""

from __future__ import annotations

import re

import msgspec

# Objects, lists and members of objects, and an eighth of all entries: some 20 ms of reading. A
# conversation of a million tokens has a fifth; numbers, as in embeddings, are quickly read.
MAX_VALUES = 100_000
# Turns, parts, tools, calls and other entries of lists that are translated: some 50 ms.
MAX_ENTRIES = 10_000
# Members of the outermost object. Vendors know some fifty.
MAX_KEYS = 1_000
# Below, no body has so many keys that reading them takes long.
_SMALL_BYTES = 64 * 1024
# How far is looked before what was found is weighed.
STEP_BYTES = 1024 * 1024
# Of keys and marks that are gone through one by one: some 20 ms.
MAX_TOKENS = 100_000
# A string, or what changes the depth or follows a key.
_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)"|[{}\[\]:,]', re.DOTALL)


def has_too_many_values(text: bytes) -> bool:
    """Whether a JSON text holds more than `MAX_VALUES`."""
    if len(text) <= MAX_VALUES:
        return False
    if _has_keys(text, MAX_VALUES):
        return True
    if _weight(text) <= MAX_VALUES:
        return False
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 8 * MAX_VALUES:
        return True
    return _weight(b"".join(plain.split(b'"')[::2])) > MAX_VALUES


def _has_keys(text: bytes, most: int) -> bool:
    """Whether a JSON text certainly has more keys than this; looks no further than it must."""
    keys = 0
    for at in range(0, len(text), STEP_BYTES):
        end = at + STEP_BYTES
        # A quotation mark that is escaped is within a string.
        keys += text.count(b'":', at, end) - text.count(b'\\":', at, end)
        if keys > most:
            return True
    return False


def _weight(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[") + text.count(b":") + text.count(b",") // 8


def has_too_many_keys(body: bytes) -> bool:
    """Whether the outermost object of a JSON text has more than `MAX_KEYS` members. False for what
    is no JSON.
    """
    if len(body) <= _SMALL_BYTES or body.count(b":") <= MAX_KEYS:
        return False
    try:
        known = _large_fields(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    large = sum(len(memoryview(raw)) for name in _LARGE if (raw := getattr(known, name)))
    return len(body) - large > _SMALL_BYTES and _has_outer_keys(body)


# The fields that make bodies large: what is beside them has no room for many keys.
_LARGE = (
    "messages", "contents", "input", "inputs", "prompt", "system", "systemInstruction",
    "instructions", "tools", "toolConfig", "documents", "texts", "requests", "metadata",
    "functions", "logit_bias", "stop", "response_format", "generationConfig", "text",
)  # fmt: skip
_LargeFields = msgspec.defstruct(
    "_LargeFields", [(name, msgspec.Raw, msgspec.Raw(b"")) for name in _LARGE]
)
_large_fields = msgspec.json.Decoder(_LargeFields).decode


def _has_outer_keys(body: bytes) -> bool:
    """Whether the outermost object has more than `MAX_KEYS` members, or so much within a field that
    no vendor has that nobody can tell soon.
    """
    keys = depth = 0
    last: bytes | None = None
    for count, token in enumerate(_TOKEN.finditer(body)):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
        elif mark == b":" and depth == 1 and last is not None:
            keys += 1
        if keys > MAX_KEYS or count > MAX_TOKENS:
            return True
        last = token[1]
    return False
