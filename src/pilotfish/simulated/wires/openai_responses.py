"""OpenAI Responses."""

from __future__ import annotations

from typing import Any

import orjson

from pilotfish.simulated.answer import REFUSAL_PIECES, SimulatedAnswer
from pilotfish.simulated.asked import Asked, AskedTurn, BadRequest, list_of, object_of, text_of
from pilotfish.simulated.wires.openai_chat import needed_model, positive
from pilotfish.simulated.wires.openai_errors import error_object, openai_failure
from pilotfish.simulated.wires.wire import BROKEN_JSON, Event, Kind, Trouble, WireFailure, sse


class OpenAIResponsesWire:
    """`POST /v1/responses`."""

    style = "openai"
    blocks_inside_200 = False

    def content_type(self, asked: Asked) -> str:
        return "text/event-stream; charset=utf-8"

    def read(self, body: dict[str, Any], model: str | None, stream: bool) -> Asked:
        given = body.get("input")
        if not given:
            raise BadRequest("input: found none, expected a string or a list of items")
        items = (
            [{"role": "user", "content": given}]
            if isinstance(given, str)
            else [object_of(i, "input") for i in list_of(given, "input")]
        )
        system = [AskedTurn("system", body["instructions"])] if body.get("instructions") else []
        choice = body.get("tool_choice")
        tools = [object_of(tool, "tools") for tool in list_of(body.get("tools"), "tools")]
        form = object_of(body.get("text") or {}, "text").get("format") or {}
        effort = object_of(body.get("reasoning") or {}, "reasoning").get("effort")
        return Asked(
            model=needed_model(body, model),
            stream=stream or bool(body.get("stream")),
            turns=[*system, *(_turn(item) for item in items)],
            tools={
                tool["name"]: tool.get("parameters")
                for tool in tools
                if tool.get("type") == "function"
            },
            forced=choice.get("name")
            if isinstance(choice, dict)
            else "*"
            if choice == "required"
            else None,
            tools_off=choice == "none",
            parallel=body.get("parallel_tool_calls") is not False,
            think=effort not in (None, "none"),
            schema=form.get("schema") if form.get("type") == "json_schema" else None,
            max_tokens=positive(body.get("max_output_tokens"), "max_output_tokens"),
        )

    def whole(self, asked: Asked, answer: SimulatedAnswer, created: int) -> bytes:
        output = [item for item, _ in _items(answer)]
        return orjson.dumps(_response(asked, answer, created, _status(answer), output))

    def events(self, asked: Asked, answer: SimulatedAnswer, created: int) -> list[Event]:
        script = _Script()
        script.add(
            Kind.FRAME,
            "response.created",
            response=_response(asked, answer, created, "in_progress", []),
        )
        script.add(
            Kind.FRAME,
            "response.in_progress",
            response=_response(asked, answer, created, "in_progress", []),
        )
        for index, (item, pieces) in enumerate(_items(answer)):
            script.item(index, item, pieces)
        status = _status(answer)
        output = [item for item, _ in _items(answer)]
        script.add(
            Kind.DONE,
            f"response.{status}",
            response=_response(asked, answer, created, status, output),
        )
        return script.events

    def failure(self, trouble: Trouble) -> WireFailure:
        return openai_failure(trouble)

    def error_event(self, trouble: Trouble, *, first: bool) -> bytes:
        error = error_object(trouble)
        event = {
            "type": "error",
            "sequence_number": 99,
            "code": error["code"],
            "message": error["message"],
            "param": error["param"],
        }
        return sse(event, "error")

    def heartbeat(self) -> bytes:
        return b": keep-alive\n\n"

    def malformed(self) -> bytes:
        return sse(BROKEN_JSON, "response.output_text.delta")


