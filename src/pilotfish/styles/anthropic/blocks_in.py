"""Reading Anthropic's content blocks into neutral parts, in requests and in answers."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.neutral import (
    Cache,
    Citation,
    Document,
    Image,
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


def read_cache(block: Fields) -> Cache | None:
    mark = block.object("cache_control")
    return Cache(mark.text("ttl") or "") if mark else None


def read_content(
    message: Fields, losses: Losses, names: dict[str, str] | None = None
) -> tuple[Part, ...]:
    """`content`: a string or a list of blocks. `names` are those of the tool calls so far, by id,
    and is added to.
    """
    content = message.peek("content")
    if isinstance(content, str):
        message.take("content")
        return (Text(content),) if content else ()
    parts: list[Part] = []
    pending: Signature | None = None
    for block in message.objects("content"):
        part = _read_block(block, losses, {} if names is None else names)
        if (
            isinstance(part, Thinking)
            and part.redacted
            and part.signature
            and part.signature.origin == "google"
        ):
            # Gemini's signature belongs to the part after it; this style had no other place for it.
            pending = part.signature
            continue
        if pending and isinstance(part, ToolCall | Text):
            part, pending = msgspec.structs.replace(part, signature=pending), None
        parts.append(part)
    return tuple(parts)


def _read_block(block: Fields, losses: Losses, names: dict[str, str]) -> Part:
    kind = block.required_text("type")
    part = _read_known(kind, block, losses, names)
    if part is None:
        return Opaque("anthropic", {"type": kind} | block.rest())
    for name in block.rest():
        losses.add(f"messages.{kind}.{name}")
    return part


def _read_known(kind: str, block: Fields, losses: Losses, names: dict[str, str]) -> Part | None:
    if kind == "text":
        citations = tuple(
            read_citation(value) for value in block.items("citations") if isinstance(value, dict)
        )
        return Text(block.required_text("text"), read_cache(block), citations)
    if kind == "image":
        return _read_image(block)
    if kind == "document":
        return _read_document(block, losses)
    if kind == "search_result":
        texts = tuple(part for part in read_content(block, losses) if isinstance(part, Text))
        cite = block.object("citations")
        return Document(
            name=block.text("title") or "",
            context=block.text("source") or "",
            parts=texts,
            cite=bool(cite and cite.flag("enabled")),
            cache=read_cache(block),
        )
    if kind == "tool_use":
        call = ToolCall(
            id=block.required_text("id"),
            name=block.required_text("name"),
            arguments=_arguments(block.take("input")),
            cache=read_cache(block),
        )
        names[call.id] = call.name
        return call
    if kind == "tool_result":
        call_id = block.required_text("tool_use_id")
        return ToolResult(
            call_id=call_id,
            parts=read_content(block, losses),
            is_error=bool(block.flag("is_error")),
            name=names.get(call_id, ""),
            cache=read_cache(block),
        )
    if kind == "thinking":
        proof = block.text("signature")
        signature = unseal(proof, "anthropic") if proof else None
        return Thinking(
            text=block.required_text("thinking"),
            signature=signature,
            id=signature.id if signature else "",
        )
    if kind == "redacted_thinking":
        return Thinking(signature=unseal(block.required_text("data"), "anthropic"), redacted=True)
    return None


def _arguments(given: Any) -> str:
    """The input as JSON text. Anything but an object is refused by nobody, so it is kept, too."""
    return "" if given is None or given == {} else msgspec.json.encode(given).decode()


def _read_image(block: Fields) -> Image:
    source = block.inner("source")
    cache = read_cache(block)
    kind = source.required_text("type")
    if kind == "base64":
        return Image(
            media_type=source.required_text("media_type"),
            data=source.required_text("data"),
            cache=cache,
        )
    if kind == "url":
        return Image(url=source.required_text("url"), cache=cache)
    if kind != "file":
        source.wrong("type", "base64, url or file", kind)
    return Image(file_id=source.required_text("file_id"), origin="anthropic", cache=cache)


def _read_document(block: Fields, losses: Losses) -> Document:
    source = block.inner("source")
    cite = block.object("citations")
    document = Document(
        name=block.text("title") or "",
        context=block.text("context") or "",
        cite=bool(cite and cite.flag("enabled")),
        cache=read_cache(block),
    )
    kind = source.required_text("type")
    found: dict[str, Any]
    if kind == "base64":
        found = {
            "media_type": source.text("media_type") or "application/pdf",
            "data": source.required_text("data"),
        }
    elif kind == "text":
        found = {
            "media_type": source.text("media_type") or "text/plain",
            "text": source.required_text("data"),
        }
    elif kind == "content":
        parts = read_content(source, losses)
        found = {"parts": tuple(part for part in parts if isinstance(part, Text | Image))}
    elif kind == "url":
        found = {"url": source.required_text("url")}
    elif kind == "file":
        found = {"file_id": source.required_text("file_id"), "origin": "anthropic"}
    else:
        source.wrong("type", "base64, text, content, url or file", kind)
    return msgspec.structs.replace(document, **found)


def read_citation(value: dict[str, Any]) -> Citation:
    """One of `citations`, in any of its forms; offsets are those into the cited document and stay
    in `raw`.
    """

    def text(*names: str) -> str:
        return next((found for name in names if isinstance(found := value.get(name), str)), "")

    return Citation(
        url=text("url"),
        title=text("title", "document_title"),
        cited_text=text("cited_text"),
        origin="anthropic",
        raw=value,
    )
