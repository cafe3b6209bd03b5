"""Writing a Responses stream from neutral deltas: items one after the other, each opened, filled
and closed, every event numbered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    Delta,
    Finish,
    LogprobsDelta,
    MessageStart,
    PartDelta,
    Ping,
    RefusalDelta,
    StreamError,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Audio, FinishReason, Opaque, Signature, Thinking
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._in_turn import InTurn
from pilotfish.styles.openai.reply import write_logprobs
from pilotfish.styles.openai_responses.errors import error_event
from pilotfish.styles.openai_responses.reply import (
    call_item,
    ended,
    message_item,
    reasoning_item,
    refusal_part,
    response_object,
    text_part,
    write_annotation,
)

_encode = msgspec.json.encode


class ResponsesStreamWriter:
    """See `core.formats.style.StreamWriter`. It has no options."""

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        self._request_id = request_id
        self._response = response_object(f"resp_{request_id}", model, now, status="in_progress")
        self._sequence = 0
        self._begun = False
        self._output: list[dict[str, Any]] = []  # the items that are complete
        self._open = ""  # "text", "refusal", "reasoning" or "call": what is being written
        self._pieces: list[str] = []  # of its text
        self._extra: list[dict[str, Any]] = []  # annotations of a text
        self._tokens: list[dict[str, Any]] = []  # logprobs of a text
        self._head = b""  # of a delta of the open text, up to its text
        self._call: ToolStart | None = None
        self._refused = False
        self._called = False
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._in_turn = InTurn()

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            if not self._begun:
                self._begin(delta, out)
            for ready in self._in_turn.feed(delta):
                self._write(ready, out)
        return b"".join(out)

    def ping(self) -> bytes:
        return b": ping\n\n"

    def error(self, error: ErrorInfo) -> bytes:
        self._sequence += 1
        return error_event(error, self._sequence - 1)

    def end(self) -> bytes:
        out: list[bytes] = []
        if not self._begun:
            self._begin(None, out)
        for ready in self._in_turn.rest():
            self._write(ready, out)
        self._close(out)
        reason = self._finish.reason if self._finish else FinishReason.STOP
        response = ended(self._response, reason, self._usage or Usage(), refused=self._refused) | {
            "output": self._output
        }
        name = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
        self._emit(name, {"response": response}, out)
        return b"".join(out)

    def _emit(self, name: str, fields: dict[str, Any], out: list[bytes]) -> None:
        body = {"type": name} | fields | {"sequence_number": self._sequence}
        out.append(event_from(_encode(body), name.encode()))
        self._sequence += 1

    def _begin(self, first: Delta | None, out: list[bytes]) -> None:
        self._begun = True
        if isinstance(first, MessageStart) and not self._response["model"]:
            self._response["model"] = first.model
        self._emit("response.created", {"response": self._response}, out)
        self._emit("response.in_progress", {"response": self._response}, out)

    def _write(self, delta: Delta, out: list[bytes]) -> None:
        if isinstance(delta, TextDelta):
            self._text(delta, out)
        elif isinstance(delta, ToolArgs):
            self._arguments(delta, out)
        elif isinstance(delta, ThinkingDelta):
            self._thinking(delta, out)
        elif isinstance(delta, ThinkingEnd):
            self._thinking_ended(delta, out)
        elif isinstance(delta, ToolStart):
            self._tool(delta, out)
        elif isinstance(delta, RefusalDelta):
            self._refusal(delta, out)
        elif isinstance(delta, CitationDelta):
            self._citation(delta, out)
        elif isinstance(delta, PartDelta):
            self._part(delta, out)
        else:
            self._whole(delta, out)

    def _whole(self, delta: Delta, out: list[bytes]) -> None:
        """What concerns the answer and no item of it."""
        if isinstance(delta, Finish):
            self._finish = self._finish or delta
        elif isinstance(delta, UsageDelta):
            self._usage = delta.usage
        elif isinstance(delta, LogprobsDelta):
            self._tokens += write_logprobs(delta.tokens)
        elif isinstance(delta, BlockEnd):
            self._close(out)
        elif isinstance(delta, StreamError):
            out.append(self.error(delta.error))
        elif isinstance(delta, Ping):
            out.append(self.ping())

    # --- the pieces of items ---

    @property
    def _place(self) -> int:
        return len(self._output)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._request_id}_{self._place}"

    def _at(self, prefix: str, part: str = "content_index") -> dict[str, Any]:
        return {"item_id": self._id(prefix), "output_index": self._place, part: 0}

    def _text(self, delta: TextDelta, out: list[bytes]) -> None:
        if delta.signature:
            self._proof(delta.signature, out)
        if not delta.text:
            return
        if self._open != "text":
            self._open_message("text", text_part("", []), out)
            self._head = (
                b"event: response.output_text.delta\ndata: "
                + _encode(
                    {"type": "response.output_text.delta"} | self._at("msg") | {"logprobs": []}
                )[:-1]
                + b',"delta":'
            )
        self._pieces.append(delta.text)
        out.append(
            b'%b%b,"sequence_number":%d}\n\n' % (self._head, _encode(delta.text), self._sequence)
        )
        self._sequence += 1

    def _refusal(self, delta: RefusalDelta, out: list[bytes]) -> None:
        self._refused = True
        if self._open != "refusal":
            self._open_message("refusal", refusal_part(""), out)
        self._pieces.append(delta.text)
        self._emit("response.refusal.delta", self._at("msg") | {"delta": delta.text}, out)

    def _open_message(self, kind: str, part: dict[str, Any], out: list[bytes]) -> None:
        self._close(out)
        self._open = kind
        item = message_item(self._id("msg"), [], status="in_progress")
        self._emit("response.output_item.added", {"output_index": self._place, "item": item}, out)
        self._emit("response.content_part.added", self._at("msg") | {"part": part}, out)

    def _citation(self, delta: CitationDelta, out: list[bytes]) -> None:
        if self._open != "text":
            self._open_message("text", text_part("", []), out)
        annotation = write_annotation(delta.citation, 0, sum(map(len, self._pieces)))
        fields = self._at("msg") | {"annotation_index": len(self._extra), "annotation": annotation}
        self._extra.append(annotation)
        self._emit("response.output_text.annotation.added", fields, out)

    def _thinking(self, delta: ThinkingDelta, out: list[bytes]) -> None:
        if self._open != "reasoning":
            self._close(out)
            self._open = "reasoning"
            item = reasoning_item(self._id("rs"), Thinking())
            self._emit(
                "response.output_item.added", {"output_index": self._place, "item": item}, out
            )
            part = {"type": "summary_text", "text": ""}
            self._emit(
                "response.reasoning_summary_part.added",
                self._at("rs", "summary_index") | {"part": part},
                out,
            )
        self._pieces.append(delta.text)
        fields = self._at("rs", "summary_index") | {"delta": delta.text}
        self._emit("response.reasoning_summary_text.delta", fields, out)

    def _thinking_ended(self, delta: ThinkingEnd, out: list[bytes]) -> None:
        if self._open == "reasoning":
            self._close_reasoning(
                Thinking(
                    text="".join(self._pieces), signature=delta.signature, redacted=delta.redacted
                ),
                out,
            )
        elif delta.signature:
            self._proof(delta.signature, out, redacted=delta.redacted)

    def _proof(self, signature: Signature, out: list[bytes], *, redacted: bool = False) -> None:
        """A reasoning item without text: redacted thinking, or Gemini's signature of the part that
        follows.
        """
        self._close(out)
        item = reasoning_item(self._id("rs"), Thinking(signature=signature, redacted=redacted))
        self._emit("response.output_item.added", {"output_index": self._place, "item": item}, out)
        self._done(item, out)

    def _tool(self, delta: ToolStart, out: list[bytes]) -> None:
        if delta.signature:
            self._proof(delta.signature, out)
        self._close(out)
        self._open, self._call, self._called = "call", delta, True
        item = call_item(
            self._id("fc"), delta.id, delta.name, "", kind=delta.kind, status="in_progress"
        )
        self._emit("response.output_item.added", {"output_index": self._place, "item": item}, out)

    def _arguments(self, delta: ToolArgs, out: list[bytes]) -> None:
        if not delta.text or self._call is None:
            return
        self._pieces.append(delta.text)
        name = (
            "custom_tool_call_input" if self._call.kind == "custom" else "function_call_arguments"
        )
        fields = {"item_id": self._id("fc"), "output_index": self._place, "delta": delta.text}
        self._emit(f"response.{name}.delta", fields, out)

    def _part(self, delta: PartDelta, out: list[bytes]) -> None:
        part = delta.part
        if isinstance(part, Opaque) and part.origin == "openai_responses":
            self._close(out)
            self._emit(
                "response.output_item.added", {"output_index": self._place, "item": part.raw}, out
            )
            self._done(part.raw, out)
        elif isinstance(part, Audio) and part.transcript:
            self._text(TextDelta(part.transcript), out)

    # --- their ends ---

    def _done(self, item: dict[str, Any], out: list[bytes]) -> None:
        self._emit("response.output_item.done", {"output_index": self._place, "item": item}, out)
        self._output.append(item)

    def _close(self, out: list[bytes]) -> None:
        """Ends what is open, if anything is."""
        text = "".join(self._pieces)
        if self._open in ("text", "refusal"):
            self._close_message(text, out)
        elif self._open == "reasoning":
            self._close_reasoning(Thinking(text=text), out)
        elif self._open == "call" and self._call is not None:
            self._close_call(self._call, text, out)
        self._reset()

    def _reset(self) -> None:
        self._open, self._call = "", None
        self._pieces, self._extra, self._tokens = [], [], []

    def _close_message(self, text: str, out: list[bytes]) -> None:
        if self._open == "refusal":
            part = refusal_part(text)
            self._emit("response.refusal.done", self._at("msg") | {"refusal": text}, out)
        else:
            part = text_part(text, self._extra) | {"logprobs": self._tokens}
            self._emit(
                "response.output_text.done",
                self._at("msg") | {"text": text, "logprobs": self._tokens},
                out,
            )
        self._emit("response.content_part.done", self._at("msg") | {"part": part}, out)
        self._done(message_item(self._id("msg"), [part], status="completed"), out)

    def _close_reasoning(self, thinking: Thinking, out: list[bytes]) -> None:
        at = self._at("rs", "summary_index")
        self._emit("response.reasoning_summary_text.done", at | {"text": thinking.text}, out)
        part = {"type": "summary_text", "text": thinking.text}
        self._emit("response.reasoning_summary_part.done", at | {"part": part}, out)
        self._done(reasoning_item(self._id("rs"), thinking), out)
        self._reset()

    def _close_call(self, call: ToolStart, text: str, out: list[bytes]) -> None:
        item = call_item(self._id("fc"), call.id, call.name, text, kind=call.kind)
        at = {"item_id": self._id("fc"), "output_index": self._place}
        if call.kind == "custom":
            self._emit("response.custom_tool_call_input.done", at | {"input": text}, out)
        else:
            self._emit(
                "response.function_call_arguments.done",
                at | {"name": call.name, "arguments": item["arguments"]},
                out,
            )
        self._done(item, out)
