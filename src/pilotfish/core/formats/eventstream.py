"""AWS event-stream frames, in which Bedrock streams: cut out of a stream, read and written.

A frame is, in network byte order: total length (4 bytes), length of the headers (4), CRC-32 of
these eight (4), headers, payload, CRC-32 of all before it (4). A header is: length of its name (1),
name, type (1), value. Source: Smithy specification, "Amazon Event Stream Specification"
(smithy.io/2.0/aws/amazon-eventstream.html), read 2026-11.

Same shape as `core.formats.sse`: a frame stays the bytes it came as, joining what `feed` gave is
the stream again.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from uuid import UUID
from zlib import crc32

import msgspec

from pilotfish.core.formats.sse import LIMIT_BYTES, MAX_EVENTS, EventTooLong, TooManyEvents

Header = str | bytes | int | bool | UUID
"""A header's value. Timestamps are read as what they are on the wire, milliseconds since 1970, and
never written."""

_PRELUDE = struct.Struct("!II")
_PRELUDE_AND_CRC = struct.Struct("!III")
_CRC = struct.Struct("!I")
_LENGTH = struct.Struct("!H")
_PRELUDE_BYTES = 12
_OVERHEAD_BYTES = 16  # prelude, its checksum, the checksum at the end

_INTEGERS = {
    2: struct.Struct("!b"),
    3: struct.Struct("!h"),
    4: struct.Struct("!i"),
    5: struct.Struct("!q"),
    8: struct.Struct("!q"),
}


class FrameError(ValueError):
    """Bytes that are no frame: damaged on the way, or never meant as one."""


class Message(msgspec.Struct, frozen=True):
    """A frame taken apart."""

    headers: Mapping[str, Header]
    payload: bytes


class EventStreamDecoder:
    """Cuts a byte stream into frames; one per stream.

    Where a prelude's checksum is wrong nothing tells where the next frame begins. The twelve bytes
    of that prelude come out as a frame, which `read` refuses, and nothing after it: the stream is
    `lost`.
    """

    __slots__ = ("_buffer", "_limit", "_need", "lost")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._buffer = bytearray()
        self._limit = limit_bytes
        self._need = _PRELUDE_BYTES  # bytes that must be there before it is worth looking again
        self.lost = False

    @property
    def rest(self) -> bytes:
        """What came after the last whole frame."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes. Raises `core.formats.sse.EventTooLong`; the stream is
        of no use after that.
        """
        if self.lost:
            return []
        buffer = self._buffer
        buffer += data
        have = len(buffer)
        if have < self._need:
            return []
        frames: list[bytes] = []
        start = 0
        self._need = _PRELUDE_BYTES
        while have - start >= _PRELUDE_BYTES:
            total, headers, checksum = _PRELUDE_AND_CRC.unpack_from(buffer, start)
            if crc32(buffer[start : start + 8]) != checksum or total < headers + _OVERHEAD_BYTES:
                self.lost = True
                frames.append(bytes(buffer[start : start + _PRELUDE_BYTES]))
                buffer.clear()
                return frames
            if total > self._limit:
                raise EventTooLong(total, self._limit, frames)
            if have - start < total:
                self._need = total
                break
            frames.append(bytes(buffer[start : start + total]))
            start += total
            if len(frames) > MAX_EVENTS:
                raise TooManyEvents(frames)
        del buffer[:start]
        return frames


def read(frame: bytes) -> Message:
    """A whole frame's headers and payload. Raises FrameError where a length, a checksum or a header
    is wrong.
    """
    size = len(frame)
    if size < _OVERHEAD_BYTES:
        raise FrameError(f"frame of {size} bytes, expected at least {_OVERHEAD_BYTES}")
    total, headers_length, checksum = _PRELUDE_AND_CRC.unpack_from(frame)
    if crc32(frame[:8]) != checksum:
        raise FrameError(
            f"prelude has the checksum {crc32(frame[:8]):08x}, expected {checksum:08x}"
        )
    if total != size or headers_length > size - _OVERHEAD_BYTES:
        raise FrameError(
            f"frame of {size} bytes says it has {total}, {headers_length} of them headers"
        )
    (checksum,) = _CRC.unpack_from(frame, size - 4)
    if crc32(frame[:-4]) != checksum:
        raise FrameError(f"frame has the checksum {crc32(frame[:-4]):08x}, expected {checksum:08x}")
    payload_at = _PRELUDE_BYTES + headers_length
    return Message(_headers(frame[_PRELUDE_BYTES:payload_at]), frame[payload_at:-4])


def write(headers: Mapping[str, Header], payload: bytes) -> bytes:
    """A frame, checksums included. Raises ValueError for a header that does not fit into one."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = _PRELUDE.pack(len(head) + len(payload) + _OVERHEAD_BYTES, len(head))
    body = b"".join((prelude, _CRC.pack(crc32(prelude)), head, payload))
    return body + _CRC.pack(crc32(body))


# The events of one stream share a handful of header blocks, so each is read once.
@lru_cache(maxsize=64)
def _headers(block: bytes) -> Mapping[str, Header]:
    found: dict[str, Header] = {}
    position = 0
    try:
        while position < len(block):
            name_end = position + 1 + block[position]
            name = block[position + 1 : name_end].decode()
            kind = block[name_end]
            found[name], position = _value(block, name_end + 1, kind)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise FrameError(
            f"headers end in the middle of one, or hold no text: {block[:80]!r}"
        ) from error
    return MappingProxyType(found)  # shared by all frames with these headers


def _value(block: bytes, position: int, kind: int) -> tuple[Header, int]:
    """The value of that type at `position`, and where the next header begins."""
    if kind in (0, 1):
        return kind == 0, position
    if kind in _INTEGERS:
        form = _INTEGERS[kind]
        return form.unpack_from(block, position)[0], position + form.size
    if kind in (6, 7):
        (length,) = _LENGTH.unpack_from(block, position)
        end = position + 2 + length
        value = block[position + 2 : end]
        if len(value) != length:
            raise FrameError(f"header value has {len(value)} bytes, expected {length}")
        return (value if kind == 6 else value.decode()), end
    if kind == 9:
        value = block[position : position + 16]
        if len(value) != 16:
            raise FrameError(f"header value has {len(value)} bytes, expected 16")
        return UUID(bytes=value), position + 16
    raise FrameError(f"header of type {kind}, expected 0 to 9")


def _header(name: str, value: Header) -> bytes:
    encoded = name.encode()
    if not 0 < len(encoded) < 256:
        raise ValueError(f"header name {name!r} has {len(encoded)} bytes, expected 1 to 255")
    return bytes((len(encoded),)) + encoded + _encoded(value)


def _encoded(value: Header) -> bytes:
    """Type and value of a header; numbers are written as the longest integers."""
    if isinstance(value, bool):
        return b"\x00" if value else b"\x01"
    if isinstance(value, int):
        return b"\x05" + _INTEGERS[5].pack(value)
    if isinstance(value, UUID):
        return b"\x09" + value.bytes
    raw = value.encode() if isinstance(value, str) else value
    if len(raw) > 0xFFFF:
        raise ValueError(f"header value has {len(raw)} bytes, expected at most 65535")
    return (b"\x07" if isinstance(value, str) else b"\x06") + _LENGTH.pack(len(raw)) + raw
