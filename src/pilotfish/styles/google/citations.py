"""Where an answer's words come from: Google's grounding and citation metadata, to and from neutral
citations.

Google counts in bytes of UTF-8, everybody else in characters.
Source: ai.google.dev/api/generate-content#GroundingMetadata, read 2026-11.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import msgspec

from pilotfish.core.formats.neutral import Citation, Json
from pilotfish.styles._fields import ReplyFields

ORIGIN = "google"
BLOCK_CHARS = 1024
REPEATED_CHARS = 1024 * 1024


def read_citations(candidate: ReplyFields, texts: dict[int, Offsets]) -> list[tuple[int, Citation]]:
    """Citations, each with the number of the part it annotates. `texts` are the parts that are
    text, by their numbers.
    """
    found = _grounded(candidate.object("groundingMetadata"), texts)
    metadata = candidate.object("citationMetadata")
    if metadata:
        key = "citations" if "citations" in metadata else "citationSources"
        first, offsets = next(iter(texts.items()), (0, Offsets()))
        found += [(first, _quoted(source, offsets)) for source in metadata.objects(key)]
    return found


def _grounded(
    metadata: ReplyFields | None, texts: dict[int, Offsets]
) -> list[tuple[int, Citation]]:
    if metadata is None:
        return []
    chunks = list(metadata.items("groundingChunks"))
    found: list[tuple[int, Citation]] = []
    cited: set[int] = set()
    first = next(iter(texts), 0)
    for support in metadata.objects("groundingSupports"):
        segment = support.inner("segment")
        place = segment.whole("partIndex") or 0
        place = place if place in texts else first  # it is left out as often as it is right
        at = texts.get(place) or Offsets()
        start = at.characters(segment.whole("startIndex") or 0)
        end = at.characters(segment.whole("endIndex"))
        for index in support.items("groundingChunkIndices"):
            if (
                isinstance(index, int)
                and 0 <= index < len(chunks)
                and isinstance(chunks[index], dict)
            ):
                cited.add(index)
                found.append((place, _from_chunk(chunks[index], start, end)))
    # Sources without a place in the text are still sources.
    found += [
        (first, _from_chunk(chunk, None, None))
        for index, chunk in enumerate(chunks)
        if index not in cited and isinstance(chunk, dict)
    ]
    return found


def _from_chunk(chunk: Json, start: int | None, end: int | None) -> Citation:
    source = next((value for value in chunk.values() if isinstance(value, dict)), {})
    return Citation(
        url=_text(source.get("uri")),
        title=_text(source.get("title")),
        start=start,
        end=end,
        origin=ORIGIN,
        raw=chunk,
    )


def _quoted(source: ReplyFields, offsets: Offsets) -> Citation:
    return Citation(
        url=source.text("uri") or "",
        title=source.text("title") or "",
        start=offsets.characters(source.whole("startIndex") or 0),
        end=offsets.characters(source.whole("endIndex")),
        origin=ORIGIN,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class Offsets:
    """Offsets of one text in bytes of UTF-8 and in characters. The text may grow; it is kept in
    blocks of at most so many characters, so that a citation reads one of them and not all.
    """

    __slots__ = ("_blocks", "_bytes", "_characters", "_size")

    def __init__(self, text: str = "") -> None:
        self._blocks: list[bytes] = []
        self._bytes: list[int] = []  # of the text that lies before each block
        self._characters: list[int] = []
        self._size = (0, 0)  # of the whole text, in bytes and in characters
        self.add(text)

    def add(self, text: str) -> None:
        """The text goes on."""
        for at in range(0, len(text), BLOCK_CHARS):
            piece = text[at : at + BLOCK_CHARS]
            block = piece.encode("utf-8", "surrogatepass")
            size, characters = self._size
            self._blocks.append(block)
            self._bytes.append(size)
            self._characters.append(characters)
            self._size = (size + len(block), characters + len(piece))

    def characters(self, offset: int | None) -> int | None:
        """A byte offset as one in characters; beyond the end it is the end."""
        if offset is None or self._size[0] == self._size[1]:
            return offset
        at = max(0, bisect_right(self._bytes, offset) - 1)
        rest = self._blocks[at][: max(0, offset - self._bytes[at])]
        return self._characters[at] + len(rest.decode("utf-8", "ignore"))

    def bytes(self, offset: int) -> int:
        """An offset in characters as one in bytes; beyond the end it is the end."""
        if offset >= self._size[1]:
            return self._size[0]
        at = max(0, bisect_right(self._characters, offset) - 1)
        block = self._blocks[at].decode("utf-8", "surrogatepass")
        rest = block[: max(0, offset - self._characters[at])]
        return self._bytes[at] + len(rest.encode("utf-8", "surrogatepass"))


def write_citations(texts: list[tuple[int, str, tuple[Citation, ...]]]) -> Json:
    """`groundingMetadata` for texts with the numbers of their parts and their citations; empty if
    there are none.

    Each source is named once. A segment repeats its text, so many long ones go without.
    """
    chunks: list[Json] = []
    numbers: dict[bytes, int] = {}  # of chunks, by what they say
    supports: list[Json] = []
    repeated = 0
    for part_index, text, citations in texts:
        offsets = Offsets(text)
        for citation in citations:
            chunk = _chunk_of(citation)
            number = numbers.setdefault(msgspec.json.encode(chunk), len(chunks))
            if number == len(chunks):
                chunks.append(chunk)
            if citation.end is None and citation.origin == ORIGIN:
                continue  # a source without a place in the text
            start = citation.start or 0
            end = citation.end if citation.end is not None else len(text)
            segment: Json = {"startIndex": offsets.bytes(start), "endIndex": offsets.bytes(end)}
            if repeated < REPEATED_CHARS:
                segment["text"] = text[start:end]
                repeated += len(segment["text"])
            if part_index:
                segment["partIndex"] = part_index
            supports.append({"segment": segment, "groundingChunkIndices": [number]})
    return {"groundingChunks": chunks, "groundingSupports": supports} if chunks else {}


def _chunk_of(citation: Citation) -> Json:
    if citation.origin == ORIGIN and citation.raw:
        return citation.raw
    web = {key: value for key, value in (("uri", citation.url), ("title", citation.title)) if value}
    return {"web": web}
