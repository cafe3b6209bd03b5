"""Whole Responses answers, to and from the neutral form; and what streams share with them."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._fields import Fields, Losses, ReplyFields
from pilotfish.styles._loose import loosely
from pilotfish.styles._media import short_type
from pilotfish.styles._signatures import seal_thinking, with_signatures_placed
from pilotfish.styles.openai.inspector import OpenAITokenCounts
from pilotfish.styles.openai.reply import read_logprobs, service_tier, write_logprobs
from pilotfish.styles.openai_responses.items_in import REDACTED, read_item

_INCOMPLETE = {
    "max_output_tokens": neutral.FinishReason.LENGTH,
    "content_filter": neutral.FinishReason.CONTENT_FILTER,
    "max_messages": neutral.FinishReason.PAUSE,
    "steered": neutral.FinishReason.PAUSE,
}

# Why an answer is incomplete; any other finish completes it.
_REASONS = {
    neutral.FinishReason.LENGTH: "max_output_tokens",
    neutral.FinishReason.CONTEXT: "max_output_tokens",
    neutral.FinishReason.PAUSE: "max_output_tokens",
    neutral.FinishReason.CONTENT_FILTER: "content_filter",
    neutral.FinishReason.REFUSAL: "content_filter",
}


# Annotations that are the same in the answers of both of OpenAI's styles.
_FILE_CITATIONS = ("file_citation", "container_file_citation", "file_path")


def finish_from(incomplete: Any, *, called: bool, refused: bool) -> neutral.FinishReason:
    reason = incomplete.get("reason") if isinstance(incomplete, dict) else incomplete
    if reason:
        return _INCOMPLETE.get(str(reason), neutral.FinishReason.OTHER)
    if called:
        return neutral.FinishReason.TOOL_CALLS
    return neutral.FinishReason.REFUSAL if refused else neutral.FinishReason.STOP


def incomplete_reason(finish: neutral.FinishReason, *, refused: bool) -> str | None:
    """`refused`: the answer holds a refusal as content, which completes it."""
    if finish is neutral.FinishReason.REFUSAL and refused:
        return None
    return _REASONS.get(finish)


def write_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def read_reply(body: bytes) -> neutral.Reply:
    """Raises ValueError for what is no answer, or one that failed."""
    fields = ReplyFields.of(body)
    if fields.peek("error"):
        fields.wrong("error", "an answer", fields.peek("error"))
    if "output" not in fields:
        fields.wrong("output", "a list of items", None)
    parts, logprobs = _read_output(fields)
    called = any(isinstance(part, neutral.ToolCall) for part in parts)
    refused = any(isinstance(part, neutral.Refusal) for part in parts)
    counts = fields.mapping("usage")
    return neutral.Reply(
        id=fields.text("id") or "",
        model=fields.text("model") or "",
        parts=parts,
        finish=finish_from(fields.take("incomplete_details"), called=called, refused=refused),
        usage=loosely(counts, OpenAITokenCounts).usage() if counts else None,
        logprobs=logprobs,
        service_tier=fields.text("service_tier") or "",
    )


def _read_output(fields: Fields) -> tuple[tuple[Part, ...], tuple[neutral.TokenLogprob, ...]]:
    parts: list[Part] = []
    logprobs: list[neutral.TokenLogprob] = []
    for item in fields.objects("output"):
        content = item.peek("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict):
                logprobs += read_logprobs(part.get("logprobs"))
        parts += read_item(item, Losses(), {})[1]
    return with_signatures_placed(parts), tuple(logprobs)


def response_object(response_id: str, model: str, now: float, *, status: str) -> dict[str, Any]:
    """A response without output. What was asked is not repeated in it, since it was asked of
    another vendor in other words.
    """
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(now),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def ended(
    response: dict[str, Any], finish: neutral.FinishReason, usage: Usage | None, *, refused: bool
) -> dict[str, Any]:
    """A response with how it ended."""
    reason = incomplete_reason(finish, refused=refused)
    return response | {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "usage": write_usage(usage) if usage else None,
    }


def write_reply(reply: neutral.Reply, *, model: str, request_id: str, now: float) -> bytes:
    refused = any(isinstance(part, neutral.Refusal) for part in reply.parts)
    response = ended(
        response_object(f"resp_{request_id}", model or reply.model, now, status="completed"),
        reply.finish,
        reply.usage or Usage(),
        refused=refused,
    )
    response["output"] = _write_output(reply, request_id, status=response["status"])
    tier = service_tier(reply)
    if tier:
        response["service_tier"] = tier
    return msgspec.json.encode(response)


def _write_output(reply: neutral.Reply, request_id: str, *, status: str) -> list[dict[str, Any]]:
    """Texts next to one another are one message."""
    output: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []

    def item_id(prefix: str) -> str:
        return f"{prefix}_{request_id}_{len(output)}"

    for part in reply.parts:
        if isinstance(part, neutral.Text | neutral.ToolCall | neutral.Image) and part.signature:
            content = []
            output.append(reasoning_item(item_id("rs"), neutral.Thinking(signature=part.signature)))
        if isinstance(part, neutral.Text | neutral.Refusal | neutral.Audio):
            if not content:
                output.append(message_item(item_id("msg"), content, status=status))
            content.append(_write_content(part))
            continue
        content = []
        if isinstance(part, neutral.Thinking):
            output.append(reasoning_item(item_id("rs"), part))
        elif isinstance(part, neutral.ToolCall):
            output.append(
                call_item(item_id("fc"), part.id, part.name, part.arguments, kind=part.kind)
            )
        elif isinstance(part, neutral.Image) and part.data:
            output.append(image_item(item_id("ig"), part))
        elif isinstance(part, neutral.Opaque) and part.origin == "openai_responses":
            output.append(part.raw)
    first = next((item for item in output if item["type"] == "message"), None)
    if first and reply.logprobs:
        first["content"][0]["logprobs"] = write_logprobs(reply.logprobs, no_bytes=[])
    return output


def _write_content(part: neutral.Text | neutral.Refusal | neutral.Audio) -> dict[str, Any]:
    if isinstance(part, neutral.Refusal):
        return refusal_part(part.text)
    if isinstance(part, neutral.Audio):
        return text_part(part.transcript, [])
    return text_part(
        part.text, [write_annotation(citation, 0, len(part.text)) for citation in part.citations]
    )


def text_part(text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def refusal_part(text: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text}


def message_item(identity: str, content: list[dict[str, Any]], *, status: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": identity,
        "status": status,
        "role": "assistant",
        "content": content,
    }


def call_item(
    identity: str, call_id: str, name: str, arguments: str, *, kind: str, status: str = "completed"
) -> dict[str, Any]:
    item: dict[str, Any] = {"id": identity, "status": status, "call_id": call_id, "name": name}
    if kind == "custom":
        return {"type": "custom_tool_call"} | item | {"input": arguments}
    return (
        {"type": "function_call"}
        | item
        | {"arguments": arguments or ("{}" if status == "completed" else "")}
    )


def image_item(identity: str, image: neutral.Image) -> dict[str, Any]:
    """A picture that the model made, as OpenAI's own tool for pictures gives one."""
    form = short_type(image.media_type or "image/png")
    item = {"type": "image_generation_call", "id": identity, "status": "completed"}
    return item | {"output_format": form, "result": image.data}


