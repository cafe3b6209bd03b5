"""Bedrock Converse and ConverseStream."""

from __future__ import annotations

from typing import Any

import orjson

from pilotfish.simulated.answer import GUARDRAIL_PIECES, SimulatedAnswer
from pilotfish.simulated.asked import Asked, AskedTurn, BadRequest, list_of, object_of, text_of
from pilotfish.simulated.wires.eventstream import frame
from pilotfish.simulated.wires.openai_chat import positive
from pilotfish.simulated.wires.wire import BROKEN_JSON, Event, Kind, Trouble, WireFailure

_FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tools": "tool_use",
    "blocked": "guardrail_intervened",
    "declined": "content_filtered",
}
_EXCEPTIONS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_MESSAGES = {
    401: "The security token included in the request is invalid.",
    404: "Could not resolve the foundation model from the model identifier: {model}",
    429: "Too many requests, please wait before trying again.",
    503: "Bedrock is unable to process your request.",
}
_KINDS: dict[str, str] = {
    "context_length": "Input is too long for requested model.",
    "content_policy": "Output blocked by content filtering policy",
    "quota": "Too many tokens per day, please wait before trying again.",
    "overloaded": "Bedrock is unable to process your request.",
    "scope": "User: arn:aws:iam::123456789012:user/app is not authorized to perform this action.",
    "no_access": "You don't have access to the model with the specified model ID.",
    "prefill": (
        "This model does not support assistant message prefill. "
        "The conversation must end with a user message."
    ),
}
_SIGNATURE = "c2lnbmVkLWJ5LXNpbXVsYXRpb24="


class BedrockWire:
    """`POST /model/{model}/converse` and `/converse-stream`."""

    style = "bedrock"
    blocks_inside_200 = True

    def content_type(self, asked: Asked) -> str:
        return "application/vnd.amazon.eventstream"

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        messages = [object_of(m, "messages") for m in list_of(body.get("messages"), "messages")]
        if not messages:
            raise BadRequest("A conversation must start with a user message.")
        tool_config = object_of(body.get("toolConfig") or {}, "toolConfig")
        specs = [tool["toolSpec"] for tool in tool_config.get("tools", []) if "toolSpec" in tool]
        choice = tool_config.get("toolChoice") or {}
        more = body.get("additionalModelRequestFields") or {}
        form = (
            ((body.get("outputConfig") or {}).get("textFormat") or {})
            .get("structure", {})
            .get("jsonSchema", {})
        )
        system = [AskedTurn("system", text_of(body["system"]))] if body.get("system") else []
        return Asked(
            model=model or "",
            stream=stream,
            turns=[*system, *(_turn(message) for message in messages)],
            tools={spec["name"]: (spec.get("inputSchema") or {}).get("json") for spec in specs},
            forced=choice["tool"]["name"] if "tool" in choice else "*" if "any" in choice else None,
            think=(more.get("thinking") or more.get("reasoning_config") or {}).get("type")
            in ("enabled", "adaptive"),
            schema=orjson.loads(form["schema"]) if "schema" in form else None,
            max_tokens=positive(
                (body.get("inferenceConfig") or {}).get("maxTokens"), "inferenceConfig.maxTokens"
            ),
        )

    def whole(self, asked: Asked, answer: SimulatedAnswer, created: int) -> bytes:
        content: list[dict[str, Any]] = []
        if answer.thinking:
            text = {"text": "".join(answer.thinking), "signature": _SIGNATURE}
            content.append({"reasoningContent": {"reasoningText": text}})
        if text_pieces := _text(answer):
            content.append({"text": "".join(text_pieces)})
        for i, call in enumerate(answer.calls):
            content.append(
                {
                    "toolUse": {
                        "toolUseId": _tool_id(answer, i),
                        "name": call.name,
                        "input": orjson.loads(call.arguments),
                    }
                }
            )
        message = {"role": "assistant", "content": content}
        return orjson.dumps(
            {
                "output": {"message": message},
                "stopReason": _FINISH[answer.finish],
                **_metadata(answer),
            }
        )

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]:
        events = [_event(Kind.FRAME, "messageStart", role="assistant")]
        blocks: list[tuple[dict[str, Any] | None, list[dict[str, Any]], dict[str, Any] | None]] = []
        if answer.thinking:
            thoughts = [{"reasoningContent": {"text": piece}} for piece in answer.thinking]
            blocks.append((None, thoughts, {"reasoningContent": {"signature": _SIGNATURE}}))
        if text_pieces := _text(answer):
            blocks.append((None, [{"text": piece} for piece in text_pieces], None))
        for i, call in enumerate(answer.calls):
            start = {"toolUse": {"toolUseId": _tool_id(answer, i), "name": call.name}}
            blocks.append((start, [{"toolUse": {"input": piece}} for piece in call.pieces], None))
        for index, (opening, deltas, last) in enumerate(blocks):
            if opening is not None:  # this vendor announces tool use only
                events.append(
                    _event(Kind.FRAME, "contentBlockStart", contentBlockIndex=index, start=opening)
                )
            events += [
                _event(Kind.CONTENT, "contentBlockDelta", contentBlockIndex=index, delta=delta)
                for delta in deltas
            ]
            if last is not None:
                events.append(
                    _event(Kind.FRAME, "contentBlockDelta", contentBlockIndex=index, delta=last)
                )
            events.append(_event(Kind.FRAME, "contentBlockStop", contentBlockIndex=index))
        events.append(_event(Kind.FINISH, "messageStop", stopReason=_FINISH[answer.finish]))
        events.append(_event(Kind.DONE, "metadata", **_metadata(answer)))
        return events

    def failure(self, trouble: Trouble) -> WireFailure:
        return failure(trouble)

    def error_event(self, trouble: Trouble, *, first: bool) -> bytes:
        return exception_frame(trouble)

    def heartbeat(self) -> bytes:
        # The format knows no keep-alive; an event of a type that clients do not know is the nearest
        # thing.
        return frame(
            {
                ":event-type": "keepAlive",
                ":content-type": "application/json",
                ":message-type": "event",
            },
            b"{}",
        )

    def malformed(self) -> bytes:
        return frame(
            {
                ":event-type": "contentBlockDelta",
                ":content-type": "application/json",
                ":message-type": "event",
            },
            BROKEN_JSON,
        )


