"""Data URLs, media types and tool-call ids: small forms that several styles share."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from urllib.parse import unquote_to_bytes, urlsplit

from pilotfish.core.formats.style import Quirks

TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "pcm16": "audio/pcm",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
}
"""MIME types by the short names that OpenAI's audio formats, Bedrock's formats and file names use;
of several names for one type the first is the one that vendors want."""

_PROPER = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}

_SHORT = {media_type: short for short, media_type in reversed(TYPES.items())} | {
    "audio/x-wav": "wav",
    "audio/mp3": "mp3",
}


def proper_type(media_type: str) -> str:
    """A media type in the spelling that every vendor takes: `image/jpeg` for `image/jpg`."""
    plain = media_type.strip().lower()
    return _PROPER.get(plain, plain)


def short_type(media_type: str) -> str:
    """`wav` for `audio/wav`; what follows the slash where the type is not known."""
    bare = proper_type(media_type.partition(";")[0])
    return _SHORT.get(bare) or bare.rpartition("/")[2]


def type_by_name(name: str) -> str:
    """The media type that a file's name tells; empty if it tells none."""
    return TYPES.get(name.rpartition(".")[2].lower(), "")


def type_by_url(url: str) -> str:
    """The media type that the path of a URL tells; empty if it tells none."""
    try:
        return type_by_name(urlsplit(url).path)
    except ValueError:  # no URL after all
        return ""


def file_name(name: str, media_type: str) -> str:
    """A name with an extension, by which OpenAI knows a file's type."""
    name = name or "document"
    return name if type_by_name(name) else f"{name}.{short_type(media_type) or 'bin'}"


def text_in(media_type: str, data: str) -> str | None:
    """The text that base64 data of a textual type holds; None where it is no text."""
    if not media_type.startswith(("text/", "application/json", "application/xml")):
        return None
    try:
        return b64decode(data).decode()
    except ValueError:  # neither base64 nor UTF-8
        return None


def data_url(media_type: str, data: str) -> str:
    return f"data:{media_type or 'application/octet-stream'};base64,{data}"


def split_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 data of a data URL (RFC 2397); None for any other URL."""
    if url[:5].lower() != "data:":
        return None
    head, _, data = url[5:].partition(",")
    media_type, *parameters = (piece.strip() for piece in head.split(";"))
    if "base64" not in (parameter.lower() for parameter in parameters):
        data = b64encode(unquote_to_bytes(data)).decode()
    return proper_type(media_type), data


_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLAIN_ID = re.compile(r"[a-zA-Z0-9_-]+")


def _digest(text: str, length: int) -> str:
    """`length` alphanumerics that stand for `text`, the same every time."""
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    letters = []
    for _ in range(length):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)


def made_up_id(answer: str, index: int) -> str:
    """An id for a call that came without one: of the call with this index in the answer whose id is
    `answer`."""
    return "call_" + _digest(f"{answer}:{index}", 24)


def tool_id(given: str, quirks: Quirks, *, plain: bool = False) -> str:
    """A tool-call id as its reader takes it; calls and results given the same id get the same.

    `plain`: only letters, digits, `_` and `-` (Anthropic, Bedrock). An id that is too long keeps
    its head, ends in a digest.
    """
    if quirks.tool_id == "mistral9":
        return (
            given if len(given) == 9 and given.isascii() and given.isalnum() else _digest(given, 9)
        )
    if plain and not _PLAIN_ID.fullmatch(given):
        given = "toolu_" + _digest(given, 24)
    limit = quirks.tool_id_max
    if limit and len(given) > limit:
        given = given[: max(0, limit - 12)] + _digest(given, min(limit, 12))
    return given
