"""Writing a Chat Completions stream from neutral deltas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.deltas import (
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
from pilotfish.core.formats.neutral import Audio, FinishReason, Image, Thinking
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.openai.errors import error_event
from pilotfish.styles.openai.parts import write_details
from pilotfish.styles.openai.reply import (
    finish_word,
    write_annotation,
    write_image,
    write_logprobs,
    write_usage,
)

_encode = msgspec.json.encode
_TAIL = b',"logprobs":null,"finish_reason":null}]}\n\n'


class OpenAIStreamWriter:
    """See `core.formats.style.StreamWriter`. `options["include_usage"]`: the client asked for the
    chunk with the token counts.
    """

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        self._model = model
        self._id = f"chatcmpl-{request_id}"
        self._created = int(now)
        self._include_usage = bool(options.get("include_usage"))
        self._head = b""  # of every chunk, up to the value of `delta`; empty until the first
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._refused = False
        self._thought: list[
            str
        ] = []  # the text of the current run of thinking, which its signature proves
        self._summary = False
        self._details = 0
        self._images = 0
        self._chars = 0
        self._custom_calls: set[int] = set()
        self._empty_calls: dict[int, None] = {}  # function calls that have no arguments yet

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        if not self._head and deltas:
            self._begin(deltas[0], out)
        for delta in deltas:
            if isinstance(delta, TextDelta):
                self._chars += len(delta.text)
                out.append(self._head + b'{"content":' + _encode(delta.text) + b"}" + _TAIL)
            else:
                self._other(delta, out)
        return b"".join(out)

    def ping(self) -> bytes:
        return b": ping\n\n"

    def error(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def end(self) -> bytes:
        out: list[bytes] = []
        if not self._head:
            self._begin(None, out)
        if self._finish is None:
            self._finished(Finish(FinishReason.STOP), out)
        if self._include_usage:
            usage = {"choices": [], "usage": write_usage(self._usage or Usage())}
            out.append(event_from(_encode(self._chunk() | usage)))
        out.append(b"data: [DONE]\n\n")
        return b"".join(out)

    def _chunk(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }

    def _begin(self, first: Delta | None, out: list[bytes]) -> None:
        if isinstance(first, MessageStart) and not self._model:
            self._model = first.model
        self._head = b"data: " + _encode(self._chunk())[:-1] + b',"choices":[{"index":0,"delta":'
        self._put({"role": "assistant", "content": ""}, out)

    def _put(self, delta: dict[str, Any], out: list[bytes]) -> None:
        out.append(self._head + _encode(delta) + _TAIL)

    def _other(self, delta: Delta, out: list[bytes]) -> None:
        """Everything but text."""
        if isinstance(delta, ToolArgs):
            self._arguments(delta, out)
        elif isinstance(delta, ThinkingDelta):
            self._thought.append(delta.text)
            self._summary = delta.summary
            self._put({"reasoning_content": delta.text}, out)
        elif isinstance(delta, ThinkingEnd):
            self._thinking_ended(delta, out)
        elif isinstance(delta, ToolStart):
            self._tool(delta, out)
        elif isinstance(delta, RefusalDelta):
            self._refused = True
            self._put({"refusal": delta.text}, out)
        elif isinstance(delta, Finish):
            self._finished(delta, out)
        elif isinstance(delta, UsageDelta):
            self._usage = delta.usage
        elif isinstance(delta, CitationDelta):
            self._put({"annotations": [write_annotation(delta.citation, 0, self._chars)]}, out)
        elif isinstance(delta, LogprobsDelta):
            tokens = {"content": write_logprobs(delta.tokens), "refusal": None}
            out.append(
                self._head + b'{},"logprobs":' + _encode(tokens) + b',"finish_reason":null}]}\n\n'
            )
        elif isinstance(delta, PartDelta):
            self._part(delta, out)
        elif isinstance(delta, StreamError):
            out.append(self.error(delta.error))
        elif isinstance(delta, Ping):
            out.append(self.ping())

    def _thinking_ended(self, delta: ThinkingEnd, out: list[bytes]) -> None:
        thinking = Thinking(
            text="".join(self._thought),
            signature=delta.signature,
            redacted=delta.redacted,
            summary=self._summary,
            id=delta.id,
        )
        self._thought.clear()
        details = write_details(thinking, self._details)
        if details:
            self._details += 1
            self._put({"reasoning_details": details}, out)

    def _tool(self, delta: ToolStart, out: list[bytes]) -> None:
        call: dict[str, Any] = {"index": delta.index, "id": delta.id, "type": delta.kind}
        if delta.kind == "custom":
            self._custom_calls.add(delta.index)
            call["custom"] = {"name": delta.name, "input": ""}
        else:
            self._empty_calls[delta.index] = None
            call["function"] = {"name": delta.name, "arguments": ""}
        if delta.signature and delta.signature.origin == "google":
            call["extra_content"] = {"google": {"thought_signature": delta.signature.value}}
        self._put({"tool_calls": [call]}, out)

    def _arguments(self, delta: ToolArgs, out: list[bytes]) -> None:
        if delta.text:
            self._empty_calls.pop(delta.index, None)
        function = (
            {"custom": {"input": delta.text}}
            if delta.index in self._custom_calls
            else {"function": {"arguments": delta.text}}
        )
        self._put({"tool_calls": [{"index": delta.index} | function]}, out)

    def _fill_empty_calls(self, out: list[bytes]) -> None:
        """A call without arguments is `{}`: clients parse what they have put together, and an empty
        text is no JSON.
        """
        for index in self._empty_calls:
            self._put({"tool_calls": [{"index": index, "function": {"arguments": "{}"}}]}, out)
        self._empty_calls.clear()

    def _part(self, delta: PartDelta, out: list[bytes]) -> None:
        part = delta.part
        if isinstance(part, Image):
            self._put({"images": [write_image(part, self._images)]}, out)
            self._images += 1
        elif isinstance(part, Audio):
            given = {"id": part.id, "data": part.data, "transcript": part.transcript}
            self._put({"audio": {name: value for name, value in given.items() if value}}, out)

    def _finished(self, finish: Finish, out: list[bytes]) -> None:
        if self._finish is not None:
            return  # the first counts; some upstreams repeat it
        self._fill_empty_calls(out)
        if finish.reason is FinishReason.REFUSAL and finish.details and not self._refused:
            self._refused = True
            self._put({"refusal": finish.details}, out)
        self._finish = finish
        word = finish_word(finish.reason, refused=self._refused)
        out.append(self._head + b'{},"logprobs":null,"finish_reason":' + _encode(word) + b"}]}\n\n")