def failure(trouble: Trouble) -> WireFailure:
    """A refusal, whichever of Bedrock's operations was asked for; a wrong key is 403 here."""
    status = 403 if trouble.status == 401 else trouble.status
    return WireFailure(
        status,
        orjson.dumps({"message": _message(trouble)}),
        (("x-amzn-errortype", _exception(trouble)),),
    )


def exception_frame(trouble: Trouble) -> bytes:
    name = _exception(trouble)
    headers = {
        ":exception-type": name[0].lower() + name[1:],
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, orjson.dumps({"message": _message(trouble)}))


def _event(kind: Kind, name: str, **payload: Any) -> Event:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return Event(kind, frame(headers, orjson.dumps(payload)))


def _turn(message: dict[str, Any]) -> AskedTurn:
    blocks = list_of(message.get("content"), "messages.content")
    if any(isinstance(block, dict) and "toolResult" in block for block in blocks):
        return AskedTurn("tool", repr(blocks))
    return AskedTurn(str(message.get("role", "")), text_of(blocks))


def _text(answer: SimulatedAnswer) -> tuple[str, ...]:
    """A guardrail that steps in says what it was set up to say."""
    return GUARDRAIL_PIECES if answer.finish == "blocked" else answer.text


def _tool_id(answer: SimulatedAnswer, index: int) -> str:
    return f"tooluse_{answer.number:06d}{index}"


def _metadata(answer: SimulatedAnswer) -> dict[str, Any]:
    """Usage (input without what was read from the cache or written to it) and metrics."""
    if not answer.usage:
        return {"metrics": {"latencyMs": 1}}
    usage = {
        "inputTokens": answer.input_tokens - answer.cached_tokens - answer.cache_write_tokens,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens,
        "cacheReadInputTokens": answer.cached_tokens,
        "cacheWriteInputTokens": answer.cache_write_tokens,
    }
    return {"usage": usage, "metrics": {"latencyMs": 1}}


def _exception(trouble: Trouble) -> str:
    return _EXCEPTIONS.get(
        trouble.status,
        "InternalServerException" if trouble.status >= 500 else "ValidationException",
    )


def _message(trouble: Trouble) -> str:
    known = _KINDS.get(trouble.kind) or _MESSAGES.get(trouble.status, f"status {trouble.status}")
    return trouble.message or known.replace("{model}", trouble.model)
