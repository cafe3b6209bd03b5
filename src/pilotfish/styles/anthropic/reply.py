"""Whole Anthropic messages, to and from the neutral form; and what streams share with them."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.neutral import FinishReason, Refusal, Reply, ToolCall
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._fields import Losses, ReplyFields
from pilotfish.styles._guardrail import ACTION, INTERVENED
from pilotfish.styles._loose import loosely
from pilotfish.styles.anthropic.blocks_in import read_content
from pilotfish.styles.anthropic.blocks_out import write_answer_blocks
from pilotfish.styles.anthropic.inspector import AnthropicTokenCounts
from pilotfish.styles.anthropic.structured import unwrap

_FINISHES = {
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "tool_use": FinishReason.TOOL_CALLS,
    "compaction": FinishReason.PAUSE,
    "pause_turn": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
    "model_context_window_exceeded": FinishReason.CONTEXT,
}

_WORDS = {finish: word for word, finish in _FINISHES.items()} | {
    FinishReason.CONTENT_FILTER: "refusal"
}


def finish_from(word: str) -> FinishReason:
    return _FINISHES.get(word, FinishReason.OTHER)


def finish_word(finish: FinishReason) -> str:
    return _WORDS.get(finish, "end_turn")


def explanation_in(details: Any) -> str:
    """What `stop_details` say of a refusal."""
    if not isinstance(details, dict):
        return ""
    return str(details.get("explanation") or details.get("category") or "")


def write_usage(usage: Usage) -> dict[str, Any]:
    """Anthropic counts cached and written tokens beside `input_tokens`, not in it."""
    counts: dict[str, Any] = {
        "input_tokens": max(0, usage.input - usage.cached_input - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.cache_write_1h:
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    return counts


def read_reply(body: bytes) -> Reply:
    """Raises ValueError for what is no message."""
    fields = ReplyFields.of(body)
    if fields.peek("type") == "error" or "content" not in fields:
        fields.wrong("content", "a list of blocks", fields.peek("error"))
    parts = read_content(fields, Losses())
    finish = finish_from(fields.text("stop_reason") or "end_turn")
    parts, finish = unwrap(parts, finish)
    if fields.take(ACTION) == INTERVENED:
        finish = FinishReason.CONTENT_FILTER
    counts = fields.mapping("usage")
    tier = counts.get("service_tier") if counts else None
    reply = Reply(
        id=fields.text("id") or "",
        model=fields.text("model") or "",
        parts=parts,
        finish=finish,
        stop_sequence=fields.text("stop_sequence") or "",
        finish_details=explanation_in(fields.take("stop_details")),
        usage=loosely(counts, AnthropicTokenCounts).usage() if counts else None,
        service_tier=tier if isinstance(tier, str) else "",
    )
    for known in ("type", "role"):
        fields.take(known)
    rest = fields.rest()
    return msgspec.structs.replace(reply, extras={"anthropic": rest}) if rest else reply


def write_reply(reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
    finish = reply.finish
    if finish is FinishReason.STOP and any(isinstance(part, Refusal) for part in reply.parts):
        finish = FinishReason.REFUSAL
    elif finish is FinishReason.STOP and any(isinstance(part, ToolCall) for part in reply.parts):
        finish = FinishReason.TOOL_CALLS
    body: dict[str, Any] = {
        "id": f"msg_{request_id}",
        "type": "message",
        "role": "assistant",
        "model": model or reply.model,
        "content": write_answer_blocks(reply.parts),
        "stop_reason": finish_word(finish),
        "stop_sequence": reply.stop_sequence or None,
    }
    if finish is FinishReason.REFUSAL and reply.finish_details:
        body["stop_details"] = stop_details(reply.finish_details)
    body["usage"] = write_usage(reply.usage or Usage())
    own = reply.extras.get("anthropic", {})
    return msgspec.json.encode(
        body | {name: value for name, value in own.items() if name not in body}
    )


def stop_details(explanation: str) -> dict[str, Any]:
    return {"type": "refusal", "category": None, "explanation": explanation}