class _Script:
    """The events of one answer, numbered as the vendor numbers them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, kind: Kind, name: str, /, **fields: Any) -> None:
        self.events.append(
            Event(kind, sse({"type": name, "sequence_number": len(self.events), **fields}, name))
        )

    def item(self, index: int, item: dict[str, Any], pieces: list[str]) -> None:
        """All events of one output item; what they hold depends on its type."""
        open_item = {**item, "status": "in_progress"}
        if item["type"] == "function_call":
            open_item["arguments"] = ""
            self.add(Kind.FRAME, "response.output_item.added", output_index=index, item=open_item)
            where: dict[str, Any] = {"item_id": item["id"], "output_index": index}
            for piece in pieces:
                self.add(
                    Kind.CONTENT, "response.function_call_arguments.delta", **where, delta=piece
                )
            self.add(
                Kind.FRAME,
                "response.function_call_arguments.done",
                **where,
                name=item["name"],
                arguments=item["arguments"],
            )
        elif item["type"] == "reasoning":
            self.add(
                Kind.FRAME,
                "response.output_item.added",
                output_index=index,
                item={**open_item, "summary": []},
            )
            where = {"item_id": item["id"], "output_index": index, "summary_index": 0}
            self._part(
                "response.reasoning_summary_part",
                "response.reasoning_summary_text",
                where,
                {"type": "summary_text"},
                pieces,
                {},
            )
        else:
            self.add(
                Kind.FRAME,
                "response.output_item.added",
                output_index=index,
                item={**open_item, "content": []},
            )
            where = {"item_id": item["id"], "output_index": index, "content_index": 0}
            if item["content"][0]["type"] == "refusal":
                self._refusal(where, pieces)
            else:
                part = {"type": "output_text", "annotations": [], "logprobs": []}
                self._part(
                    "response.content_part",
                    "response.output_text",
                    where,
                    part,
                    pieces,
                    {"logprobs": []},
                )
        self.add(Kind.FRAME, "response.output_item.done", output_index=index, item=item)

    def _refusal(self, where: dict[str, Any], pieces: list[str]) -> None:
        whole = "".join(pieces)
        part = {"type": "refusal", "refusal": ""}
        self.add(Kind.FRAME, "response.content_part.added", **where, part=part)
        for piece in pieces:
            self.add(Kind.CONTENT, "response.refusal.delta", **where, delta=piece)
        self.add(Kind.FRAME, "response.refusal.done", **where, refusal=whole)
        part = {"type": "refusal", "refusal": whole}
        self.add(Kind.FRAME, "response.content_part.done", **where, part=part)

    def _part(
        self,
        part_name: str,
        text_name: str,
        where: dict[str, Any],
        part: dict[str, Any],
        pieces: list[str],
        more: dict[str, Any],
    ) -> None:
        text = "".join(pieces)
        self.add(Kind.FRAME, f"{part_name}.added", **where, part={**part, "text": ""})
        for piece in pieces:
            self.add(Kind.CONTENT, f"{text_name}.delta", **where, delta=piece, **more)
        self.add(Kind.FRAME, f"{text_name}.done", **where, text=text, **more)
        self.add(Kind.FRAME, f"{part_name}.done", **where, part={**part, "text": text})


def _turn(item: dict[str, Any]) -> AskedTurn:
    if item.get("type") == "function_call_output":
        return AskedTurn("tool", text_of(item.get("output")))
    role = str(item.get("role", "assistant"))
    return AskedTurn("system" if role == "developer" else role, text_of(item.get("content")))


def _items(answer: SimulatedAnswer) -> list[tuple[dict[str, Any], list[str]]]:
    """Finished output items, each with the pieces in which it is streamed."""
    items: list[tuple[dict[str, Any], list[str]]] = []
    if answer.thinking:
        summary = [{"type": "summary_text", "text": "".join(answer.thinking)}]
        items.append(
            (
                {"id": f"rs_{answer.number:08d}", "type": "reasoning", "summary": summary},
                list(answer.thinking),
            )
        )
    declined = answer.finish == "declined"
    if answer.text or declined:
        part: dict[str, Any] = (
            {"type": "refusal", "refusal": "".join(REFUSAL_PIECES)}
            if declined
            else {"type": "output_text", "text": answer.said, "annotations": [], "logprobs": []}
        )
        message = {
            "id": f"msg_{answer.number:08d}",
            "type": "message",
            "status": _status(answer),
            "role": "assistant",
            "content": [part],
        }
        items.append((message, list(REFUSAL_PIECES if declined else answer.text)))
    for i, call in enumerate(answer.calls):
        mark = f"{answer.number:06d}{i}"
        fields = {
            "id": f"fc_{mark}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{mark}",
        }
        items.append(({**fields, "name": call.name, "arguments": call.arguments}, call.pieces))
    return items


def _status(answer: SimulatedAnswer) -> str:
    return "incomplete" if answer.finish in ("length", "blocked") else "completed"


def _response(
    asked: Asked, answer: SimulatedAnswer, created: int, status: str, output: list[dict[str, Any]]
) -> dict[str, Any]:
    reason = {"length": "max_output_tokens", "blocked": "content_filter"}.get(answer.finish)
    return {
        "id": f"resp_{answer.number:08d}",
        "object": "response",
        "created_at": created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": asked.max_tokens,
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": asked.parallel,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(answer) if status != "in_progress" and answer.usage else None,
        "metadata": {},
    }


def _usage(answer: SimulatedAnswer) -> dict[str, Any]:
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {
            "cached_tokens": answer.cached_tokens,
            "cache_write_tokens": answer.cache_write_tokens,
        },
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": len(answer.thinking)},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
