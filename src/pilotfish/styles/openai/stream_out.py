"""Writing a Chat Completions stream from neutral deltas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Audio, FinishReason, Image, Thinking
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._errors import text_of
from pilotfish.styles._stream_writer import BaseStreamWriter, payloads_of
from pilotfish.styles.openai.errors import error_event
from pilotfish.styles.openai.parts import google_extra, write_details
from pilotfish.styles.openai.reply import (
    finish_word,
    write_annotation,
    write_image,
    write_logprobs,
    write_usage,
)

_encode = msgspec.json.encode
_TAIL = b',"logprobs":null,"finish_reason":null}]}\n\n'


class OpenAIStreamWriter(BaseStreamWriter):
    """See `core.formats.style.StreamWriter`. `options["include_usage"]`: the client asked for the
    chunk with the token counts. Calls are told apart by their index, so they need no order.
    """

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        super().__init__(model=model, request_id=request_id, now=now, options=options)
        self._created = int(now)
        self._include_usage = bool(options.get("include_usage"))
        self._same: dict[str, Any] = {}  # what the chunks of a stream taken over had
        self._head = b""  # of every chunk, up to the value of `delta`
        self._thought: list[str] = []  # the current run of thinking, which its signature proves
        self._summary = False
        self._details = 0
        self._images = 0
        self._chars = 0
        self._custom_calls: set[int] = set()
        self._empty_calls: dict[int, None] = {}  # function calls that have no arguments yet

    def write(self, deltas: list[deltas.Delta]) -> bytes:
        if not self._begun and deltas:
            self._begun = True
            self._begin(deltas[0])
        for delta in deltas:
            self._write(delta)
        return self._written()

    def _go_on(self, events: list[bytes], text: str) -> None:
        chunks = [chunk for chunk in payloads_of(events) if chunk.get("choices")]
        if not chunks:
            raise ValueError("no chunk to go on from")
        last = chunks[-1]
        self._model = self._model or text_of(last.get("model"))
        same = {key: last[key] for key in ("id", "created", "service_tier") if last.get(key)}
        self._same = same
        self._chars = len(text)
        self._begin_chunks()

    def _error(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def _finish_stream(self) -> None:
        if self._finish is None:
            self._on_finish(deltas.Finish(FinishReason.STOP))
        if self._include_usage:
            usage = {"choices": [], "usage": write_usage(self._usage or Usage())}
            self._out.append(event_from(_encode(self._chunk() | usage)))
        self._out.append(b"data: [DONE]\n\n")

    def _chunk(self) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._request_id}",
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            **self._same,
        }

    def _begin(self, first: deltas.Delta | None) -> None:
        if isinstance(first, deltas.MessageStart) and not self._model:
            self._model = first.model
        self._begin_chunks()
        self._put({"role": "assistant", "content": ""})

    def _begin_chunks(self) -> None:
        self._head = b"data: " + _encode(self._chunk())[:-1] + b',"choices":[{"index":0,"delta":'

    def _put(self, delta: dict[str, Any]) -> None:
        self._out.append(self._head + _encode(delta) + _TAIL)

    def _on_text(self, delta: deltas.TextDelta) -> None:
        self._chars += len(delta.text)
        if delta.signature and delta.signature.origin == "google":
            extra = google_extra(delta.signature.value)
            self._put({"content": delta.text, "extra_content": extra})
            return
        self._out.append(self._head + b'{"content":' + _encode(delta.text) + b"}" + _TAIL)

    def _on_refusal(self, delta: deltas.RefusalDelta) -> None:
        self._put({"refusal": delta.text})

    def _on_thinking(self, delta: deltas.ThinkingDelta) -> None:
        self._thought.append(delta.text)
        self._summary = delta.summary
        self._put({"reasoning_content": delta.text})

    def _on_thinking_end(self, delta: deltas.ThinkingEnd) -> None:
        thinking = Thinking(
            text="".join(self._thought),
            signature=delta.signature,
            redacted=delta.redacted,
            summary=self._summary,
            id=delta.id,
        )
        self._thought.clear()
        details = write_details(thinking)
        if details:
            index, self._details = self._details, self._details + len(details)
            numbered = [item | {"index": index + n} for n, item in enumerate(details)]
            self._put({"reasoning_details": numbered})

    def _on_tool(self, delta: deltas.ToolStart) -> None:
        call: dict[str, Any] = {"index": delta.index, "id": delta.id, "type": delta.kind}
        if delta.kind == "custom":
            self._custom_calls.add(delta.index)
            call["custom"] = {"name": delta.name, "input": ""}
        else:
            self._empty_calls[delta.index] = None
            call["function"] = {"name": delta.name, "arguments": ""}
        if delta.signature and delta.signature.origin == "google":
            call["extra_content"] = google_extra(delta.signature.value)
        self._put({"tool_calls": [call]})

    def _on_arguments(self, delta: deltas.ToolArgs) -> None:
        if delta.text:
            self._empty_calls.pop(delta.index, None)
        function = (
            {"custom": {"input": delta.text}}
            if delta.index in self._custom_calls
            else {"function": {"arguments": delta.text}}
        )
        self._put({"tool_calls": [{"index": delta.index} | function]})

    def _fill_empty_calls(self) -> None:
        """A call without arguments is `{}`: clients parse what they have put together, and an empty
        text is no JSON.
        """
        for index in self._empty_calls:
            self._put({"tool_calls": [{"index": index, "function": {"arguments": "{}"}}]})
        self._empty_calls.clear()

    def _on_citation(self, delta: deltas.CitationDelta) -> None:
        self._put({"annotations": [write_annotation(delta.citation, 0, self._chars)]})

    def _on_logprobs(self, delta: deltas.LogprobsDelta) -> None:
        tokens = _encode({"content": write_logprobs(delta.tokens), "refusal": None})
        self._out.append(self._head + b'{},"logprobs":' + tokens + b',"finish_reason":null}]}\n\n')

    def _on_part(self, delta: deltas.PartDelta) -> None:
        part = delta.part
        if isinstance(part, Image):
            self._put({"images": [write_image(part, self._images)]})
            self._images += 1
        elif isinstance(part, Audio):
            given = {"id": part.id, "data": part.data, "transcript": part.transcript}
            self._put({"audio": {name: value for name, value in given.items() if value}})

    def _on_finish(self, delta: deltas.Finish) -> None:
        self._fill_empty_calls()
        if delta.reason is FinishReason.REFUSAL and delta.details and not self._refused:
            self._refused = True
            self._put({"refusal": delta.details})
        self._finish = delta
        word = _encode(finish_word(delta.reason, refused=self._refused))
        self._out.append(self._head + b'{},"logprobs":null,"finish_reason":' + word + b"}]}\n\n")


WRITER = OpenAIStreamWriter
