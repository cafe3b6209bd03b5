"""Puts the model's name that the client is to see into answers of the upstream's."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from pilotfish.core.formats.bodies import members_of, replaced, text_of
from pilotfish.errors import ClientError

_MODEL = re.compile(rb'"(model|modelVersion)"\s*:\s*"(?:[^"\\]|\\.)*"')
_NESTING = re.compile(rb"[{\[]")
_WRAPPERS = ("response", "message")  # where an event keeps the answer whose model it names


def renamer(model: str) -> Callable[[bytes], bytes]:
    """Puts this model's name where an event or answer names the upstream's: at its top, or at the
    top of what it wraps. A tool's input may have a `model` of its own, which is not ours to
    change."""
    shown = msgspec.json.encode(model)

    def rename(data: bytes) -> bytes:
        found = _MODEL.search(data)
        if found is None:
            return data
        start = data.find(b"{")
        if not _NESTING.search(
            data, start + 1, found.start()
        ):  # nearly always: it stands before all that is nested
            return b'%b"%b":%b%b' % (data[: found.start()], found[1], shown, data[found.end() :])
        end = data.rfind(b"}") + 1
        return data[:start] + rename_below(data[start:end]) + data[end:]

    def rename_below(answer: bytes) -> bytes:
        try:
            members = members_of(answer)
        except ClientError:
            return answer
        values: dict[str, bytes | None] = {}
        for name in ("model", "modelVersion"):
            if text_of(members, name) is not None:
                values[name] = shown
        for name in _WRAPPERS if not values else ():
            if name in members:
                values[name] = rename(bytes(members[name]))
        return b"".join(replaced(answer, members, values))

    return rename
