"""The field `model` of a form with files (RFC 7578), read as strictly as nobody writes it wrongly.

Servers read forms in many ways. What two of them could read differently is refused here, so that the
model which the rules saw is the one that the vendor serves.
"""

from __future__ import annotations

import re

from pilotfish.errors import ClientError

# Forms of vendors have some ten fields.
MAX_PARTS = 256
MAX_PART_HEAD_BYTES = 8 * 1024
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[^"\\\r\n]|\\[^\r\n])*"'
# RFC 2046 5.1.1: at most 70 characters, of which white space is not the last.
_BOUNDARY = re.compile(
    rb";[ \t]*boundary=(?:\"([0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-])\""
    rb"|([!#$%&'*+.^_`|~0-9A-Za-z-]{1,70}))[ \t]*(?=;|$)",
    re.IGNORECASE,
)
_LINE = re.compile(_TOKEN + rb":[^\r\n\0]*")
_NAMES_BOUNDARY = re.compile(rb"boundary[0-9*]*[ \t]*=", re.IGNORECASE)
_PARAMETER = re.compile(rb";[ \t]*(%b)=(%b|%b)[ \t]*" % (_TOKEN, _TOKEN, _QUOTED))
_DISPOSITION = re.compile(rb"form-data[ \t]*(?:;|$)", re.IGNORECASE)


def model_of(body: bytes, content_type: bytes) -> str:
    """The text of the field `model`; empty if there is none. Raises ClientError (400) for a form
    that cannot be read, or that has the field twice.
    """
    start, end = _span(body, content_type)
    return body[start:end].decode("utf-8", "replace")


def with_model(body: bytes, content_type: bytes, model: str) -> bytes:
    """The form with its field `model` replaced; unchanged if it has none."""
    start, end = _span(body, content_type)
    return body[:start] + model.encode() + body[end:] if start else body


def _span(body: bytes, content_type: bytes) -> tuple[int, int]:
    """(start, end) of the value of the field `model`; (0, 0) if there is none."""
    delimiter = b"--" + _boundary(content_type)
    if not body.startswith(delimiter):
        raise _unreadable("it does not begin with the boundary that its content-type names")
    found = (0, 0)
    at = len(delimiter)
    parts = 1
    while body[at : at + 2] == b"\r\n":
        head = body.find(b"\r\n\r\n", at, at + MAX_PART_HEAD_BYTES)
        end = body.find(b"\r\n" + delimiter, head + 4)
        if head < 0 or end < 0:
            raise _unreadable("a part of it has no end")
        if _name(body[at + 2 : head + 2]) == b"model":
            if found[0]:
                raise ClientError(400, "invalid_model", "the form has the field 'model' twice")
            found = head + 4, end
        at = end + 2 + len(delimiter)
        parts += 1
        if parts > MAX_PARTS:
            raise _unreadable(f"it has more than {MAX_PARTS} parts")
    if body[at : at + 2] != b"--":
        raise _unreadable("a boundary is followed by something else than a part")
    if body.count(delimiter) != parts:
        # Servers that take a bare line feed for a line end would see another part here.
        raise _unreadable("its boundary stands within a part, or behind its end")
    return found


def _boundary(content_type: bytes) -> bytes:
    found = _BOUNDARY.findall(content_type)
    if len(found) != 1 or len(_NAMES_BOUNDARY.findall(content_type)) != 1:
        raise _unreadable("its content-type names no boundary, or not one alone")
    quoted, plain = found[0]
    return bytes(quoted or plain)


def _name(head: bytes) -> bytes:
    """The name of the part with these header lines, each with its line end."""
    lines = head.removesuffix(b"\r\n").split(b"\r\n")
    if not all(map(_LINE.fullmatch, lines)):
        raise _unreadable("a header of a part is folded, or none")
    named = [
        value.strip(b" \t")
        for line in lines
        for name, _, value in [line.partition(b":")]
        if name.strip(b" \t").lower() == b"content-disposition"
    ]
    if len(named) != 1 or _DISPOSITION.match(named[0]) is None:
        raise _unreadable("a part of it has no content-disposition, or not one alone")
    at = len(b"form-data")
    names = []
    disposition = named[0]
    while at < len(disposition):
        parameter = _PARAMETER.match(disposition, at)
        if parameter is None:
            break  # white space at the end, or what no server agrees on
        key = parameter[1].lower()
        if key in (b"name", b"name*"):
            names.append((key, parameter[2]))
        at = parameter.end()
    if len(names) != 1 or names[0][0] != b"name" or disposition[at:].strip(b"; \t"):
        raise _unreadable("a part of it has no name, or not one alone")
    value = names[0][1]
    if value.startswith(b'"'):
        value = re.sub(rb"\\(.)", rb"\1", value[1:-1])
    return value


def _unreadable(why: str) -> ClientError:
    return ClientError(400, "invalid_form", f"the request's form cannot be read: {why}")
