"""Reading Anthropic's content blocks into neutral parts, in requests and in answers."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._media import proper_type
from pilotfish.styles._signatures import unseal, unseal_thinking, with_signatures_placed


def read_cache(block: Fields) -> neutral.Cache | None:
    mark = block.object("cache_control")
    return neutral.Cache(mark.text("ttl") or "") if mark else None


def read_content(
    message: Fields, losses: Losses, names: dict[str, str] | None = None
) -> tuple[Part, ...]:
    """`content`: a string or a list of blocks. `names` are those of the tool calls so far, by id,
    and is added to.
    """
    content = message.peek("content")
    if isinstance(content, str):
        message.take("content")
        return (neutral.Text(content),) if content else ()
    known = {} if names is None else names
    return with_signatures_placed(
        [_read_block(block, losses, known) for block in message.objects("content")]
    )


def _read_block(block: Fields, losses: Losses, names: dict[str, str]) -> Part:
    kind = block.required_text("type")
    part = _read_known(kind, block, losses, names)
    if part is None:
        return opaque({"type": kind} | block.rest())
    for name in block.rest():
        losses.add(f"messages.{kind}.{name}")
    return part


def opaque(raw: dict[str, Any]) -> neutral.Opaque:
    """A block that Anthropic alone knows. A summary of the conversation so far stands for turns
    that are no longer sent, so other vendors get its text."""
    summary = raw.get("content") if raw.get("type") == "compaction" else None
    return neutral.Opaque("anthropic", raw, summary if isinstance(summary, str) else "")


def _read_known(kind: str, block: Fields, losses: Losses, names: dict[str, str]) -> Part | None:
    if kind == "text":
        citations = tuple(
            read_citation(value) for value in block.items("citations") if isinstance(value, dict)
        )
        return neutral.Text(block.required_text("text"), read_cache(block), citations)
    if kind == "image":
        return _read_image(block)
    if kind == "document":
        return _read_document(block, losses)
    if kind == "search_result":
        texts = tuple(
            part for part in read_content(block, losses) if isinstance(part, neutral.Text)
        )
        cite = block.object("citations")
        return neutral.Document(
            name=block.text("title") or "",
            context=block.text("source") or "",
            parts=texts,
            cite=bool(cite and cite.flag("enabled")),
            cache=read_cache(block),
        )
    if kind == "tool_use":
        call = neutral.ToolCall(
            id=block.required_text("id"),
            name=block.required_text("name"),
            arguments=_arguments(block.take("input")),
            cache=read_cache(block),
        )
        names[call.id] = call.name
        return call
    if kind == "tool_result":
        call_id = block.required_text("tool_use_id")
        return neutral.ToolResult(
            call_id=call_id,
            parts=read_content(block, losses),
            is_error=bool(block.flag("is_error")),
            name=names.get(call_id, ""),
            cache=read_cache(block),
        )
    if kind == "thinking":
        signature = unseal_thinking(block.text("signature"), "anthropic")
        return neutral.Thinking(
            text=block.required_text("thinking"),
            signature=signature,
            id=signature.id if signature else "",
        )
    if kind == "redacted_thinking":
        return neutral.Thinking(
            signature=unseal(block.required_text("data"), "anthropic"), redacted=True
        )
    return None


def _arguments(given: Any) -> str:
    """The input as JSON text. Anything but an object is refused by nobody, so it is kept, too."""
    return "" if given is None or given == {} else msgspec.json.encode(given).decode()


def _read_image(block: Fields) -> neutral.Image:
    source = block.inner("source")
    cache = read_cache(block)
    kind = source.required_text("type")
    if kind == "base64":
        return neutral.Image(
            media_type=proper_type(source.required_text("media_type")),
            data=source.required_text("data"),
            cache=cache,
        )
    if kind == "url":
        return neutral.Image(url=source.required_text("url"), cache=cache)
    if kind != "file":
        source.wrong("type", "base64, url or file", kind)
    return neutral.Image(file_id=source.required_text("file_id"), origin="anthropic", cache=cache)


def _read_document(block: Fields, losses: Losses) -> neutral.Document:
    source = block.inner("source")
    cite = block.object("citations")
    document = neutral.Document(
        name=block.text("title") or "",
        context=block.text("context") or "",
        cite=bool(cite and cite.flag("enabled")),
        cache=read_cache(block),
    )
    kind = source.required_text("type")
    found: dict[str, Any]
    if kind == "base64":
        found = {
            "media_type": proper_type(source.text("media_type") or "application/pdf"),
            "data": source.required_text("data"),
        }
    elif kind == "text":
        found = {
            "media_type": source.text("media_type") or "text/plain",
            "text": source.required_text("data"),
        }
    elif kind == "content":
        parts = read_content(source, losses)
        found = {
            "parts": tuple(part for part in parts if isinstance(part, neutral.Text | neutral.Image))
        }
    elif kind == "url":
        found = {"url": source.required_text("url")}
    elif kind == "file":
        found = {"file_id": source.required_text("file_id"), "origin": "anthropic"}
    else:
        source.wrong("type", "base64, text, content, url or file", kind)
    return msgspec.structs.replace(document, **found)


def read_citation(value: dict[str, Any]) -> neutral.Citation:
    """One of `citations`, in any of its forms; offsets are those into the cited document and stay
    in `raw`.
    """

    def text(*names: str) -> str:
        return next((found for name in names if isinstance(found := value.get(name), str)), "")

    return neutral.Citation(
        url=text("url"),
        title=text("title", "document_title"),
        cited_text=text("cited_text"),
        origin="anthropic",
        raw=value,
    )
