"""Gemini generateContent, streamed as SSE or as a JSON array."""

from __future__ import annotations

import re
from typing import Any

import orjson

from pilotfish.simulated.answer import SimulatedAnswer
from pilotfish.simulated.asked import Asked, AskedTurn, BadRequest, list_of, object_of, text_of
from pilotfish.simulated.wires.openai_chat import positive
from pilotfish.simulated.wires.wire import BROKEN_JSON, Event, Kind, Trouble, WireFailure, sse

_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tools": "STOP"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MESSAGES = {
    404: (
        "models/{model} is not found for API version v1beta, "
        "or is not supported for generateContent."
    ),
    429: "You exceeded your current quota, please check your plan and billing details.",
    500: "An internal error has occurred. Please retry.",
    503: "The model is overloaded. Please try again later.",
}
_KINDS: dict[str, str] = {
    "context_length": (
        "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)."
    ),
    "scope": "Request had insufficient authentication scopes.",
    "no_access": "Permission denied on resource models/{model} (or it may not exist).",
    "prefill": "Please ensure that multiturn requests end with a user role or a function response.",
    "overloaded": "The model is overloaded. Please try again later.",
    "quota": "You exceeded your current quota, please check your plan and billing details.",
}
_SIGNATURE = "c2lnbmVkLWJ5LXNpbXVsYXRpb24="


def error_body(trouble: Trouble) -> dict[str, Any]:
    """`{error: {code, message, status, details}}`; a wrong key is told as 400 API_KEY_INVALID."""
    status = 400 if trouble.kind == "key" else trouble.status
    message = (
        trouble.message or (_KINDS.get(trouble.kind) or _MESSAGES.get(status, f"status {status}"))
    ).replace("{model}", trouble.model)
    details: list[dict[str, Any]] = []
    if trouble.kind == "key":
        message = "API key not valid. Please pass a valid API key."
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        }
        details.append(info)
    if trouble.retry_s is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{trouble.retry_s:g}s",
            }
        )
    error = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
    return {"error": {**error, "details": details} if details else error}


class GoogleWire:
    """`POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`; `array`: the
    latter without `alt=sse`.
    """

    style = "google"
    blocks_inside_200 = True

    def __init__(self, *, array: bool = False) -> None:
        self._array = array

    def content_type(self, asked: Asked) -> str:
        return "application/json; charset=UTF-8" if self._array else "text/event-stream"

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        contents = [object_of(c, "contents") for c in list_of(body.get("contents"), "contents")]
        if not contents:
            raise BadRequest("* GenerateContentRequest.contents: contents is not specified")
        config = object_of(_field(body, "generationConfig") or {}, "generationConfig")
        calling = _field(_field(body, "toolConfig") or {}, "functionCallingConfig") or {}
        tools = [object_of(t, "tools") for t in list_of(body.get("tools"), "tools")]
        functions = [f for tool in tools for f in _field(tool, "functionDeclarations") or []]
        instruction = _field(body, "systemInstruction")
        system = [AskedTurn("system", text_of(instruction))] if instruction else []
        allowed = _field(calling, "allowedFunctionNames") or []
        return Asked(
            model=model or "",
            stream=stream,
            turns=[*system, *(_turn(content) for content in contents)],
            tools={
                f["name"]: f.get("parameters") or _field(f, "parametersJsonSchema")
                for f in functions
            },
            forced=(allowed[0] if allowed else "*") if calling.get("mode") == "ANY" else None,
            tools_off=calling.get("mode") == "NONE",
            think=bool(_field(_field(config, "thinkingConfig") or {}, "includeThoughts")),
            schema=_field(config, "responseSchema") or _field(config, "responseJsonSchema"),
            max_tokens=positive(
                _field(config, "maxOutputTokens"), "generationConfig.maxOutputTokens"
            ),
        )

    def whole(self, asked: Asked, answer: SimulatedAnswer, created: int) -> bytes:
        if answer.finish in ("blocked", "declined"):
            return orjson.dumps(_refused(asked, answer))
        parts: list[dict[str, Any]] = []
        if answer.thinking:
            parts.append({"text": "".join(answer.thinking), "thought": True})
        if answer.text:
            parts.append({"text": answer.said})
        return orjson.dumps(
            _reply(asked, answer, [*parts, *_calls(answer)], _FINISH[answer.finish])
        )

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]:
        replies: list[tuple[Kind, dict[str, Any]]] = []
        refused = answer.finish in ("blocked", "declined")
        if refused:
            replies.append((Kind.FINISH, _refused(asked, answer)))
        for piece in answer.thinking:
            replies.append(
                (Kind.CONTENT, _reply(asked, answer, [{"text": piece, "thought": True}]))
            )
        for piece in answer.text:
            replies.append((Kind.CONTENT, _reply(asked, answer, [{"text": piece}])))
        for call in _calls(answer):  # this vendor sends calls whole
            replies.append((Kind.CONTENT, _reply(asked, answer, [call])))
        if not refused:
            replies.append(
                (Kind.FINISH, _reply(asked, answer, [{"text": ""}], _FINISH[answer.finish]))
            )
        if not self._array:
            return [Event(kind, sse(reply)) for kind, reply in replies]
        return [
            *(
                Event(kind, (b"[" if i == 0 else b",\r\n") + orjson.dumps(reply))
                for i, (kind, reply) in enumerate(replies)
            ),
            Event(Kind.DONE, b"]"),
        ]

    def failure(self, trouble: Trouble) -> WireFailure:
        body = error_body(trouble)
        return WireFailure(body["error"]["code"], orjson.dumps(body))

    def error_event(self, trouble: Trouble, *, first: bool) -> bytes:
        body = error_body(trouble)
        return (
            b"%b%b]" % (b"[" if first else b",\r\n", orjson.dumps(body))
            if self._array
            else sse(body)
        )

    def heartbeat(self) -> bytes:
        return b"\n" if self._array else b": keep-alive\n\n"

    def malformed(self) -> bytes:
        return b",\r\n" + BROKEN_JSON if self._array else sse(BROKEN_JSON)


