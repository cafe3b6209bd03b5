"""Frames of AWS's event-stream encoding: lengths, CRC, headers, payload, CRC, all big-endian."""

from __future__ import annotations

import struct
import zlib

_STRING = 7  # type of a header value: a UTF-8 string with a length of two bytes


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message; the header names begin with a colon (`:event-type`)."""
    packed = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    total = 16 + len(packed) + len(payload)
    prelude = struct.pack(">II", total, len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
