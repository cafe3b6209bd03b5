"""Claude on Bedrock in Anthropic's form: InvokeModel and InvokeModelWithResponseStream."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson

from pilotfish.core.model.model_facts import claude_version
from pilotfish.simulated.answer import SimulatedAnswer
from pilotfish.simulated.asked import Asked, BadRequest
from pilotfish.simulated.wires.anthropic import AnthropicMessages
from pilotfish.simulated.wires.bedrock import exception_frame, failure
from pilotfish.simulated.wires.eventstream import frame
from pilotfish.simulated.wires.wire import BROKEN_JSON, Event, Kind, Trouble, WireFailure

_VERSION = "bedrock-2023-05-31"
# Anthropic's current version, which only newer models take here ("Migrating to API version
# 2026-10-21").
_NEW_VERSION, _NEW_VERSION_SINCE = "2026-10-21", (4, 7)
_HEADERS = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
# Flags and fields that Anthropic takes and Bedrock does not: one of them, and the whole request
# is refused.
_UNKNOWN_FLAGS = frozenset(
    {
        "oauth-2025-04-20",
        "prompt-caching-scope-2026-01-05",
        "fast-mode-2026-02-01",
        "mcp-client-2025-11-20",
    }
)
_UNKNOWN_FIELDS = (
    "model",
    "stream",
    "service_tier",
    "inference_geo",
    "container",
    "mcp_servers",
    "speed",
)
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class BedrockInvoke(AnthropicMessages):
    """`POST /model/{model}/invoke` and `/invoke-with-response-stream`."""

    style = "bedrock"

    def content_type(self, asked: Asked) -> str:
        return "application/vnd.amazon.eventstream"

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        version = body.get("anthropic_version")
        is_new = (
            version == _NEW_VERSION
            and (claude_version(model or "") or (0, 0)) >= _NEW_VERSION_SINCE
        )
        if version != _VERSION and not is_new:
            raise BadRequest(f"anthropic_version: found {version!r}, expected {_VERSION!r}")
        for field in _UNKNOWN_FIELDS:
            if field in body:
                raise BadRequest(f"{field}: Extra inputs are not permitted")
        flags = body.get("anthropic_beta", [])
        if not isinstance(flags, list) or not _UNKNOWN_FLAGS.isdisjoint(flags):
            raise BadRequest("The model returned the following errors: invalid beta flag")
        return super().read({**body, "model": model}, model, stream)

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]:
        framed = []
        for kind, event in super().events(asked, answer, created):
            data = event.partition(b"data: ")[2].rstrip(b"\n")
            framed.append(
                Event(kind, _chunk(_measured(data, answer) if kind is Kind.DONE else data))
            )
        return framed

    def failure(self, trouble: Trouble) -> WireFailure:
        return failure(trouble)

    def error_event(self, trouble: Trouble, *, first: bool) -> bytes:
        return exception_frame(trouble)

    def heartbeat(self) -> bytes:
        return _chunk(b'{"type":"ping"}')

    def malformed(self) -> bytes:
        return _chunk(BROKEN_JSON)


def _measured(data: bytes, answer: SimulatedAnswer) -> bytes:
    """The last event, to which Bedrock adds its own counts."""
    metrics = {
        "inputTokenCount": answer.input_tokens,
        "outputTokenCount": answer.output_tokens,
        "invocationLatency": 1,
        "firstByteLatency": 1,
    }
    return orjson.dumps({**orjson.loads(data), "amazon-bedrock-invocationMetrics": metrics})


def _chunk(data: bytes) -> bytes:
    """The padding differs in length from one frame to the next, as it does in the vendor's."""
    return frame(
        _HEADERS,
        orjson.dumps(
            {"bytes": b64encode(data).decode(), "p": _PADDING[: len(data) % len(_PADDING)]}
        ),
    )