def reasoning_item(identity: str, thinking: neutral.Thinking) -> dict[str, Any]:
    """Any vendor's thinking, as a summary, which is what clients show; its proof is sealed where
    OpenAI has its own.
    """
    signature = thinking.signature
    if signature and thinking.redacted:
        signature = neutral.Signature(signature.origin, signature.value, REDACTED)
    if signature and signature.origin == "openai_responses" and (signature.id or thinking.id):
        identity = signature.id or thinking.id
    summary = [{"type": "summary_text", "text": thinking.text}] if thinking.text else []
    proof = seal_thinking(signature, "openai_responses") if signature or thinking.text else None
    return {"type": "reasoning", "id": identity, "summary": summary, "encrypted_content": proof}


def write_annotation(citation: neutral.Citation, start: int, end: int) -> dict[str, Any]:
    """Flat, unlike in Chat Completions. A place in the client's own document is a file's
    citation.
    """
    if citation.origin == "openai" and citation.raw.get("type") in _FILE_CITATIONS:
        return citation.raw
    if citation.url:
        return {
            "type": "url_citation",
            "start_index": citation.start if citation.start is not None else start,
            "end_index": citation.end if citation.end is not None else end,
            "title": citation.title,
            "url": citation.url,
        }
    return {
        "type": "file_citation",
        "file_id": "",
        "filename": citation.title,
        "index": citation.start or start,
    }
