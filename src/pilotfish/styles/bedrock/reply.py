"""Whole Converse answers, to and from the neutral form; and what streams share with them."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.neutral import FinishReason, Json, Reply
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._fields import Losses, ReplyFields
from pilotfish.styles._loose import loosely
from pilotfish.styles.anthropic.structured import unwrap
from pilotfish.styles.bedrock.blocks_in import ORIGIN, read_blocks
from pilotfish.styles.bedrock.blocks_out import write_answer_blocks
from pilotfish.styles.bedrock.inspector import BedrockTokenCounts

_FINISHES = {
    "end_turn": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "malformed_tool_use": FinishReason.MALFORMED_CALL,
    "malformed_model_output": FinishReason.MALFORMED,
    "model_context_window_exceeded": FinishReason.CONTEXT,
    "refusal": FinishReason.REFUSAL,  # not in the reference; Claude's own word
}

_WORDS = {
    FinishReason.STOP: "end_turn",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.CONTENT_FILTER: "content_filtered",
    FinishReason.REFUSAL: "content_filtered",
    FinishReason.MALFORMED_CALL: "malformed_tool_use",
    FinishReason.MALFORMED: "malformed_model_output",
    FinishReason.CONTEXT: "model_context_window_exceeded",
}


def finish_from(word: str) -> FinishReason:
    return _FINISHES.get(word, FinishReason.OTHER)


def finish_word(finish: FinishReason) -> str:
    return _WORDS.get(finish, "end_turn")


def read_usage(counts: Any) -> Usage | None:
    return loosely(counts, BedrockTokenCounts).usage() if isinstance(counts, dict) else None


def write_usage(usage: Usage) -> Json:
    """Bedrock counts cached and written tokens beside `inputTokens`, not in it."""
    counts: Json = {
        "inputTokens": max(0, usage.input - usage.cached_input - usage.cache_write),
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
    }
    if usage.cached_input or usage.cache_write:
        counts |= {
            "cacheReadInputTokens": usage.cached_input,
            "cacheWriteInputTokens": usage.cache_write,
        }
    if usage.cache_write_1h:
        details = [{"ttl": "1h", "inputTokens": usage.cache_write_1h}]
        if usage.cache_write > usage.cache_write_1h:
            rest = usage.cache_write - usage.cache_write_1h
            details.append({"ttl": "5m", "inputTokens": rest})
        counts["cacheDetails"] = details
    return counts


def stop_sequence_in(fields: ReplyFields) -> str:
    """Claude says which one it was, if `additionalModelResponseFieldPaths` asked for it."""
    more = fields.take("additionalModelResponseFields")
    found = more.get("stop_sequence") if isinstance(more, dict) else None
    return found if isinstance(found, str) else ""


def read_reply(body: bytes) -> Reply:
    fields = ReplyFields.of(body)
    output = fields.object("output")
    message = output.object("message") if output else None
    if message is None:
        fields.wrong("output.message", "an object", None)
    finish = finish_from(fields.text("stopReason") or "")
    parts, finish = unwrap(read_blocks(message, "content", Losses(), {}), finish)
    tier = fields.object("serviceTier")
    stop_sequence = stop_sequence_in(fields)
    usage = read_usage(fields.take("usage"))
    extras = {
        name: value
        for name, value in fields.rest().items()
        if name in ("trace", "performanceConfig")
    }
    return Reply(
        parts=parts,
        finish=finish,
        stop_sequence=stop_sequence,
        usage=usage,
        service_tier=(tier.text("type") if tier else "") or "",
        extras={ORIGIN: extras} if extras else {},
    )


def write_reply(reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
    """Latency is not ours to know here; clients only demand that the field is there."""
    content = write_answer_blocks(reply.parts)
    body: Json = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": finish_word(reply.finish),
        "usage": write_usage(reply.usage or Usage()),
        "metrics": {"latencyMs": 0},
    }
    if reply.stop_sequence:
        body["additionalModelResponseFields"] = {"stop_sequence": reply.stop_sequence}
    return msgspec.json.encode(body | reply.extras.get(ORIGIN, {}))
