"""Writing neutral parts as Anthropic's content blocks, in requests and in answers."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._fields import Losses
from pilotfish.styles._media import text_in, tool_id
from pilotfish.styles._requests import kind_of
from pilotfish.styles._signatures import seal, seal_thinking

Block = dict[str, Any]


def write_cache(cache: neutral.Cache) -> Block:
    """`ttl` is Anthropic's own word or left out, which means five minutes."""
    return {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl in ("5m", "1h") else {})


def marked(block: Block, cache: neutral.Cache | None) -> Block:
    return block | {"cache_control": write_cache(cache)} if cache else block


def write_blocks(parts: tuple[Part, ...], quirks: Quirks, losses: Losses) -> list[Block]:
    """For a request. Blank texts are left out, since Anthropic refuses them and they say
    nothing.
    """
    blocks: list[Block] = []
    for part in parts:
        block = _write_part(part, quirks, losses)
        if block:
            blocks.append(marked(block, getattr(part, "cache", None)))
    return blocks


def _write_part(part: Part, quirks: Quirks, losses: Losses) -> Block | None:
    if isinstance(part, neutral.Text | neutral.Refusal):
        return _write_text(part, losses)
    if isinstance(part, neutral.Image):
        return _write_image(part, losses)
    if isinstance(part, neutral.Document):
        return _write_document(part, quirks, losses)
    if isinstance(part, neutral.ToolCall):
        return write_tool_use(part, tool_id(part.id, quirks, plain=True))
    if isinstance(part, neutral.ToolResult):
        return _write_result(part, quirks, losses)
    if isinstance(part, neutral.Thinking):
        return _write_thinking(part, losses)
    if isinstance(part, neutral.Audio):
        losses.add("messages.audio")
        return {"type": "text", "text": part.transcript} if part.transcript else None
    if part.origin == "anthropic":
        return part.raw
    losses.add(f"messages.{kind_of(part)}")
    return None


def _write_text(part: neutral.Text | neutral.Refusal, losses: Losses) -> Block | None:
    if not part.text.strip():
        return None
    block: Block = {"type": "text", "text": part.text}
    citations = part.citations if isinstance(part, neutral.Text) else ()
    own = [
        citation.raw for citation in citations if citation.origin == "anthropic" and citation.raw
    ]
    if len(own) < len(citations):
        losses.add("messages.citations")
    return block | ({"citations": own} if own else {})


def _write_thinking(part: neutral.Thinking, losses: Losses) -> Block | None:
    """Only what Claude itself signed may come back; it refuses the rest."""
    signature = part.signature
    if signature is None or signature.origin != "anthropic":
        losses.add("messages.thinking")
        return None
    if part.redacted:
        return {"type": "redacted_thinking", "data": signature.value}
    return {"type": "thinking", "thinking": part.text, "signature": signature.value}


def write_tool_use(call: neutral.ToolCall, identity: str) -> Block:
    return {
        "type": "tool_use",
        "id": identity,
        "name": call.name,
        "input": neutral.arguments_object(call.arguments),
    }


def _write_result(result: neutral.ToolResult, quirks: Quirks, losses: Losses) -> Block:
    content = write_blocks(result.parts, quirks, losses)
    block: Block = {
        "type": "tool_result",
        "tool_use_id": tool_id(result.call_id, quirks, plain=True),
    }
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    return block | ({"is_error": True} if result.is_error else {})


def _write_image(image: neutral.Image, losses: Losses) -> Block | None:
    if image.detail and image.detail != "auto":
        losses.add("messages.image.detail")
    if image.data:
        source = {
            "type": "base64",
            "media_type": image.media_type or "image/png",
            "data": image.data,
        }
    elif image.url:
        source = {"type": "url", "url": image.url}
    elif image.origin == "anthropic":
        source = {"type": "file", "file_id": image.file_id}
    else:
        losses.add("messages.image.file_id")
        return None
    return {"type": "image", "source": source}


def _write_document(document: neutral.Document, quirks: Quirks, losses: Losses) -> Block | None:
    source = _document_source(document, quirks, losses)
    if source is None:
        return None
    block: Block = {"type": "document", "source": source}
    if document.name:
        block["title"] = document.name
    if document.context:
        block["context"] = document.context
    return block | ({"citations": {"enabled": True}} if document.cite else {})


def _document_source(document: neutral.Document, quirks: Quirks, losses: Losses) -> Block | None:
    """Anthropic reads PDF and plain text, and nothing else."""
    if document.parts:
        return {"type": "content", "content": write_blocks(document.parts, quirks, losses)}
    if document.text:
        return {"type": "text", "media_type": "text/plain", "data": document.text}
    if document.url:
        return {"type": "url", "url": document.url}
    if document.file_id and document.origin == "anthropic":
        return {"type": "file", "file_id": document.file_id}
    if not document.data:
        losses.add("messages.document.file_id")
        return None
    if document.media_type == "application/pdf":
        return {"type": "base64", "media_type": "application/pdf", "data": document.data}
    text = text_in(document.media_type, document.data)
    if text is not None:
        return {"type": "text", "media_type": "text/plain", "data": text}
    losses.add(f"messages.document.{document.media_type or 'data'}")
    return None


def write_citation(citation: neutral.Citation) -> Block:
    """For an answer. Another vendor's citation takes the form that has the same facts: a page of
    the web, or a place in a document.
    """
    if citation.origin == "anthropic" and citation.raw:
        return citation.raw
    if citation.url:
        return {
            "type": "web_search_result_location",
            "url": citation.url,
            "title": citation.title or None,
            "cited_text": citation.cited_text,
            "encrypted_index": "",
        }
    return {
        "type": "char_location",
        "cited_text": citation.cited_text,
        "document_index": 0,
        "document_title": citation.title or None,
        "start_char_index": citation.start or 0,
        "end_char_index": citation.end or 0,
    }


def write_answer_blocks(parts: tuple[Part, ...]) -> list[Block]:
    """For an answer to a client, which will hand back what it is given: foreign signatures are
    sealed into Anthropic's places.
    """
    blocks: list[Block] = []
    for part in parts:
        if isinstance(part, neutral.Text | neutral.ToolCall) and part.signature:
            blocks.append({"type": "redacted_thinking", "data": seal(part.signature, "anthropic")})
        if isinstance(part, neutral.Text):
            citations = [write_citation(citation) for citation in part.citations]
            cited = {"citations": citations} if citations else {}
            blocks.append({"type": "text", "text": part.text} | cited)
        elif isinstance(part, neutral.Refusal):
            blocks.append({"type": "text", "text": part.text})
        elif isinstance(part, neutral.ToolCall):
            blocks.append(write_tool_use(part, part.id))
        elif isinstance(part, neutral.Thinking):
            proof = seal_thinking(part.signature, "anthropic")
            redacted = part.redacted and part.signature is not None
            blocks.append(
                {"type": "redacted_thinking", "data": proof}
                if redacted
                else {"type": "thinking", "thinking": part.text, "signature": proof}
            )
        elif isinstance(part, neutral.Audio) and part.transcript:
            blocks.append({"type": "text", "text": part.transcript})
        elif isinstance(part, neutral.Opaque) and part.origin == "anthropic":
            blocks.append(part.raw)
    return blocks
