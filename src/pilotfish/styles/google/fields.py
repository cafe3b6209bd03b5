"""Google's JSON as protobuf reads it: names in camel or snake case, and one value where a list of
one is meant.

Google's own examples send `system_instruction` and `"parts": {"text": ...}`, so clients may.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from pilotfish.styles._fields import Fields

_UNDERSCORE = re.compile(r"_([a-z0-9])")


@lru_cache(maxsize=512)
def camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda found: found.group(1).upper(), name)


class GoogleFields(Fields):
    """An object of a client's request, its fields by their names in camel case."""

    __slots__ = ()

    def __init__(self, value: Any, path: str = "", entries: list[int] | None = None) -> None:
        super().__init__(value, path, entries)
        self._values = {camel(name): item for name, item in self._values.items()}

    def items(self, key: str) -> list[Any]:
        value = self.peek(key)
        if isinstance(value, dict):
            self.take(key)
            return [value]
        return super().items(key)
