"""Anthropic Messages."""

from __future__ import annotations

from typing import Any

import orjson

from pilotfish.simulated.answer import SimulatedAnswer
from pilotfish.simulated.asked import Asked, AskedTurn, BadRequest, list_of, object_of, text_of
from pilotfish.simulated.wires.openai_chat import needed_model, positive
from pilotfish.simulated.wires.wire import BROKEN_JSON, Event, Kind, Trouble, WireFailure, sse

_FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tools": "tool_use",
    "blocked": "refusal",
    "declined": "refusal",
}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {
    401: "invalid x-api-key",
    404: "model: {model}",
    429: "This request would exceed your rate limit.",
    529: "Overloaded",
}
_KINDS: dict[str, tuple[str, str]] = {
    "context_length": (
        "invalid_request_error",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
    "content_policy": ("invalid_request_error", "Output blocked by content filtering policy"),
    "quota": (
        "rate_limit_error",
        "This request would exceed your organization's monthly spend limit.",
    ),
    "overloaded": ("overloaded_error", "Overloaded"),
    "scope": (
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    "no_access": (
        "permission_error",
        "Your organization does not have access to the model {model}.",
    ),
    "prefill": (
        "invalid_request_error",
        "This model does not support assistant message prefill. "
        "The conversation must end with a user message.",
    ),
}
_SIGNATURE = "c2lnbmVkLWJ5LXNpbXVsYXRpb24="


def error_body(trouble: Trouble) -> dict[str, Any]:
    """`{type: error, error: {type, message}}`."""
    kind, message = _KINDS.get(
        trouble.kind,
        (
            _TYPES.get(
                trouble.status, "api_error" if trouble.status >= 500 else "invalid_request_error"
            ),
            _MESSAGES.get(
                trouble.status,
                "Internal server error" if trouble.status >= 500 else f"status {trouble.status}",
            ),
        ),
    )
    text = trouble.message or message.replace("{model}", trouble.model)
    if trouble.retry_s is not None:
        text = f"{text} Please try again in {trouble.retry_s:g}s."
    return {
        "type": "error",
        "error": {"type": kind, "message": text},
        "request_id": "req_simulated",
    }


class AnthropicMessages:
    """`POST /v1/messages` (and the body of `count_tokens`)."""

    style = "anthropic"
    blocks_inside_200 = False

    def content_type(self, asked: Asked) -> str:
        return "text/event-stream; charset=utf-8"

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        messages = [object_of(m, "messages") for m in list_of(body.get("messages"), "messages")]
        if not messages:
            raise BadRequest("messages: at least one message is required")
        if "max_tokens" not in body:
            raise BadRequest("max_tokens: Field required")
        return self.read_prompt(body, model, stream)

    def read_prompt(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        """As `read`, without the fields that only a real request needs."""
        messages = [object_of(m, "messages") for m in list_of(body.get("messages"), "messages")]
        tools = [object_of(t, "tools") for t in list_of(body.get("tools"), "tools")]
        choice = object_of(body.get("tool_choice") or {}, "tool_choice")
        form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
        system = [AskedTurn("system", text_of(body["system"]))] if body.get("system") else []
        return Asked(
            model=needed_model(body, model),
            stream=stream or bool(body.get("stream")),
            turns=[*system, *(AskedTurn(_role(m), text_of(m.get("content"))) for m in messages)],
            tools={t["name"]: t.get("input_schema") for t in tools if "name" in t},
            forced=choice.get("name")
            if choice.get("type") == "tool"
            else "*"
            if choice.get("type") == "any"
            else None,
            tools_off=choice.get("type") == "none",
            parallel=not choice.get("disable_parallel_tool_use"),
            think=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
            schema=form.get("schema") if form.get("type") == "json_schema" else None,
            max_tokens=positive(body.get("max_tokens"), "max_tokens"),
        )

    def whole(self, asked: Asked, answer: SimulatedAnswer, created: int) -> bytes:
        content: list[dict[str, Any]] = []
        if answer.thinking:
            content.append(
                {"type": "thinking", "thinking": "".join(answer.thinking), "signature": _SIGNATURE}
            )
        if answer.text:
            content.append({"type": "text", "text": answer.said})
        for i, call in enumerate(answer.calls):
            content.append(
                {
                    "type": "tool_use",
                    "id": _tool_id(answer, i),
                    "name": call.name,
                    "input": orjson.loads(call.arguments),
                }
            )
        message = _message(asked, answer)
        return orjson.dumps(
            {
                **message,
                "content": content,
                "stop_reason": _FINISH[answer.finish],
                "usage": _usage(answer, answer.output_tokens),
            }
        )

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]:
        events: list[Event] = []

        def add(kind: Kind, name: str, **fields: Any) -> None:
            events.append(Event(kind, sse({"type": name, **fields}, name)))

        def block(
            start: dict[str, Any], deltas: list[dict[str, Any]], last: dict[str, Any] | None = None
        ) -> None:
            index = sum(b'"type":"content_block_start"' in event.data for event in events)
            add(Kind.FRAME, "content_block_start", index=index, content_block=start)
            for delta in deltas:
                add(Kind.CONTENT, "content_block_delta", index=index, delta=delta)
            if last is not None:
                add(Kind.FRAME, "content_block_delta", index=index, delta=last)
            add(Kind.FRAME, "content_block_stop", index=index)

        add(
            Kind.FRAME,
            "message_start",
            message={**_message(asked, answer), "content": [], "usage": _usage(answer, 1)},
        )
        add(Kind.FRAME, "ping")
        if answer.thinking:
            thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in answer.thinking]
            block(
                {"type": "thinking", "thinking": "", "signature": ""},
                thoughts,
                {"type": "signature_delta", "signature": _SIGNATURE},
            )
        if answer.text:
            block(
                {"type": "text", "text": ""},
                [{"type": "text_delta", "text": piece} for piece in answer.text],
            )
        for i, call in enumerate(answer.calls):
            start = {"type": "tool_use", "id": _tool_id(answer, i), "name": call.name, "input": {}}
            block(
                start,
                [{"type": "input_json_delta", "partial_json": piece} for piece in call.pieces],
            )
        delta = {"stop_reason": _FINISH[answer.finish], "stop_sequence": None}
        add(Kind.FINISH, "message_delta", delta=delta, usage=_usage(answer, answer.output_tokens))
        add(Kind.DONE, "message_stop")
        return events

    def failure(self, trouble: Trouble) -> WireFailure:
        return WireFailure(trouble.status, orjson.dumps(error_body(trouble)))

    def error_event(self, trouble: Trouble, *, first: bool) -> bytes:
        return sse(error_body(trouble), "error")

    def heartbeat(self) -> bytes:
        return sse({"type": "ping"}, "ping")

    def malformed(self) -> bytes:
        return sse(BROKEN_JSON, "content_block_delta")


def _role(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    ):
        return "tool"
    return str(message.get("role", ""))


def _message(asked: Asked, answer: SimulatedAnswer) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.number:08d}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _tool_id(answer: SimulatedAnswer, index: int) -> str:
    return f"toolu_{answer.number:06d}{index}"


def _usage(answer: SimulatedAnswer, output_tokens: int) -> dict[str, Any]:
    """Input excludes what was read from the cache or written to it. The vendor always sends usage;
    zeros stand for "none".
    """
    if not answer.usage:
        return {"input_tokens": 0, "output_tokens": 0}
    return {
        "input_tokens": answer.input_tokens - answer.cached_tokens - answer.cache_write_tokens,
        "cache_creation_input_tokens": answer.cache_write_tokens,
        "cache_read_input_tokens": answer.cached_tokens,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
