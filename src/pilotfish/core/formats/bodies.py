"""A JSON request body, decoded one level deep and changed without being written anew.

Values stay the bytes the client wrote: unknown fields, number forms and key order survive, and a
prompt of 100 KB is skipped over, not built. Only the values that change are spliced in.
"""

from __future__ import annotations

import re

import msgspec

from pilotfish.core.formats.bounds import MAX_KEYS, has_too_many_keys
from pilotfish.errors import ClientError

Members = dict[str, msgspec.Raw]

_decode = msgspec.json.Decoder(Members).decode
_decode_str = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def members_of(body: bytes) -> Members:
    """The top level of a JSON object. Raises ClientError (400) saying what stands there instead."""
    if has_too_many_keys(body):
        raise ClientError(
            400, "too_large", f"the request body has more than {MAX_KEYS} keys at its top"
        )
    try:
        if not body.isascii():
            body.decode()  # values that are skipped over are not looked into
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise ClientError(400, "invalid_json", _what_is_wrong(body, e)) from None


def _what_is_wrong(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "the request body is empty, expected a JSON object"
    try:
        body.decode()
    except UnicodeDecodeError as e:
        return f"the request body is not UTF-8: byte {e.object[e.start]:#04x} at position {e.start}"
    if isinstance(error, msgspec.ValidationError):
        return f"the request body is not a JSON object: {error}"
    return f"the request body is not JSON: {error}"


def repeated_key(body: bytes, members: Members) -> str | None:
    """A key that stands twice at the top of the body; None if none does. `members` has the last
    value of each key.
    """
    # What the keys and values take by themselves: a repeated one needs at least `,"":0` more.
    needed = 1 + 4 * len(members) + sum(map(len, members))
    needed += sum([len(memoryview(raw)) for raw in members.values()])
    if len(body) - needed < _LEAST_MEMBER:
        return None
    at = 0
    separator, spaced = b"{", b'{"'
    for key, raw in members.items():
        token = b'%b%b": ' % (spaced, key.encode())
        if body.startswith(token, at):  # as Python's own encoder writes it
            at += len(token)
        else:
            at = _after_key(body, key, _after(body, separator, at))
        value = bytes(raw)
        if at < 0 or not body.startswith(value, at):
            at = _skip(body, at) if at >= 0 else at
            if at < 0 or not body.startswith(value, at):
                return key
        at += len(value)
        separator, spaced = b",", b', "'
    # All were found in their order, each with its last value: whatever follows is another one.
    if _after(body, b"}" if members else b"{", at) >= 0:
        return None
    left = _KEY.match(body, at)
    return _decode_str(left[1]) if left is not None else ""


def _after_key(body: bytes, key: str, at: int) -> int:
    """Where the value of this key begins, which must come next; negative if it does not."""
    if at < 0:
        return at
    name = b'"%b"' % key.encode()
    if body.startswith(name, at):
        at += len(name)
    else:
        written = _WRITTEN_KEY.match(body, at)
        if written is None:
            return -1
        try:
            if _decode_str(written[1]) != key:
                return -1
        except msgspec.DecodeError:
            return -1
        at = written.end()
    return _after(body, b":", at)


def text_of(members: Members, name: str) -> str | None:
    """A member that is a JSON string, else None."""
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return _decode_str(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_true(members: Members, name: str) -> bool:
    raw = members.get(name)
    return raw is not None and bytes(raw) == b"true"


def replaced(body: bytes, members: Members, values: dict[str, bytes | None]) -> tuple[bytes, ...]:
    """The body with these members set to these JSON values (None: removed), as parts to be sent one
    after the other.

    A value that is already so leaves the bytes alone. Where the walk is not sure where a value
    stands (escaped or repeated keys) the top level is written anew, which keeps each value's bytes
    and drops all but the last of repeated keys.
    """
    changes = {}
    for name, value in values.items():
        known = members.get(name)
        if known is None if value is None else known is not None and bytes(known) == value:
            continue
        changes[name] = value
    if not changes:
        return (body,)
    if None not in changes.values():
        spans = _spans(body, members, changes)
        if spans is not None:
            return _spliced(body, spans, changes)
    merged = {k: raw for k, raw in members.items() if changes.get(k, b"") is not None}
    merged.update({k: msgspec.Raw(v) for k, v in changes.items() if v is not None})
    return (_encode(merged),)


def _spliced(
    body: bytes, spans: dict[str, tuple[int, int]], changes: dict[str, bytes | None]
) -> tuple[bytes, ...]:
    parts: list[bytes] = []
    at = 0
    for name, (start, end) in spans.items():  # in the order in which they stand
        parts += (body[at:start], changes[name] or b"")
        at = end
    if len(spans) == len(changes):
        return (*parts, body[at:])
    added = b"".join(
        [
            b",%b:%b" % (_encode(k), v)
            for k, v in changes.items()
            if k not in spans and v is not None
        ]
    )
    close = body.rindex(b"}")
    return (*parts, body[at:close], added, body[close:])


def _spans(
    body: bytes, members: Members, wanted: dict[str, bytes | None]
) -> dict[str, tuple[int, int]] | None:
    """Where these top-level values stand: the members' order and lengths are known, so only keys,
    colons and blanks are walked, as far as the last one wanted. None where that is not sure.

    A repeated key keeps its first place and its last value. Unless a search shows that a name does
    not come again behind its value, inside another one or with escapes, the walk goes on to the
    end, comparing all values: only where it arrives is every key the only one of its name.
    """
    if not members:
        return None
    spans: dict[str, tuple[int, int]] = {}
    left = len([k for k in wanted if k in members])
    at = 1 if body.startswith(b"{") else _after(body, b"{", 0)
    separator = b""
    is_sure = True
    for key, raw in members.items():
        if not left and is_sure:
            break
        name = b'"%b"' % key.encode()
        token = b"%b%b:" % (separator, name)
        if body.startswith(token, at):  # compact, as SDKs write it
            at += len(token)
        else:
            at = _after(body, b":", _after(body, name, _after(body, separator, at)))
            if at < 0:
                return None
        if body[at] in _BLANKS:
            at = _skip(body, at)
        end = at + len(memoryview(raw))
        if (key in wanted or not is_sure) and not body.startswith(bytes(raw), at):
            return None
        if key in wanted:
            is_sure = (
                is_sure
                and len(body) - end < SEARCH_BYTES
                and body.find(name, end) < 0
                and body.find(_ESCAPED, end) < 0
            )
            spans[key] = (at, end)
            left -= 1
        at = end
        separator = b","
    return spans if is_sure or _after(body, b"}", at) >= 0 else None


def _after(body: bytes, token: bytes, at: int) -> int:
    """Behind the token, which must come next but for blanks; negative if it does not, or if an
    earlier one did not.
    """
    if at < 0:
        return at
    if not body.startswith(token, at):
        at = _skip(body, at)
        if not body.startswith(token, at):
            return -1
    return at + len(token)


def _skip(body: bytes, at: int) -> int:
    found = _SPACE.match(body, at)
    return found.end() if found is not None else at


# a walk takes a microsecond a key, whatever their length; a search takes one for so many bytes
SEARCH_BYTES = 4096
_BLANKS = b" \t\r\n"
_SPACE = re.compile(rb"[ \t\r\n]*+")
_LEAST_MEMBER = 5
_WRITTEN_KEY = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")')
_KEY = re.compile(rb'[ \t\r\n]*,[ \t\r\n]*("(?:[^"\\]|\\.)*")')
_ESCAPED = b"\\u00"  # how a letter of a key that is worth changing can be escaped
