"""Answers of generateContent, to and from the neutral form: the first candidate."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from pilotfish.core.formats.neutral import (
    Citation,
    FinishReason,
    Image,
    Json,
    Part,
    Reply,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._fields import Losses, ReplyFields
from pilotfish.styles._loose import loosely
from pilotfish.styles.google.citations import Offsets, read_citations, write_citations
from pilotfish.styles.google.inspector import FILTERED, GoogleTokenCounts
from pilotfish.styles.google.parts import read_part, seal, write_call, write_part
from pilotfish.styles.google.request_in import MADE_UP, SERVICE_TIERS

_BAD_CALL = (
    "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE"
)

FINISH_REASONS = (
    {
        "STOP": FinishReason.STOP,
        "MAX_TOKENS": FinishReason.LENGTH,
        "CONTINUATION": FinishReason.PAUSE,
        "MALFORMED_RESPONSE": FinishReason.MALFORMED,
    }
    | dict.fromkeys(FILTERED, FinishReason.CONTENT_FILTER)
    | dict.fromkeys(_BAD_CALL.split(), FinishReason.MALFORMED_CALL)
)
"""Google's words; what is not here (`NO_IMAGE`, `ESCALATION` and others) is `other`. Sources:
ai.google.dev/api/generate-content#FinishReason and Vertex AI's reference of the same name, read
2026-11."""

_WORDS = {
    FinishReason.STOP: "STOP",
    FinishReason.STOP_SEQUENCE: "STOP",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTEXT: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.REFUSAL: "SAFETY",
    FinishReason.MALFORMED_CALL: "MALFORMED_FUNCTION_CALL",
    FinishReason.MALFORMED: "MALFORMED_RESPONSE",
}

_NO_ID_LETTERS = re.compile(r"[^A-Za-z0-9_-]")


def finish_for(word: str, has_calls: bool) -> FinishReason:
    """Google says `STOP` for tool calls, too."""
    reason = FINISH_REASONS.get(word, FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if reason is FinishReason.STOP and has_calls else reason


def word_for(reason: FinishReason) -> str:
    return _WORDS.get(reason, "OTHER")


def made_up_id(response_id: str, call: ToolCall, index: int) -> str:
    """The same id for the same call of the same answer; the answer's own id keeps it apart from
    those of other turns.
    """
    if response_id:
        return f"{MADE_UP}{_NO_ID_LETTERS.sub('_', response_id)[:40]}_{index}"
    whole = f"{index}:{call.name}:{call.arguments}".encode("utf-8", "surrogatepass")
    return f"{MADE_UP}{hashlib.sha256(whole).hexdigest()[:20]}_{index}"


def with_id(call: ToolCall, response_id: str, index: int) -> ToolCall:
    return (
        call if call.id else msgspec.structs.replace(call, id=made_up_id(response_id, call, index))
    )


# --- reading ---


def read_reply(body: bytes) -> Reply:
    fields = ReplyFields.of(body)
    if "error" in fields:
        raise ValueError("expected an answer, found an error")
    response_id = fields.text("responseId") or ""
    candidate = next(fields.objects("candidates"), ReplyFields({}, "candidates[0]"))
    parts = read_parts(candidate, response_id, first_index=0)
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    word, details = finish_of(fields, candidate)
    if "groundingMetadata" in candidate or "citationMetadata" in candidate:
        texts = {i: Offsets(part.text) for i, part in enumerate(parts) if isinstance(part, Text)}
        parts = _with_citations(parts, read_citations(candidate, texts))
    tier = _tier_in(fields.peek("usageMetadata"))
    return Reply(
        id=response_id,
        model=fields.text("modelVersion") or "",
        parts=parts,
        finish=finish_for(word, has_calls),
        finish_details=details,
        usage=read_usage(fields),
        logprobs=read_logprobs(candidate),
        service_tier=SERVICE_TIERS.get(tier, tier),
    )


def _tier_in(counts: Any) -> str:
    """The tier that served, which Google says among the counts, in lower case."""
    tier = counts.get("serviceTier") if isinstance(counts, dict) else None
    return tier.lower() if isinstance(tier, str) else ""


def finish_of(fields: ReplyFields, candidate: ReplyFields) -> tuple[str, str]:
    """The finish reason and words about it; a prompt that was refused has no candidate."""
    word = candidate.text("finishReason") or ""
    details = candidate.text("finishMessage") or ""
    feedback = fields.object("promptFeedback")
    blocked = feedback.text("blockReason") if feedback else None
    if feedback and blocked and not word:
        # Whatever Google's reason for refusing a prompt, for the client it is a filter.
        word = blocked if blocked in FINISH_REASONS else "SAFETY"
        details = feedback.text("blockReasonMessage") or blocked
    return word, details


def read_parts(candidate: ReplyFields, response_id: str, *, first_index: int) -> tuple[Part, ...]:
    """The parts of a candidate; calls are counted from `first_index`."""
    content = candidate.object("content")
    parts: list[Part] = []
    index = first_index
    for part in content.objects("parts") if content else ():
        found = read_part(part, Losses())
        if isinstance(found, ToolCall):
            found = with_id(found, response_id, index)
            index += 1
        if found is not None:
            parts.append(found)
    return tuple(parts)


def read_usage(fields: ReplyFields) -> Usage | None:
    counts = fields.take("usageMetadata")
    return loosely(counts, GoogleTokenCounts).usage() if isinstance(counts, dict) else None


def read_logprobs(candidate: ReplyFields) -> tuple[TokenLogprob, ...]:
    result = candidate.object("logprobsResult")
    if result is None:
        return ()
    alternatives = [
        tuple(_token(token) for token in place.objects("candidates"))
        for place in result.objects("topCandidates")
    ]
    chosen = [_token(token) for token in result.objects("chosenCandidates")]
    return tuple(
        TokenLogprob(
            token.token, token.logprob, top=alternatives[index] if index < len(alternatives) else ()
        )
        for index, token in enumerate(chosen)
    )


def _token(fields: ReplyFields) -> TokenLogprob:
    return TokenLogprob(fields.text("token") or "", fields.number("logProbability") or 0.0)


def _with_citations(parts: tuple[Part, ...], found: list[tuple[int, Citation]]) -> tuple[Part, ...]:
    """Citations at the text parts they belong to."""
    out = list(parts)
    by_place: dict[int, list[Citation]] = {}
    for place, citation in found:
        by_place.setdefault(place, []).append(citation)
    for index, citations in by_place.items():
        part = out[index] if index < len(out) else None
        if isinstance(part, Text):
            out[index] = msgspec.structs.replace(part, citations=tuple(citations))
    return tuple(out)


# --- writing ---


def write_reply(reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
    parts: list[Json] = []
    texts: list[tuple[int, str, tuple[Citation, ...]]] = []
    for part in reply.parts:
        item = write_answer_part(part)
        if item is None:
            continue
        if isinstance(part, Text):
            texts.append((len(parts), part.text, part.citations))
        parts.append(item)
    candidate: Json = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": word_for(reply.finish),
        "index": 0,
    }
    if reply.finish_details:
        candidate["finishMessage"] = reply.finish_details
    grounding = write_citations(texts)
    if grounding:
        candidate["groundingMetadata"] = grounding
    if reply.logprobs:
        candidate["logprobsResult"] = write_logprobs(reply.logprobs)
    body: Json = {"candidates": [candidate]}
    if reply.usage:
        body["usageMetadata"] = write_usage(reply.usage)
    return msgspec.json.encode(
        body | {"modelVersion": model or reply.model, "responseId": request_id}
    )


def write_answer_part(part: Part) -> dict[str, Any] | None:
    """A part for a client, which hands signatures of all vendors back. None for what no answer of
    Google can hold.
    """
    if isinstance(part, ToolCall):
        written: dict[str, Any] = write_call(part, with_id=not part.id.startswith(MADE_UP))
    elif isinstance(part, Thinking):
        if not part.text and part.signature is None:
            return None
        written = {"text": part.text, "thought": True}
    else:
        found = write_part(part, Losses())
        if found is None or not isinstance(part, Image):
            return found
        written = found
    if part.signature:
        redacted = isinstance(part, Thinking) and part.redacted
        written["thoughtSignature"] = seal(part.signature, redacted=redacted)
    return written


def write_usage(usage: Usage) -> Json:
    """Thoughts are counted beside the candidates, cached tokens within the prompt."""
    counts: Json = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": max(0, usage.output - usage.reasoning),
    }
    counts["totalTokenCount"] = usage.input + usage.output
    if usage.cached_input:
        counts["cachedContentTokenCount"] = usage.cached_input
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts


def write_logprobs(tokens: tuple[TokenLogprob, ...]) -> Json:
    return {
        "chosenCandidates": [
            {"token": token.token, "logProbability": token.logprob} for token in tokens
        ],
        "topCandidates": [
            {
                "candidates": [
                    {"token": other.token, "logProbability": other.logprob} for other in token.top
                ]
            }
            for token in tokens
        ],
    }
