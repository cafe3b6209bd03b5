"""OpenAI Chat Completions and the older Completions."""

from __future__ import annotations

from typing import Any

import orjson

from pilotfish.simulated.answer import REFUSAL_PIECES, SimulatedAnswer
from pilotfish.simulated.asked import Asked, AskedTurn, BadRequest, list_of, object_of, text_of
from pilotfish.simulated.wires.openai_errors import error_object, openai_failure
from pilotfish.simulated.wires.wire import (
    ABSENT,
    BROKEN_JSON,
    Event,
    Kind,
    Trouble,
    WireFailure,
    present,
    sse,
)

_FINISH = {
    "stop": "stop",
    "length": "length",
    "tools": "tool_calls",
    "blocked": "content_filter",
    "declined": "stop",
}
_ROLES = {"developer": "system", "function": "tool"}


def chat_usage(answer: SimulatedAnswer) -> Any:
    """`usage`, or ABSENT."""
    if not answer.usage:
        return ABSENT
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": len(answer.thinking),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


# As OpenAI has it: a request shall not fill the memory of whoever tries the simulator.
MOST_CHOICES = 128


def choices_asked(value: Any) -> int:
    """`n` of a request."""
    count = positive(value, "n") or 1
    if count > MOST_CHOICES:
        raise BadRequest(f"n: found {count}, expected at most {MOST_CHOICES}")
    return count


