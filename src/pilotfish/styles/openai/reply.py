"""Whole Chat Completions answers, to and from the neutral form; and what streams share with
them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._fields import Fields, Losses, ReplyFields
from pilotfish.styles._loose import loosely
from pilotfish.styles._media import data_url
from pilotfish.styles.openai.inspector import FILTERED, OpenAITokenCounts
from pilotfish.styles.openai.messages_out import write_tool_call
from pilotfish.styles.openai.parts import (
    google_extra,
    images_in,
    read_content,
    read_google_extra,
    read_thinking,
    with_text_signed,
    write_details,
)
from pilotfish.styles.openai.request_in import read_legacy_call, read_tool_call
from pilotfish.styles.openai.request_out import SERVICE_TIERS

_FINISHES = {
    "stop": neutral.FinishReason.STOP,
    "eos": neutral.FinishReason.STOP,
    "length": neutral.FinishReason.LENGTH,
    "model_length": neutral.FinishReason.CONTEXT,  # Mistral
    "tool_calls": neutral.FinishReason.TOOL_CALLS,
    "function_call": neutral.FinishReason.TOOL_CALLS,
}

# OpenAI has five words. A pause is an answer that is not complete, as one cut at its length is.
_WORDS = {
    neutral.FinishReason.LENGTH: "length",
    neutral.FinishReason.CONTEXT: "length",
    neutral.FinishReason.PAUSE: "length",
    neutral.FinishReason.TOOL_CALLS: "tool_calls",
    neutral.FinishReason.CONTENT_FILTER: "content_filter",
    neutral.FinishReason.REFUSAL: "content_filter",
}


def finish_from(word: str, *, called: bool, refused: bool) -> neutral.FinishReason:
    """What a finish reason means. Some servers say `stop` after tool calls; OpenAI says it after a
    refusal.
    """
    if word.startswith(FILTERED):
        return neutral.FinishReason.CONTENT_FILTER
    finish = _FINISHES.get(word, neutral.FinishReason.OTHER)
    if finish is neutral.FinishReason.STOP and called:
        return neutral.FinishReason.TOOL_CALLS
    if finish is neutral.FinishReason.STOP and refused:
        return neutral.FinishReason.REFUSAL
    return finish


def finish_word(finish: neutral.FinishReason, *, refused: bool) -> str:
    """`refused`: the answer holds a refusal in its own field, after which OpenAI says `stop`."""
    if finish is neutral.FinishReason.REFUSAL and refused:
        return "stop"
    return _WORDS.get(finish, "stop")


def write_usage(usage: Usage) -> dict[str, Any]:
    prompt = {"cached_tokens": usage.cached_input} | (
        {"cache_write_tokens": usage.cache_write} if usage.cache_write else {}
    )
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def read_logprobs(value: Any) -> tuple[neutral.TokenLogprob, ...]:
    """`logprobs.content`; tokens that are not as documented are left out."""
    tokens = value.get("content") or value.get("refusal") if isinstance(value, dict) else value
    found = (_read_token(token) for token in tokens) if isinstance(tokens, list) else ()
    return tuple(token for token in found if token is not None)


def _read_token(value: Any) -> neutral.TokenLogprob | None:
    if not isinstance(value, dict):
        return None
    token, logprob, raw, top = (
        value.get("token"),
        value.get("logprob"),
        value.get("bytes"),
        value.get("top_logprobs"),
    )
    if not isinstance(token, str) or not isinstance(logprob, int | float):
        return None
    return neutral.TokenLogprob(
        token,
        float(logprob),
        tuple(raw)
        if isinstance(raw, list) and raw and all(isinstance(unit, int) for unit in raw)
        else None,
        read_logprobs(top) if isinstance(top, list) else (),
    )


def write_logprobs(
    tokens: tuple[neutral.TokenLogprob, ...], *, no_bytes: list[int] | None = None
) -> list[dict[str, Any]]:
    """`no_bytes` stands for bytes that are not known: Chat has null there, Responses a list."""

    def written(token: neutral.TokenLogprob) -> dict[str, Any]:
        raw = no_bytes if token.raw is None else list(token.raw)
        return {"token": token.token, "logprob": token.logprob, "bytes": raw}

    return [
        written(token) | {"top_logprobs": [written(other) for other in token.top]}
        for token in tokens
    ]


def read_annotation(value: Any) -> neutral.Citation | None:
    """Chat's `{"type": "url_citation", "url_citation": {...}}`, or the flat form of Responses.
    OpenRouter's `file` is none: it holds what was read of the client's own file."""
    if not isinstance(value, dict) or value.get("type") == "file":
        return None
    inner = value.get(str(value.get("type")))
    fields = inner if isinstance(inner, dict) else value
    start, end = fields.get("start_index"), fields.get("end_index")
    return neutral.Citation(
        url=str(fields.get("url") or ""),
        title=str(fields.get("title") or fields.get("filename") or ""),
        cited_text=str(fields.get("cited_text") or ""),
        start=start if isinstance(start, int) else None,
        end=end if isinstance(end, int) else None,
        origin="openai",
        raw=value,
    )


def write_annotation(citation: neutral.Citation, start: int, end: int) -> dict[str, Any]:
    """`start` and `end` of the text that is annotated, for citations that do not say their own
    place in it.

    OpenAI only knows pages of the web here. A place in the client's own document takes the same
    form, without an address.
    """
    place: dict[str, Any] = {
        "start_index": citation.start if citation.start is not None else start,
        "end_index": citation.end if citation.end is not None else end,
        "title": citation.title,
        "url": citation.url,
    }
    if citation.cited_text and not citation.url:
        place["cited_text"] = citation.cited_text
    return {"type": "url_citation", "url_citation": place}


def read_reply(body: bytes) -> neutral.Reply:
    """Raises ValueError for what is no answer."""
    fields = ReplyFields.of(body)
    if fields.peek("error"):
        fields.wrong("error", "an answer", fields.peek("error"))
    choices = list(fields.objects("choices"))
    if not choices:
        fields.wrong("choices", "at least one choice", [])
    choice = next((choice for choice in choices if choice.peek("index") in (0, None)), choices[0])
    message = choice.inner("message")
    parts = _read_message(message)
    counts = fields.mapping("usage")
    called = any(isinstance(part, neutral.ToolCall) for part in parts)
    refused = any(isinstance(part, neutral.Refusal) for part in parts)
    reply = neutral.Reply(
        id=fields.text("id") or "",
        model=fields.text("model") or "",
        parts=parts,
        finish=finish_from(choice.text("finish_reason") or "stop", called=called, refused=refused),
        usage=loosely(counts, OpenAITokenCounts).usage() if counts else None,
        logprobs=read_logprobs(choice.take("logprobs")),
        service_tier=fields.text("service_tier") or "",
    )
    for known in ("object", "created"):
        fields.take(known)
    rest = fields.rest()
    return msgspec.structs.replace(reply, extras={"openai": rest}) if rest else reply


def _read_message(message: Fields) -> tuple[Part, ...]:
    signature = read_google_extra(message)
    parts: list[Part] = [*read_thinking(message), *read_content(message, Losses())]
    annotations = message.take("annotations")
    citations = (
        [read_annotation(value) for value in annotations] if isinstance(annotations, list) else []
    )
    if citations:
        place = next(
            (index for index, part in enumerate(parts) if isinstance(part, neutral.Text)), None
        )
        if place is not None:
            parts[place] = msgspec.structs.replace(
                parts[place], citations=tuple(c for c in citations if c is not None)
            )
    refusal = message.text("refusal")
    if refusal:
        parts.append(neutral.Refusal(refusal))
    parts.extend(images_in(message.take("images")))
    audio = message.object("audio")
    if audio:
        spoken = audio.text("transcript") or ""
        parts.append(
            neutral.Audio(
                id=audio.text("id") or "",
                data=audio.text("data") or "",
                transcript=spoken,
                origin="openai",
            )
        )
    parts.extend(read_tool_call(call) for call in message.objects("tool_calls"))
    legacy = read_legacy_call(message)
    if legacy:
        parts.append(legacy)
    return with_text_signed(parts, signature)


def write_image(image: neutral.Image, index: int) -> dict[str, Any]:
    url = data_url(image.media_type, image.data) if image.data else image.url
    written = {"type": "image_url", "image_url": {"url": url}, "index": index}
    if image.signature and image.signature.origin == "google":
        written["extra_content"] = google_extra(image.signature.value)
    return written


def service_tier(reply: neutral.Reply) -> str:
    """The tier that served, in OpenAI's words; empty where it has none for it (Anthropic's
    `batch`).
    """
    tier = "default" if reply.service_tier == "standard" else reply.service_tier
    return tier if tier in SERVICE_TIERS else ""


def write_reply(reply: neutral.Reply, *, model: str, request_id: str, now: float) -> bytes:
    message = _write_message(reply)
    tokens = write_logprobs(reply.logprobs)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": tokens, "refusal": None} if tokens else None,
        "finish_reason": finish_word(reply.finish, refused=message["refusal"] is not None),
    }
    body: dict[str, Any] = {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "created": int(now),
        "model": model or reply.model,
        "choices": [choice],
    }
    if reply.usage:
        body["usage"] = write_usage(reply.usage)
    tier = service_tier(reply)
    if tier:
        body["service_tier"] = tier
    own = reply.extras.get("openai", {})
    return msgspec.json.encode(
        body | {name: value for name, value in own.items() if name not in body}
    )


def _write_message(reply: neutral.Reply) -> dict[str, Any]:
    text, refusal = "", ""
    thought: list[str] = []
    annotations: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    signature: neutral.Signature | None = None
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for part in reply.parts:
        if isinstance(part, neutral.Text):
            start, text = len(text), text + part.text
            signature = part.signature or signature
            annotations += [
                write_annotation(citation, start, len(text)) for citation in part.citations
            ]
        elif isinstance(part, neutral.Refusal):
            refusal += part.text
        elif isinstance(part, neutral.Thinking):
            details += write_details(part)
            thought += [part.text] if part.text else []
        elif isinstance(part, neutral.ToolCall):
            calls.append(write_tool_call(part, part.id))
        elif isinstance(part, neutral.Image):
            images.append(write_image(part, len(images)))
        elif isinstance(part, neutral.Audio):
            message["audio"] = {
                "id": part.id,
                "data": part.data,
                "transcript": part.transcript,
                "expires_at": 0,
            }
    if reply.finish is neutral.FinishReason.REFUSAL and not refusal:
        refusal = reply.finish_details
    message["content"] = text if text or not (calls or refusal) else None
    message["refusal"] = refusal or None
    extra: dict[str, Any] = {
        "annotations": annotations,
        "tool_calls": calls,
        "reasoning_content": "\n\n".join(thought),
        "reasoning_details": [item | {"index": index} for index, item in enumerate(details)],
        "images": images,
    }
    if signature and signature.origin == "google":
        extra["extra_content"] = google_extra(signature.value)
    return message | {name: value for name, value in extra.items() if value}
