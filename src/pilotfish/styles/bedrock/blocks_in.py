"""Reading Converse's content blocks into neutral parts, in requests and in answers."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Json, Part
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._media import TYPES
from pilotfish.styles._signatures import unseal, unseal_thinking, with_signatures_placed

ORIGIN = "bedrock"
SIGNER = "anthropic"
"""Whose signatures Bedrock hands out: of its models only Claude signs its thoughts, and on every
platform alike."""


def read_blocks(
    blocks: Fields, key: str, losses: Losses, names: dict[str, str]
) -> tuple[Part, ...]:
    """The list of blocks under `key`. `names` are those of the tool calls so far, by id, and is
    added to.
    """
    parts: list[Part] = []
    for block in blocks.objects(key):
        mark = block.object("cachePoint")
        if mark is not None:
            if not mark_last(parts, neutral.Cache(mark.text("ttl") or "")):
                losses.add("cachePoint")
            continue
        part = _read_block(block, losses, names)
        if part is not None:
            parts.append(part)
    return with_signatures_placed(parts)


def mark_last(parts: list[Any], cache: neutral.Cache) -> bool:
    """Puts a cache mark on the last part or tool; False where there is none that takes it."""
    if not parts or not hasattr(parts[-1], "cache"):
        return False
    parts[-1] = msgspec.structs.replace(parts[-1], cache=cache)
    return True


def _read_block(block: Fields, losses: Losses, names: dict[str, str]) -> Part | None:
    text = block.text("text")
    if text is not None:
        return neutral.Text(text)
    if "toolUse" in block and not is_server_call(block.peek("toolUse")):
        call = block.inner("toolUse")
        arguments = call.take("input")
        read = neutral.ToolCall(
            id=call.required_text("toolUseId"),
            name=call.required_text("name"),
            arguments=""
            if arguments is None or arguments == {}
            else msgspec.json.encode(arguments).decode(),
        )
        names[read.id] = read.name
        return read
    if "toolResult" in block and not is_server_result(block.peek("toolResult")):
        return _read_result(block.inner("toolResult"), losses, names)
    if "reasoningContent" in block:
        return _read_thinking(block.inner("reasoningContent"))
    if "citationsContent" in block:
        return _read_cited(block.inner("citationsContent"))
    if "guardContent" in block:
        return _read_guarded(block.inner("guardContent"), losses)
    media = read_media(block, losses)
    if media is not None:
        return media
    rest = block.rest()
    return neutral.Opaque(ORIGIN, dict(rest)) if rest else None


def is_server_call(call: Any) -> bool:
    """Whether a tool runs at Bedrock. A call for the client says `tool_use` or nothing at all."""
    return isinstance(call, dict) and call.get("type") not in (None, "tool_use")


def is_server_result(result: Any) -> bool:
    """Whether a result is that of a tool which ran at Bedrock, named after the tool."""
    return isinstance(result, dict) and result.get("type") not in (None, "tool_result")


def _read_result(result: Fields, losses: Losses, names: dict[str, str]) -> neutral.ToolResult:
    call_id = result.required_text("toolUseId")
    parts: list[Part] = []
    for item in result.objects("content"):
        if "json" in item:
            parts.append(neutral.Text(msgspec.json.encode(item.take("json")).decode()))
            continue
        part = _read_block(item, losses, names)
        if part is not None:
            parts.append(part)
    return neutral.ToolResult(
        call_id=call_id,
        parts=tuple(parts),
        is_error=result.text("status") == "error",
        name=names.get(call_id, ""),
    )


def _read_thinking(block: Fields) -> neutral.Thinking:
    redacted = block.text("redactedContent")
    if redacted is not None:
        return neutral.Thinking(signature=redacted_signature(redacted), redacted=True)
    inner = block.inner("reasoningText")
    signature = unseal_thinking(inner.text("signature"), SIGNER)
    return neutral.Thinking(
        text=inner.text("text") or "", signature=signature, id=signature.id if signature else ""
    )


def redacted_signature(data: str) -> neutral.Signature:
    """What `redactedContent` holds. Claude's is text, base64 on the wire; bytes that are no text
    belong to Bedrock alone.
    """
    try:
        return unseal(b64decode(data, validate=True).decode(), SIGNER)
    except ValueError:
        return neutral.Signature(ORIGIN, data)


def _read_cited(block: Fields) -> neutral.Text:
    text = "".join(item.text("text") or "" for item in block.objects("content"))
    return neutral.Text(
        text,
        citations=tuple(
            read_citation(value) for value in block.items("citations") if isinstance(value, dict)
        ),
    )


def read_citation(value: Json) -> neutral.Citation:
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
    return neutral.Citation(
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
        return neutral.Text(inner.required_text("text"))
    return read_media(block, losses)


def read_media(block: Fields, losses: Losses) -> Part | None:
    """An image, a document, audio or a search result; None for any other block. Only Bedrock knows
    video.
    """
    if "image" in block:
        image = block.inner("image")
        return neutral.Image(**_source(image, f"image/{image.required_text('format')}"))
    if "audio" in block:
        audio = block.inner("audio")
        word = audio.required_text("format").removeprefix("x-")
        return neutral.Audio(**_source(audio, TYPES.get(word, f"audio/{word}")))
    if "document" in block:
        return _read_document(block.inner("document"), losses)
    if "searchResult" in block:
        found = block.inner("searchResult")
        cite = found.object("citations")
        return neutral.Document(
            name=found.text("title") or "",
            context=found.text("source") or "",
            parts=tuple(neutral.Text(item.text("text") or "") for item in found.objects("content")),
            cite=bool(cite and cite.flag("enabled")),
        )
    return None


def _source(media: Fields, media_type: str) -> dict[str, Any]:
    """`source` as fields of neutral media."""
    source = media.inner("source")
    place = source.object("s3Location")
    if place is not None:
        return {"media_type": media_type, "file_id": place.required_text("uri"), "origin": ORIGIN}
    return {"media_type": media_type, "data": source.required_text("bytes")}


def _read_document(document: Fields, losses: Losses) -> neutral.Document:
    word = document.text("format") or "txt"
    media_type = TYPES.get(word, f"application/{word}")
    cite = document.object("citations")
    fields: dict[str, Any] = {
        "name": document.text("name") or "",
        "context": document.text("context") or "",
        "cite": bool(cite and cite.flag("enabled")),
    }
    source = document.inner("source")
    text = source.text("text")
    if text is not None:
        return neutral.Document(media_type="text/plain", text=text, **fields)
    if "content" in source:
        parts = read_blocks(source, "content", losses, {})
        return neutral.Document(
            parts=tuple(part for part in parts if isinstance(part, neutral.Text | neutral.Image)),
            **fields,
        )
    place = source.object("s3Location")
    if place is not None:
        return neutral.Document(
            media_type=media_type, file_id=place.required_text("uri"), origin=ORIGIN, **fields
        )
    return neutral.Document(media_type=media_type, data=source.required_text("bytes"), **fields)
