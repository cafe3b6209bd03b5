"""Taking a JSON object apart with an eye on its shape: what is wrong is said with its place, and
what nobody took is known at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, Self

import msgspec

from pilotfish.core.formats.bounds import MAX_ENTRIES, MAX_VALUES, has_too_many_values
from pilotfish.errors import ClientError
from pilotfish.styles._loose import BAD_JSON


class Fields:
    """One object of a client's request. Every `take` removes a field; null counts as absent. Wrong
    types raise `ClientError` 400, and so do more entries than can be translated quickly.
    """

    __slots__ = ("_entries", "_values", "path")
    _max_entries = MAX_ENTRIES

    def __init__(self, value: Any, path: str = "", entries: list[int] | None = None) -> None:
        self.path = path
        # How many entries of lists were read so far, in common with all objects of the request.
        self._entries = [0] if entries is None else entries
        if not isinstance(value, dict):
            self._values: dict[str, Any] = {}
            self.wrong("", "an object", value)
        self._values = {key: item for key, item in value.items() if item is not None}

    @classmethod
    def of(cls, body: bytes) -> Self:
        """The object that a body holds."""
        if has_too_many_values(body):
            cls._refuse(f"body: expected at most {MAX_VALUES} values in it, found more")
        try:
            value = msgspec.json.decode(body)
        except BAD_JSON as problem:
            cls._refuse(f"body: expected JSON, found {problem}", problem)
        return cls(value)

    @classmethod
    def _refuse(cls, message: str, cause: Exception | None = None) -> NoReturn:
        raise ClientError(400, "invalid_request_error", message) from cause

    def wrong(self, key: str, expected: str, found: Any) -> NoReturn:
        """Refuses a value, naming its place."""
        shown = msgspec.json.encode(found).decode()
        if len(shown) > 60:
            shown = shown[:60] + "..."
        self._refuse(f"{self.at(key) or 'body'}: expected {expected}, found {shown}")

    def at(self, key: str) -> str:
        """The path of a field of this object."""
        return f"{self.path}.{key}" if self.path and key else self.path or key

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def take(self, key: str) -> Any:
        return self._values.pop(key, None)

    def peek(self, key: str) -> Any:
        return self._values.get(key)

    def text(self, key: str) -> str | None:
        value = self.take(key)
        if value is not None and not isinstance(value, str):
            self.wrong(key, "a string", value)
        return value

    def required_text(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            self._refuse(f"{self.at(key)}: expected a string, found nothing")
        return value

    def number(self, key: str) -> float | None:
        value = self.take(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            self.wrong(key, "a number", value)
        return value

    def whole(self, key: str) -> int | None:
        value = self.number(key)
        if value is None or isinstance(value, int):
            return value
        if not value.is_integer():
            self.wrong(key, "a whole number", value)
        return int(value)

    def flag(self, key: str) -> bool | None:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(key, "true or false", value)
        return value

    def object(self, key: str) -> Self | None:
        value = self.take(key)
        return None if value is None else type(self)(value, self.at(key), self._entries)

    def inner(self, key: str) -> Self:
        """An object that ought to be there: an absent one is empty, so the first field demanded of
        it says what is missing.
        """
        value = self.take(key)
        return type(self)({} if value is None else value, self.at(key), self._entries)

    def mapping(self, key: str) -> dict[str, Any] | None:
        """An object that is kept as it is, such as a JSON schema."""
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            self.wrong(key, "an object", value)
        return value

    def items(self, key: str) -> list[Any]:
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, "a list", value)
        self._entries[0] += len(value)
        if self._max_entries and self._entries[0] > self._max_entries:
            self._refuse(
                f"{self.at(key)}: expected at most {self._max_entries} entries in all lists"
                " (messages, parts, tools, calls), found more"
            )
        return value

    def objects(self, key: str) -> Iterator[Self]:
        for index, value in enumerate(self.items(key)):
            yield type(self)(value, f"{self.at(key)}[{index}]", self._entries)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, or one string in its place."""
        value = self.peek(key)
        if isinstance(value, str):
            self.take(key)
            return (value,)
        items = self.items(key)
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self.wrong(f"{key}[{index}]", "a string", item)
        return tuple(items)

    def rest(self) -> dict[str, Any]:
        """What was not taken."""
        return self._values


class ReplyFields(Fields):
    """The same for an upstream's answer, whose faults are `ValueError`s."""

    __slots__ = ()
    _max_entries = 0  # none: vectors are lists

    @classmethod
    def _refuse(cls, message: str, cause: Exception | None = None) -> NoReturn:
        raise ValueError(message) from cause


class Losses:
    """What a translation could not carry: each name once, in the order met."""

    __slots__ = ("_names",)

    def __init__(self, before: tuple[str, ...] = ()) -> None:
        self._names = dict.fromkeys(before)

    def add(self, name: str) -> None:
        self._names[name] = None

    def add_if(self, name: str, value: object) -> None:
        """Names a field that the request did set."""
        if value is not None and value != "" and value != () and value != {}:
            self._names[name] = None

    def names(self) -> tuple[str, ...]:
        return tuple(self._names)
