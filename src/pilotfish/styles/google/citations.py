"""Where an answer's words come from: Google's grounding and citation metadata, to and from neutral
citations.

Google counts in bytes of UTF-8, everybody else in characters.
Source: ai.google.dev/api/generate-content#GroundingMetadata, read 2026-11.
"""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats.neutral import Citation, Json
from pilotfish.styles._fields import ReplyFields

ORIGIN = "google"


def read_citations(candidate: ReplyFields, texts: dict[int, str]) -> list[tuple[int, Citation]]:
    """Citations, each with the number of the part it annotates. `texts` are the parts that are
    text, by their numbers.
    """
    found = _grounded(candidate.object("groundingMetadata"), texts)
    metadata = candidate.object("citationMetadata")
    if metadata:
        key = "citations" if "citations" in metadata else "citationSources"
        first, text = next(iter(texts.items()), (0, ""))
        found += [(first, _quoted(source, text)) for source in metadata.objects(key)]
    return found


def _grounded(metadata: ReplyFields | None, texts: dict[int, str]) -> list[tuple[int, Citation]]:
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
        text = texts.get(place, "")
        start, end = (
            _characters(text, segment.whole("startIndex") or 0),
            _characters(text, segment.whole("endIndex")),
        )
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


def _quoted(source: ReplyFields, text: str) -> Citation:
    return Citation(
        url=source.text("uri") or "",
        title=source.text("title") or "",
        start=_characters(text, source.whole("startIndex") or 0),
        end=_characters(text, source.whole("endIndex")),
        origin=ORIGIN,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _characters(text: str, offset: int | None) -> int | None:
    """A byte offset as one in characters; beyond the end it is the end."""
    if offset is None or text.isascii():
        return offset
    return len(text.encode("utf-8", "surrogatepass")[: max(0, offset)].decode("utf-8", "ignore"))


def _bytes(text: str, offset: int) -> int:
    return len(text[: max(0, offset)].encode("utf-8", "surrogatepass"))


def write_citations(texts: list[tuple[int, str, tuple[Citation, ...]]]) -> Json:
    """`groundingMetadata` for texts with the numbers of their parts and their citations; empty if
    there are none.

    Each source is named once.
    """
    chunks: list[Json] = []
    supports: list[Json] = []
    for part_index, text, citations in texts:
        for citation in citations:
            web = {
                key: value
                for key, value in (("uri", citation.url), ("title", citation.title))
                if value
            }
            chunk = citation.raw if citation.origin == ORIGIN and citation.raw else {"web": web}
            if chunk not in chunks:
                chunks.append(chunk)
            if citation.end is None and citation.origin == ORIGIN:
                continue  # a source without a place in the text
            start = citation.start or 0
            end = citation.end if citation.end is not None else len(text)
            segment = {
                "startIndex": _bytes(text, start),
                "endIndex": _bytes(text, end),
                "text": text[start:end],
            }
            if part_index:
                segment["partIndex"] = part_index
            supports.append({"segment": segment, "groundingChunkIndices": [chunks.index(chunk)]})
    return {"groundingChunks": chunks, "groundingSupports": supports} if chunks else {}