def _field(obj: dict[str, Any], name: str) -> Any:
    """A field by its name in camel case or, as this vendor's parser takes it too and its client
    library sends it, in snake case.
    """
    return obj.get(name, obj.get(re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)))


def _turn(content: dict[str, Any]) -> AskedTurn:
    parts = list_of(content.get("parts"), "contents.parts")
    if any(
        isinstance(part, dict) and _field(part, "functionResponse") is not None for part in parts
    ):
        return AskedTurn("tool", repr(parts))
    return AskedTurn("assistant" if content.get("role") == "model" else "user", text_of(parts))


def _calls(answer: SimulatedAnswer) -> list[dict[str, Any]]:
    """Calls as parts; with thinking the first carries the signature that clients must send back."""
    parts: list[dict[str, Any]] = [
        {"functionCall": {"name": call.name, "args": orjson.loads(call.arguments)}}
        for call in answer.calls
    ]
    if parts and answer.thinking:
        parts[0]["thoughtSignature"] = _SIGNATURE
    return parts


def _reply(
    asked: Asked, answer: SimulatedAnswer, parts: list[dict[str, Any]], finish: str | None = None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    reply: dict[str, Any] = {
        "candidates": [candidate],
        "modelVersion": asked.model,
        "responseId": f"sim{answer.number:08d}",
    }
    if answer.usage:
        reply["usageMetadata"] = (
            _usage(answer) if finish is not None else {"promptTokenCount": answer.input_tokens}
        )
    return reply


def _refused(asked: Asked, answer: SimulatedAnswer) -> dict[str, Any]:
    """A prompt that the vendor refuses, which has no candidates; or a candidate that the vendor
    stopped before it said anything.
    """
    usage = {"promptTokenCount": answer.input_tokens, "totalTokenCount": answer.input_tokens}
    said: dict[str, Any] = (
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        if answer.finish == "blocked"
        else {"candidates": [{"finishReason": "SAFETY", "index": 0}]}
    )
    return {**said, "usageMetadata": usage, "modelVersion": asked.model}


def _usage(answer: SimulatedAnswer) -> dict[str, Any]:
    """Thoughts are beside the candidates' tokens, not among them."""
    usage: dict[str, Any] = {
        "promptTokenCount": answer.input_tokens,
        "candidatesTokenCount": answer.output_tokens - len(answer.thinking),
        "totalTokenCount": answer.input_tokens + answer.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
    }
    if answer.cached_tokens:
        usage["cachedContentTokenCount"] = answer.cached_tokens
    if answer.thinking:
        usage["thoughtsTokenCount"] = len(answer.thinking)
    return usage
