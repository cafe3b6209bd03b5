"""What the stream writers of all styles share: which method takes which delta, in which order tool
calls are written, and how the answer ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats import deltas
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Citation, FinishReason
from pilotfish.core.formats.sse import data_of
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._call_order import CallOrder
from pilotfish.styles._errors import json_or_none
from pilotfish.styles._media import made_up_id


def payloads_of(events: list[bytes]) -> list[dict[str, Any]]:
    """The JSON objects in events of SSE; others are left out."""
    found = (json_or_none(data_of(event)) for event in events)
    return [payload for payload in found if isinstance(payload, dict)]


class BaseStreamWriter:
    """A `core.formats.style.StreamWriter` that turns deltas into calls of methods.

    A style fills in the methods whose names begin with `_on_`, `_begin` and `_finish_stream`; they
    append to `_out`. Deltas come so that no block begins while a tool call is open. Nothing is
    written after an error or the end.
    """

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        self._model = model
        self._request_id = request_id
        self._options = options
        self._out: list[bytes] = []
        self._begun = False
        self._closed = False
        self._called = False
        self._refused = False
        self._finish: deltas.Finish | None = None
        self._usage: Usage | None = None
        self._order = CallOrder()

    def write(self, deltas: list[Delta]) -> bytes:
        for delta in deltas:
            if not self._begun:
                self._begun = True
                self._begin(delta)
            for ready in self._order.feed(delta):
                self._write(ready)
        return self._written()

    def end(self) -> bytes:
        if self._closed:
            return b""
        if not self._begun:
            self._begun = True
            self._begin(None)
        for ready in self._order.rest():
            self._write(ready)
        self._finish_stream()
        self._closed = True
        return self._written()

    def take_over(self, events: list[bytes], text: str) -> None:
        self._begun = True
        self._go_on(events, text)

    def ping(self) -> bytes:
        return b": ping\n\n"

    def error(self, error: ErrorInfo) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        return self._error(error)

    def _written(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _reason(self) -> FinishReason:
        """Why the answer ended. Some upstreams say `stop` after tool calls or a refusal, or nothing
        at all."""
        reason = self._finish.reason if self._finish else FinishReason.STOP
        if reason is not FinishReason.STOP:
            return reason
        if self._refused:
            return FinishReason.REFUSAL
        return FinishReason.TOOL_CALLS if self._called else reason

    def _write(self, delta: Delta) -> None:
        if isinstance(delta, deltas.TextDelta):
            self._on_text(delta)
        elif isinstance(delta, deltas.ToolArgs):
            self._on_arguments(delta)
        elif isinstance(delta, deltas.ThinkingDelta):
            self._on_thinking(delta)
        elif isinstance(delta, deltas.ThinkingEnd):
            self._on_thinking_end(delta)
        elif isinstance(delta, deltas.ToolStart):
            self._called = True
            if not delta.id:
                identity = made_up_id(self._request_id, delta.index)
                delta = msgspec.structs.replace(delta, id=identity)
            self._on_tool(delta)
        elif isinstance(delta, deltas.RefusalDelta):
            self._refused = True
            self._on_refusal(delta)
        elif isinstance(delta, deltas.CitationDelta):
            self._on_citation(delta)
        elif isinstance(delta, deltas.LogprobsDelta):
            self._on_logprobs(delta)
        elif isinstance(delta, deltas.PartDelta):
            self._on_part(delta)
        elif isinstance(delta, deltas.BlockEnd):
            self._on_block_end()
        elif isinstance(delta, deltas.Finish):
            if self._finish is None:  # the first counts; some upstreams repeat it
                self._on_finish(delta)
        elif isinstance(delta, deltas.UsageDelta):
            self._usage = delta.usage
        elif isinstance(delta, deltas.StreamError):
            self._out.append(self.error(delta.error))
        elif isinstance(delta, deltas.Ping):
            self._on_ping()

    def _begin(self, first: Delta | None) -> None:
        """What comes before everything else; `first` is the delta that began the answer, None where
        it ends without one."""

    def _go_on(self, events: list[bytes], text: str) -> None:
        """Takes over from a stream that was passed through; see `StreamWriter.take_over`."""
        raise NotImplementedError

    def _finish_stream(self) -> None:
        raise NotImplementedError

    def _error(self, error: ErrorInfo) -> bytes:
        raise NotImplementedError

    def _on_text(self, delta: deltas.TextDelta) -> None:
        raise NotImplementedError

    def _on_arguments(self, delta: deltas.ToolArgs) -> None:
        raise NotImplementedError

    def _on_thinking(self, delta: deltas.ThinkingDelta) -> None:
        raise NotImplementedError

    def _on_thinking_end(self, delta: deltas.ThinkingEnd) -> None:
        raise NotImplementedError

    def _on_tool(self, delta: deltas.ToolStart) -> None:
        raise NotImplementedError

    def _on_citation(self, delta: deltas.CitationDelta) -> None:
        raise NotImplementedError

    def _on_part(self, delta: deltas.PartDelta) -> None:
        raise NotImplementedError

    def _on_refusal(self, delta: deltas.RefusalDelta) -> None:
        self._on_text(deltas.TextDelta(delta.text))

    def _on_logprobs(self, delta: deltas.LogprobsDelta) -> None:
        """Most styles have no place for them."""

    def _on_block_end(self) -> None:
        """A hint, which styles without blocks do not need."""

    def _on_finish(self, delta: deltas.Finish) -> None:
        self._finish = delta

    def _on_ping(self) -> None:
        self._out.append(self.ping())


class BlockStreamWriter(BaseStreamWriter):
    """A writer of a style whose answer is a list of blocks, one open at a time.

    A citation belongs to a text, and vendors send it before, in and after the text it is about. So
    it is written while a text is open, or else held until the next one closes; where none comes, a
    text without words takes it.
    """

    def __init__(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> None:
        super().__init__(model=model, request_id=request_id, now=now, options=options)
        self._block = ""  # the kind of the open block; empty: none is
        self._citations: list[Citation] = []  # held

    def _open_text(self) -> None:
        """Makes a text the open block, unless it is."""
        raise NotImplementedError

    def _put_citation(self, citation: Citation) -> None:
        """Writes it into the open text."""
        raise NotImplementedError

    def _close_block(self) -> None:
        """Ends the open block."""
        raise NotImplementedError

    def _on_citation(self, delta: deltas.CitationDelta) -> None:
        if self._block == "text":
            self._put_citation(delta.citation)
        else:
            self._citations.append(delta.citation)

    def _on_block_end(self) -> None:
        self._close()

    def _close(self) -> None:
        """Ends what is open, if anything is."""
        if self._block == "text":
            self._put_held()
        if self._block:
            self._close_block()
            self._block = ""

    def _close_all(self) -> None:
        """Ends what is open, and writes what is held, at the end of the answer."""
        self._close()
        if self._citations:
            self._open_text()
            self._close()

    def _put_held(self) -> None:
        held, self._citations = self._citations, []
        for citation in held:
            self._put_citation(citation)
