"""Writing a Responses stream from neutral deltas: items one after the other, each opened, filled
and closed, every event numbered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Audio, Citation, Image, Opaque, Signature, Thinking
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._errors import text_of
from pilotfish.styles._signatures import sealed
from pilotfish.styles._stream_writer import BlockStreamWriter, payloads_of
from pilotfish.styles.openai.reply import write_logprobs
from pilotfish.styles.openai_responses.errors import error_event
from pilotfish.styles.openai_responses.reply import (
    call_item,
    ended,
    image_item,
    message_item,
    reasoning_item,
    refusal_part,
    response_object,
    text_part,
    write_annotation,
)

_encode = msgspec.json.encode


class ResponsesStreamWriter(BlockStreamWriter):
    """See `core.formats.style.StreamWriter`. It has no options."""

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        super().__init__(model=model, request_id=request_id, now=now, options=options)
        self._response = response_object(f"resp_{request_id}", model, now, status="in_progress")
        self._sequence = 0
        self._output: list[dict[str, Any]] = []  # the items that are complete
        self._pieces: list[str] = []  # of the open block: text, refusal, reasoning or call
        self._chars = 0  # of the open text
        self._extra: list[dict[str, Any]] = []  # annotations of a text
        self._tokens: list[dict[str, Any]] = []  # logprobs of the open text, or of the next one
        self._head = b""  # of a delta of the open text, up to its text
        self._call: deltas.ToolStart | None = None
        self._reasoning = ""  # the id of the item of reasoning that was added last
        self._own_id = ""  # of an open item that another service opened

    def _go_on(self, events: list[bytes], text: str) -> None:
        """Every event is numbered and every item has its place and id; the last event holds all of
        them again."""
        begun: Any = None
        for event in payloads_of(events):
            number, item = event.get("sequence_number"), event.get("item")
            self._sequence = max(self._sequence, number + 1 if isinstance(number, int) else 0)
            kind = event.get("type")
            if kind in ("response.created", "response.in_progress"):
                begun = event.get("response")
            elif kind == "response.output_item.added" and isinstance(item, dict):
                self._block, self._own_id = "item", text_of(item.get("id"))
            elif kind == "response.output_item.done" and isinstance(item, dict):
                self._output.append(item)
                self._block = self._own_id = ""
                text = text.removeprefix(_text_in(item))
            elif kind == "response.content_part.added" and self._block:
                self._block = "text"
            elif kind == "response.output_text.done":
                self._block = "item"
        if not isinstance(begun, dict) or self._block == "item":
            raise ValueError("nothing to go on from")
        self._response |= begun | ({"model": self._model} if self._model else {})
        if self._block:
            self._pieces, self._chars = [text], len(text)
            self._head = self._text_head()

    def _error(self, error: ErrorInfo) -> bytes:
        self._sequence += 1
        return error_event(error, self._sequence - 1)

    def _emit(self, name: str, fields: dict[str, Any]) -> None:
        body = {"type": name} | fields | {"sequence_number": self._sequence}
        self._out.append(event_from(_encode(body), name.encode()))
        self._sequence += 1

    def _begin(self, first: deltas.Delta | None) -> None:
        if isinstance(first, deltas.MessageStart) and not self._response["model"]:
            self._response["model"] = first.model
        self._emit("response.created", {"response": self._response})
        self._emit("response.in_progress", {"response": self._response})

    def _finish_stream(self) -> None:
        self._close_all()
        usage = self._usage or Usage()
        response = ended(self._response, self._reason(), usage, refused=self._refused)
        response["output"] = self._output
        name = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
        self._emit(name, {"response": response})

    # --- the pieces of items ---

    @property
    def _place(self) -> int:
        return len(self._output)

    def _id(self, prefix: str) -> str:
        return self._own_id or f"{prefix}_{self._request_id}_{self._place}"

    def _at(self, prefix: str) -> dict[str, Any]:
        return {"item_id": self._id(prefix), "output_index": self._place, "content_index": 0}

    @property
    def _summary(self) -> dict[str, Any]:
        return {"item_id": self._reasoning, "output_index": self._place, "summary_index": 0}

    def _on_text(self, delta: deltas.TextDelta) -> None:
        if delta.signature:
            self._proof(delta.signature)
        if not delta.text:
            return
        self._open_text()
        self._pieces.append(delta.text)
        self._chars += len(delta.text)
        self._out.append(
            b'%b%b,"sequence_number":%d}\n\n' % (self._head, _encode(delta.text), self._sequence)
        )
        self._sequence += 1

    def _on_refusal(self, delta: deltas.RefusalDelta) -> None:
        if self._block != "refusal":
            self._open_message("refusal", refusal_part(""))
        self._pieces.append(delta.text)
        self._emit("response.refusal.delta", self._at("msg") | {"delta": delta.text})

    def _open_message(self, kind: str, part: dict[str, Any]) -> None:
        self._close()
        self._block = kind
        item = message_item(self._id("msg"), [], status="in_progress")
        self._added(item)
        self._emit("response.content_part.added", self._at("msg") | {"part": part})

    def _open_text(self) -> None:
        if self._block != "text":
            self._open_message("text", text_part("", []))
            self._head = self._text_head()

    def _text_head(self) -> bytes:
        name = "response.output_text.delta"
        head = _encode({"type": name} | self._at("msg") | {"logprobs": []})[:-1]
        return b'event: %b\ndata: %b,"delta":' % (name.encode(), head)

    def _put_citation(self, citation: Citation) -> None:
        annotation = write_annotation(citation, 0, self._chars)
        fields = self._at("msg") | {"annotation_index": len(self._extra), "annotation": annotation}
        self._extra.append(annotation)
        self._emit("response.output_text.annotation.added", fields)

    def _on_thinking(self, delta: deltas.ThinkingDelta) -> None:
        if self._block != "reasoning":
            self._close()
            self._block = "reasoning"
            self._reasoning = delta.id or self._id("rs")
            self._added(reasoning_item(self._reasoning, Thinking()))
            part = {"type": "summary_text", "text": ""}
            self._emit("response.reasoning_summary_part.added", self._summary | {"part": part})
        self._pieces.append(delta.text)
        fields = self._summary | {"delta": delta.text}
        self._emit("response.reasoning_summary_text.delta", fields)

    def _on_thinking_end(self, delta: deltas.ThinkingEnd) -> None:
        if self._block == "reasoning":
            self._close_reasoning(
                Thinking(
                    text="".join(self._pieces), signature=delta.signature, redacted=delta.redacted
                ),
            )
        elif delta.signature:
            self._proof(delta.signature, redacted=delta.redacted)

    def _proof(self, signature: Signature, *, redacted: bool = False) -> None:
        """A reasoning item without text: redacted thinking, or Gemini's signature of the part that
        follows.
        """
        self._close()
        item = reasoning_item(self._id("rs"), Thinking(signature=signature, redacted=redacted))
        self._added(item)
        self._done(item)

    def _on_tool(self, delta: deltas.ToolStart) -> None:
        if delta.signature:
            self._proof(delta.signature)
        self._close()
        self._block, self._call = "call", delta
        item = call_item(
            self._id("fc"), delta.id, delta.name, "", kind=delta.kind, status="in_progress"
        )
        self._added(item)

    def _on_arguments(self, delta: deltas.ToolArgs) -> None:
        if not delta.text or self._call is None:
            return
        self._pieces.append(delta.text)
        name = (
            "custom_tool_call_input" if self._call.kind == "custom" else "function_call_arguments"
        )
        fields = {"item_id": self._id("fc"), "output_index": self._place, "delta": delta.text}
        self._emit(f"response.{name}.delta", fields)

    def _on_part(self, delta: deltas.PartDelta) -> None:
        part = delta.part
        if isinstance(part, Opaque) and part.origin == "openai_responses":
            self._close()
            self._added(part.raw)
            self._done(part.raw)
        elif isinstance(part, Image) and part.data:
            if part.signature:
                self._proof(part.signature)
            self._close()
            item = image_item(self._id("ig"), part)
            self._added(item | {"status": "in_progress", "result": None})
            self._done(item)
        elif isinstance(part, Audio) and part.transcript:
            self._on_text(deltas.TextDelta(part.transcript))

    def _on_logprobs(self, delta: deltas.LogprobsDelta) -> None:
        self._tokens += write_logprobs(delta.tokens, no_bytes=[])

    # --- their ends ---

    def _added(self, item: dict[str, Any]) -> None:
        self._emit("response.output_item.added", {"output_index": self._place, "item": item})

    def _done(self, item: dict[str, Any]) -> None:
        self._emit("response.output_item.done", {"output_index": self._place, "item": item})
        self._output.append(item)

    def _close_block(self) -> None:
        text = "".join(self._pieces)
        if self._block in ("text", "refusal"):
            self._close_message(text)
        elif self._block == "reasoning":
            self._close_reasoning(Thinking(text=text))
        elif self._call is not None:
            self._close_call(self._call, text)
        self._reset()

    def _reset(self) -> None:
        self._block, self._call, self._own_id = "", None, ""
        self._pieces, self._extra, self._chars = [], [], 0

    def _close_message(self, text: str) -> None:
        if self._block == "refusal":
            part = refusal_part(text)
            self._emit("response.refusal.done", self._at("msg") | {"refusal": text})
        else:
            part = text_part(text, self._extra) | {"logprobs": self._tokens}
            self._emit(
                "response.output_text.done",
                self._at("msg") | {"text": text, "logprobs": self._tokens},
            )
            self._tokens = []
        self._emit("response.content_part.done", self._at("msg") | {"part": part})
        self._done(message_item(self._id("msg"), [part], status="completed"))

    def _close_reasoning(self, thinking: Thinking) -> None:
        at = self._summary
        self._emit("response.reasoning_summary_text.done", at | {"text": thinking.text})
        part = {"type": "summary_text", "text": thinking.text}
        self._emit("response.reasoning_summary_part.done", at | {"part": part})
        item = reasoning_item(self._reasoning, thinking)
        if thinking.signature and item["id"] != self._reasoning:
            # Its own id came too late: the item has been added with another, which clients hold to.
            item |= {"id": self._reasoning, "encrypted_content": sealed(thinking.signature)}
        self._done(item)
        self._reset()

    def _close_call(self, call: deltas.ToolStart, text: str) -> None:
        item = call_item(self._id("fc"), call.id, call.name, text, kind=call.kind)
        at = {"item_id": self._id("fc"), "output_index": self._place}
        if call.kind == "custom":
            self._emit("response.custom_tool_call_input.done", at | {"input": text})
        else:
            self._emit(
                "response.function_call_arguments.done",
                at | {"name": call.name, "arguments": item["arguments"]},
            )
        self._done(item)


def _text_in(item: dict[str, Any]) -> str:
    """The text of a message that is complete."""
    parts = item.get("content")
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if parts else []
    return "".join(text for text in texts if isinstance(text, str))


WRITER = ResponsesStreamWriter
