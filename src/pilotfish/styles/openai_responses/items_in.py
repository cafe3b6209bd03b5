"""Reading Responses items, of a request's input or an answer's output, into neutral parts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._media import TYPES
from pilotfish.styles._signatures import unseal_thinking
from pilotfish.styles.openai.parts import document_from, image_from, read_audio, read_cache
from pilotfish.styles.openai.reply import read_annotation
from pilotfish.styles.openai.request_in import arguments_text

REDACTED = "redacted"
"""Stands as the id in a sealed signature of Anthropic's redacted thinking."""

Role = Literal["user", "assistant", "system"]
_ROLES: dict[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}


def read_item(item: Fields, losses: Losses, names: dict[str, str]) -> tuple[Role, tuple[Part, ...]]:
    """Whose turn an item belongs to, and its parts. `names` are those of the calls so far, by id,
    and is added to.
    """
    kind = item.text("type") or "message"
    if kind == "message":
        role = item.required_text("role")
        if role not in _ROLES:
            item.wrong("role", "user, assistant, system or developer", role)
        return _ROLES[role], read_content(item, "content", losses)
    if kind in ("function_call", "custom_tool_call"):
        call = read_call(kind, item)
        names[call.id] = call.name
        return "assistant", (call,)
    if kind in ("function_call_output", "custom_tool_call_output"):
        call_id = item.required_text("call_id")
        parts = read_content(item, "output", losses)
        word: Literal["function", "custom"] = "custom" if kind.startswith("custom") else "function"
        return "user", (
            neutral.ToolResult(
                call_id=call_id, parts=parts, name=names.get(call_id, ""), kind=word
            ),
        )
    if kind == "reasoning":
        return "assistant", (read_reasoning(item),)
    if kind == "item_reference":
        losses.add("input.item_reference")
        return "user", ()
    if kind == "image_generation_call" and isinstance(item.peek("result"), str):
        return "assistant", (read_image(item.rest()),)
    return "assistant", (neutral.Opaque("openai_responses", {"type": kind} | item.rest()),)


def read_image(item: dict[str, Any]) -> neutral.Image:
    """A picture that a model made, from an `image_generation_call` with its `result`."""
    form = item.get("output_format")
    media_type = TYPES.get(form, "image/png") if isinstance(form, str) else "image/png"
    return neutral.Image(media_type=media_type, data=item["result"])


def read_call(kind: str, item: Fields) -> neutral.ToolCall:
    custom = kind == "custom_tool_call"
    return neutral.ToolCall(
        id=item.text("call_id") or item.required_text("id"),
        name=item.required_text("name"),
        arguments=(item.text("input") or "") if custom else arguments_text(item.take("arguments")),
        kind="custom" if custom else "function",
    )


def read_reasoning(item: Fields) -> neutral.Thinking:
    """Summaries are what OpenAI shows; open models give the reasoning itself as `content`."""
    summary = _texts(item.items("summary"))
    content = _texts(item.items("content"))
    identity = item.text("id") or ""
    proof = item.text("encrypted_content")
    signature = unseal_thinking(proof, "openai_responses")
    if signature and signature.origin == "openai_responses":
        identity = signature.id or identity
        signature = msgspec.structs.replace(signature, id=identity)
    redacted = (
        signature is not None and signature.origin == "anthropic" and signature.id == REDACTED
    )
    if signature and redacted:
        signature = msgspec.structs.replace(signature, id="")
    return neutral.Thinking(
        text="\n\n".join(summary or content),
        signature=signature,
        redacted=redacted,
        summary=bool(summary) and (signature is None or signature.origin == "openai_responses"),
        id=identity,
    )


def _texts(values: list[Any]) -> list[str]:
    return [
        value["text"]
        for value in values
        if isinstance(value, dict) and isinstance(value.get("text"), str)
    ]


def read_content(item: Fields, key: str, losses: Losses) -> tuple[Part, ...]:
    content = item.peek(key)
    if isinstance(content, str):
        item.take(key)
        return (neutral.Text(content),) if content else ()
    parts = (_read_part(part, losses) for part in item.objects(key))
    return tuple(part for part in parts if part is not None)


def _read_part(part: Fields, losses: Losses) -> Part | None:
    kind = part.required_text("type")
    cache = read_cache(part)
    if kind in ("input_text", "output_text", "text", "summary_text"):
        found = (read_annotation(value) for value in part.items("annotations"))
        return neutral.Text(
            part.required_text("text"),
            cache,
            tuple(citation for citation in found if citation is not None),
        )
    if kind == "refusal":
        return neutral.Refusal(part.required_text("refusal"))
    if kind == "reasoning_text":
        return neutral.Thinking(text=part.required_text("text"))
    if kind == "input_image":
        detail, file_id = part.text("detail") or "", part.text("file_id")
        if file_id:
            return neutral.Image(
                file_id=file_id, origin="openai_responses", detail=detail, cache=cache
            )
        return image_from(part.required_text("image_url"), detail, cache)
    if kind == "input_file":
        return _read_file(part, cache)
    if kind == "input_audio":
        return read_audio(part.inner("input_audio"), cache)
    losses.add(f"input.{kind}")
    return None


def _read_file(part: Fields, cache: Any) -> neutral.Document:
    name = part.text("filename") or ""
    file_id, url = part.text("file_id"), part.text("file_url")
    if file_id:
        return neutral.Document(file_id=file_id, origin="openai_responses", name=name, cache=cache)
    if url:
        return neutral.Document(url=url, name=name, cache=cache)
    return document_from(part.required_text("file_data"), name, cache)
