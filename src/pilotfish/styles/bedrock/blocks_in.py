"""Reading Converse's content blocks into neutral parts, in requests and in answers."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import msgspec

from pilotfish.core.formats.neutral import (
    Audio,
    Cache,
    Citation,
    Document,
    Image,
    Json,
    Opaque,
    Part,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    unseal,
)
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._media import TYPES

ORIGIN = "bedrock"
SIGNER = "anthropic"
"""Whose signatures Bedrock hands out: of its models only Claude signs its thoughts, and on every platform alike."""


def read_blocks(
    blocks: Fields, key: str, losses: Losses, names: dict[str, str]
) -> tuple[Part, ...]:
    """The list of blocks under `key`. `names` are those of the tool calls so far, by id, and is
    added to.
    """
    parts: list[Part] = []
    pending: Signature | None = None
    for block in blocks.objects(key):
        mark = block.object("cachePoint")
        if mark is not None:
            if not mark_last(parts, Cache(mark.text("ttl") or "")):
                losses.add("cachePoint")
            continue
        part = _read_block(block, losses, names)
        if (
            isinstance(part, Thinking)
            and part.redacted
            and part.signature
            and part.signature.origin == "google"
        ):
            pending = (
                part.signature
            )  # of the part that follows; this style had no other place for it
            continue
        if pending and isinstance(part, ToolCall | Text):
            part, pending = msgspec.structs.replace(part, signature=pending), None
        if part is not None:
            parts.append(part)
    return tuple(parts)


def mark_last(parts: list[Any], cache: Cache) -> bool:
    """Puts a cache mark on the last part or tool; False where there is none that takes it."""
    if not parts or not hasattr(parts[-1], "cache"):
        return False
    parts[-1] = msgspec.structs.replace(parts[-1], cache=cache)
    return True


def _read_block(block: Fields, losses: Losses, names: dict[str, str]) -> Part | None:
    text = block.text("text")
    if text is not None:
        return Text(text)
    if "toolUse" in block and not (
        isinstance(block.peek("toolUse"), dict) and block.peek("toolUse").get("type")
    ):
        call = _inner(block, "toolUse")
        arguments = call.take("input")
        read = ToolCall(
            id=call.required_text("toolUseId"),
            name=call.required_text("name"),
            arguments=""
            if arguments is None or arguments == {}
            else msgspec.json.encode(arguments).decode(),
        )
        names[read.id] = read.name
        return read
    if "toolResult" in block:
        return _read_result(_inner(block, "toolResult"), losses, names)
    if "reasoningContent" in block:
        return _read_thinking(_inner(block, "reasoningContent"))
    if "citationsContent" in block:
        return _read_cited(_inner(block, "citationsContent"))
    if "guardContent" in block:
        return _read_guarded(_inner(block, "guardContent"), losses)
    media = read_media(block, losses)
    if media is not None:
        return media
    rest = block.rest()
    return Opaque(ORIGIN, dict(rest)) if rest else None


def _inner(block: Fields, key: str) -> Fields:
    return block.object(key) or type(block)({}, block.at(key))


def _read_result(result: Fields, losses: Losses, names: dict[str, str]) -> ToolResult:
    call_id = result.required_text("toolUseId")
    parts: list[Part] = []
    for item in result.objects("content"):
        if "json" in item:
            parts.append(Text(msgspec.json.encode(item.take("json")).decode()))
            continue
        part = _read_block(item, losses, names)
        if part is not None:
            parts.append(part)
    return ToolResult(
        call_id=call_id,
        parts=tuple(parts),
        is_error=result.text("status") == "error",
        name=names.get(call_id, ""),
    )


def _read_thinking(block: Fields) -> Thinking:
    redacted = block.text("redactedContent")
    if redacted is not None:
        return Thinking(signature=redacted_signature(redacted), redacted=True)
    inner = _inner(block, "reasoningText")
    proof = inner.text("signature")
    signature = unseal(proof, SIGNER) if proof else None
    return Thinking(
        text=inner.text("text") or "", signature=signature, id=signature.id if signature else ""
    )


def redacted_signature(data: str) -> Signature:
    """What `redactedContent` holds. Claude's is text, base64 on the wire; bytes that are no text
    belong to Bedrock alone.
    """
    try:
        return unseal(b64decode(data, validate=True).decode(), SIGNER)
    except ValueError:
        return Signature(ORIGIN, data)


def _read_cited(block: Fields) -> Text:
    text = "".join(item.text("text") or "" for item in block.objects("content"))
    return Text(
        text,
        citations=tuple(
            read_citation(value) for value in block.items("citations") if isinstance(value, dict)
        ),
    )


def read_citation(value: Json) -> Citation:
    """A citation. Offsets are those into the cited document and stay in `raw`."""
    quoted = value.get("sourceContent")
    texts = (
        [
            item["text"]
            for item in quoted
            if isinstance(item, dict) and isinstance(item.get("text"), str)
        ]
        if isinstance(quoted, list)
        else []
    )
    location = value.get("location")
    web = location.get("web") if isinstance(location, dict) else None
    url = web.get("url") if isinstance(web, dict) else None
    source = value.get("source")
    return Citation(
        url=next(
            (found for found in (url, source) if isinstance(found, str) and "://" in found), ""
        ),
        title=value["title"] if isinstance(value.get("title"), str) else "",
        cited_text="".join(texts),
        origin=ORIGIN,
        raw=value,
    )


def _read_guarded(block: Fields, losses: Losses) -> Part | None:
    """What a guardrail is to look at. Elsewhere there are no guardrails, but the words are the
    client's all the same.
    """
    losses.add("messages.content.guardContent")
    inner = block.object("text")
    if inner is not None:
        return Text(inner.required_text("text"))
    return read_media(block, losses)


def read_media(block: Fields, losses: Losses) -> Part | None:
    """An image, a document, audio or a search result; None for any other block. Only Bedrock knows
    video.
    """
    if "image" in block:
        image = _inner(block, "image")
        return Image(**_source(image, f"image/{image.required_text('format')}"))
    if "audio" in block:
        audio = _inner(block, "audio")
        word = audio.required_text("format").removeprefix("x-")
        return Audio(**_source(audio, TYPES.get(word, f"audio/{word}")))
    if "document" in block:
        return _read_document(_inner(block, "document"), losses)
    if "searchResult" in block:
        found = _inner(block, "searchResult")
        cite = found.object("citations")
        return Document(
            name=found.text("title") or "",
            context=found.text("source") or "",
            parts=tuple(Text(item.text("text") or "") for item in found.objects("content")),
            cite=bool(cite and cite.flag("enabled")),
        )
    return None


def _source(media: Fields, media_type: str) -> dict[str, Any]:
    """`source` as fields of neutral media."""
    source = _inner(media, "source")
    place = source.object("s3Location")
    if place is not None:
        return {"media_type": media_type, "file_id": place.required_text("uri"), "origin": ORIGIN}
    return {"media_type": media_type, "data": source.required_text("bytes")}


def _read_document(document: Fields, losses: Losses) -> Document:
    word = document.text("format") or "txt"
    media_type = TYPES.get(word, f"application/{word}")
    cite = document.object("citations")
    fields: dict[str, Any] = {
        "name": document.text("name") or "",
        "context": document.text("context") or "",
        "cite": bool(cite and cite.flag("enabled")),
    }
    source = _inner(document, "source")
    text = source.text("text")
    if text is not None:
        return Document(media_type="text/plain", text=text, **fields)
    if "content" in source:
        parts = read_blocks(source, "content", losses, {})
        return Document(
            parts=tuple(part for part in parts if isinstance(part, Text | Image)), **fields
        )
    place = source.object("s3Location")
    if place is not None:
        return Document(
            media_type=media_type, file_id=place.required_text("uri"), origin=ORIGIN, **fields
        )
    return Document(media_type=media_type, data=source.required_text("bytes"), **fields)
