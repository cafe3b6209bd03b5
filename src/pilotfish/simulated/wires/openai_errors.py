"""OpenAI's error bodies, shared by all of its surfaces
(platform.openai.com/docs/guides/error-codes).
"""

from __future__ import annotations

from typing import Any

import orjson

from pilotfish.simulated.wires.wire import Trouble, WireFailure

_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    429: "requests",
}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_MESSAGES = {
    401: "Incorrect API key provided: sk-***.",
    403: "You are not allowed to sample from this model",
    404: "The model `{model}` does not exist or you do not have access to it.",
    429: "Rate limit reached for {model} on requests per min (RPM).",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later",
    529: "The engine is currently overloaded, please try again later",
}
_KINDS: dict[str, tuple[str, str, str]] = {  # kind: type, code, message
    "context_length": (
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. "
        "However, your messages resulted in 9000 tokens.",
    ),
    "content_policy": (
        "invalid_request_error",
        "content_policy_violation",
        "Your request was rejected as a result of our safety system.",
    ),
    "quota": (
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "overloaded": (
        "server_error",
        "server_is_overloaded",
        "The server is currently overloaded with other requests.",
    ),
    "scope": (
        "invalid_request_error",
        "missing_scope",
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.",
    ),
    "no_access": (
        "invalid_request_error",
        "model_not_found",
        "Project `proj_simulated` does not have access to model `{model}`",
    ),
    "prefill": (
        "invalid_request_error",
        "",
        "The last message must not be from the assistant: this model does not accept a prefill.",
    ),
}


def error_object(trouble: Trouble) -> dict[str, Any]:
    """`{message, type, param, code}`."""
    kind, code, message = _KINDS.get(
        trouble.kind,
        (
            _TYPES.get(
                trouble.status, "server_error" if trouble.status >= 500 else "invalid_request_error"
            ),
            _CODES.get(trouble.status, ""),
            _MESSAGES.get(trouble.status, f"status {trouble.status}"),
        ),
    )
    text = trouble.message or message.replace("{model}", trouble.model)
    if trouble.retry_s is not None:
        text = f"{text} Please try again in {trouble.retry_s:g}s."
    param = "messages" if trouble.kind == "context_length" else None
    return {"message": text, "type": kind, "param": param, "code": code or None}


def openai_failure(trouble: Trouble) -> WireFailure:
    return WireFailure(trouble.status, orjson.dumps({"error": error_object(trouble)}))