def positive(value: Any, where: str) -> int | None:
    """A limit of tokens, or None where there is none."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadRequest(f"{where}: found {value!r}, expected an integer of at least 1")
    return value


def needed_model(body: dict[str, Any], model: str | None) -> str:
    """The path's model, else the body's."""
    found = model or body.get("model")
    if not isinstance(found, str) or not found:
        raise BadRequest("you must provide a model parameter")
    return found


class _OpenAISse:
    """What the two surfaces have in common."""

    style = "openai"
    blocks_inside_200 = False

    def content_type(self, asked: Asked) -> str:
        return "text/event-stream; charset=utf-8"

    def failure(self, trouble: Trouble) -> WireFailure:
        return openai_failure(trouble)

    def error_event(self, trouble: Trouble, *, first: bool) -> bytes:
        return sse({"error": error_object(trouble)})

    def heartbeat(self) -> bytes:
        return b": keep-alive\n\n"

    def malformed(self) -> bytes:
        return sse(BROKEN_JSON)


class OpenAIChat(_OpenAISse):
    """`POST /v1/chat/completions`."""

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        messages = [object_of(m, "messages") for m in list_of(body.get("messages"), "messages")]
        if not messages:
            raise BadRequest("messages: found none, expected at least one")
        functions = [
            object_of(tool.get("function"), "tools.function")
            for tool in list_of(body.get("tools"), "tools")
            if tool.get("type") == "function"
        ]
        choice = body.get("tool_choice")
        form = body.get("response_format") or {}
        return Asked(
            model=needed_model(body, model),
            stream=stream or bool(body.get("stream")),
            turns=[
                AskedTurn(
                    _ROLES.get(m.get("role", ""), m.get("role", "")), text_of(m.get("content"))
                )
                for m in messages
            ],
            tools={f["name"]: f.get("parameters") for f in functions},
            forced=choice["function"]["name"]
            if isinstance(choice, dict) and "function" in choice
            else "*"
            if choice == "required"
            else None,
            tools_off=choice == "none",
            parallel=body.get("parallel_tool_calls") is not False,
            think=body.get("reasoning_effort") not in (None, "none"),
            schema=_schema(form),
            max_tokens=positive(
                body.get("max_completion_tokens") or body.get("max_tokens"), "max_completion_tokens"
            ),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            count=choices_asked(body.get("n")),
        )

    def whole(self, asked: Asked, answer: SimulatedAnswer, created: int) -> bytes:
        calls = [
            {
                "id": f"call_{answer.number:06d}{i}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for i, call in enumerate(answer.calls)
        ]
        declined = answer.finish == "declined"
        message = present(
            role="assistant",
            content=answer.said or (None if calls or declined else ""),
            refusal="".join(REFUSAL_PIECES) if declined else None,
            annotations=[],
            reasoning_content="".join(answer.thinking) if answer.thinking else ABSENT,
            tool_calls=calls or ABSENT,
        )
        choices = [
            {
                "index": i,
                "message": message,
                "logprobs": None,
                "finish_reason": _FINISH[answer.finish],
            }
            for i in range(asked.count)
        ]
        return orjson.dumps(
            {
                **self._envelope(asked, answer, created, "chat.completion"),
                **present(choices=choices, usage=chat_usage(answer)),
            }
        )

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]:
        base = self._envelope(asked, answer, created, "chat.completion.chunk")
        if asked.include_usage and answer.usage:
            base["usage"] = None
        events: list[Event] = []

        def add(kind: Kind, delta: dict[str, Any], finish: str | None = None) -> None:
            for index in range(asked.count):
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                events.append(Event(kind, sse({**base, "choices": [choice]})))

        add(
            Kind.FRAME,
            {"role": "assistant", "content": "" if not answer.calls else None, "refusal": None},
        )
        for piece in answer.thinking:
            add(Kind.CONTENT, {"reasoning_content": piece})
        for piece in answer.text:
            add(Kind.CONTENT, {"content": piece})
        if answer.finish == "declined":
            for piece in REFUSAL_PIECES:
                add(Kind.CONTENT, {"refusal": piece})
        for index, call in enumerate(answer.calls):
            opening = {"name": call.name, "arguments": ""}
            add(
                Kind.FRAME,
                {
                    "tool_calls": [
                        {
                            "index": index,
                            "id": f"call_{answer.number:06d}{index}",
                            "type": "function",
                            "function": opening,
                        }
                    ]
                },
            )
            for piece in call.pieces:
                add(
                    Kind.CONTENT,
                    {"tool_calls": [{"index": index, "function": {"arguments": piece}}]},
                )
        add(Kind.FINISH, {}, _FINISH[answer.finish])
        if asked.include_usage and answer.usage:
            events.append(
                Event(Kind.FINISH, sse({**base, "choices": [], "usage": chat_usage(answer)}))
            )
        events.append(Event(Kind.DONE, sse(b"[DONE]")))
        return events

    def _envelope(
        self, asked: Asked, answer: SimulatedAnswer, created: int, kind: str
    ) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{answer.number:08d}",
            "object": kind,
            "created": created,
            "model": asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }


class OpenAICompletions(_OpenAISse):
    """`POST /v1/completions`."""

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        prompt = body.get("prompt", "")
        return Asked(
            model=needed_model(body, model),
            stream=stream or bool(body.get("stream")),
            turns=[AskedTurn("user", text_of(prompt))],
            max_tokens=positive(body.get("max_tokens"), "max_tokens"),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            count=choices_asked(body.get("n")),
        )

    def whole(self, asked: Asked, answer: SimulatedAnswer, created: int) -> bytes:
        finish = _completion_finish(answer)
        choices = [
            {"index": i, "text": answer.said, "logprobs": None, "finish_reason": finish}
            for i in range(asked.count)
        ]
        return orjson.dumps(
            {
                **self._envelope(asked, answer, created),
                **present(choices=choices, usage=chat_usage(answer)),
            }
        )

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]:
        base = self._envelope(asked, answer, created)
        if asked.include_usage and answer.usage:
            base["usage"] = None
        events = []
        for kind, text, finish in [
            *((Kind.CONTENT, piece, None) for piece in answer.text),
            (Kind.FINISH, "", _completion_finish(answer)),
        ]:
            for i in range(asked.count):
                choice = {"index": i, "text": text, "logprobs": None, "finish_reason": finish}
                events.append(Event(kind, sse({**base, "choices": [choice]})))
        if asked.include_usage and answer.usage:
            events.append(
                Event(Kind.FINISH, sse({**base, "choices": [], "usage": chat_usage(answer)}))
            )
        return [*events, Event(Kind.DONE, sse(b"[DONE]"))]

    def _envelope(self, asked: Asked, answer: SimulatedAnswer, created: int) -> dict[str, Any]:
        return {
            "id": f"cmpl-{answer.number:08d}",
            "object": "text_completion",
            "created": created,
            "model": asked.model,
        }


def _completion_finish(answer: SimulatedAnswer) -> str:
    """This surface has no place for a refusal in words."""
    return _FINISH["blocked" if answer.finish == "declined" else answer.finish]


def _schema(form: Any) -> Any:
    """The schema of a `response_format`; for `json_object` any object will do."""
    if not isinstance(form, dict):
        raise BadRequest(f"response_format: found {type(form).__name__}, expected an object")
    if form.get("type") == "json_schema":
        return object_of(form.get("json_schema"), "response_format.json_schema").get("schema") or {
            "type": "object"
        }
    if form.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return None
