"""Reading JSON that may not have the shape its vendor documents.

Typed decoding is fast and refuses a whole event for one odd field. Events that it refuses are read
again here, field by field, so that a vendor's new form for something we do not need costs time and
nothing else.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

BAD_JSON = (ValueError, RecursionError)
"""What msgspec raises for bytes that are no JSON: its own errors, UnicodeDecodeError, and
RecursionError where it is nested too deep."""


def decode_as(decoder: msgspec.json.Decoder[S], data: bytes | str) -> S:
    """The value of `data` as the decoder's struct, whatever its fields hold. Raises one of
    `BAD_JSON` only if it is not JSON.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        return loosely(msgspec.json.decode(data), decoder.type)


def loosely(value: Any, kind: type[S]) -> S:
    """A struct of what fits in `value`; fields that do not fit keep their defaults, which every
    field must have.
    """
    if not isinstance(value, dict):
        return kind()
    fields = {name: _fitting(value[key], hint) for name, key, hint in _fields(kind) if key in value}
    return kind(**{name: found for name, found in fields.items() if found is not None})


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    """Each field's name here, its name in JSON and its type."""
    hints = typing.get_type_hints(kind)
    return tuple(
        (field.name, field.encode_name, hints[field.name]) for field in msgspec.structs.fields(kind)
    )


def _fitting(value: Any, hint: Any) -> Any:
    """`value` if it is what `hint` asks for, as far as it is; else None."""
    if value is None or hint is Any:
        return value
    if isinstance(hint, types.UnionType):
        found = (_fitting(value, member) for member in typing.get_args(hint))
        return next((fit for fit in found if fit is not None), None)
    if typing.get_origin(hint) is list:
        (member,) = typing.get_args(hint)
        fits = [_fitting(item, member) for item in value] if isinstance(value, list) else []
        return [fit for fit in fits if fit is not None]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return loosely(value, hint) if isinstance(value, dict) else None
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return None
