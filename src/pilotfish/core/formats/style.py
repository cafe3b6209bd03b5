"""What a style (a wire format) must offer. One module or small folder in `styles/` each.

Two ways lead through a style. Same style in and out: bytes pass through and a `ResponseInspector`
only looks on. Other style: everything is read into the neutral form (`core.formats.neutral`) and
written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Chat, Reply
from pilotfish.core.formats.usage import Usage

# What a ResponseInspector found in one event, as bits, since one event may be several things.
CONTENT = 1  # the client sees text, reasoning, a refusal or a tool call: a first token
FINISH = 2  # a finish reason came
TERMINAL = 4  # the style's proper end: [DONE], message_stop, response.completed, ...
USAGE_ONLY = 8  # nothing but token counts, which the client may not have asked for
ERROR = 16  # an error event; `error` says which
MALFORMED = 32  # not what an event of this style can be; left out and counted
PING = 64  # keep-alive or comment
DECLINED = 128  # a refusal's own text, or a finish reason that says that somebody declined
CANNED = 256  # what came as content until now was a guardrail's own text


class ResponseInspector(Protocol):
    """Looks at the answer of one attempt as it passes through, without changing it.

    `chars` counts the characters of content (for an estimate where the upstream reports no usage),
    `finish_reason` is the vendor's word, `model` what the upstream says it was, `usage` None until
    reported. `said`: the answer's text so far, in pieces; `beyond_text`: it holds more than text
    and thoughts, or more text than is kept, so that no other service could go on with it.
    """

    usage: Usage | None
    finish_reason: str | None
    model: str | None
    error: ErrorInfo | None
    said: list[str]
    beyond_text: bool

    @property
    def chars(self) -> int: ...
    def join_said(self) -> None:
        """Makes the pieces of `said` one, now and then, so that it stays small."""
        ...

    def event(self, event: bytes) -> int:
        """One event of a stream (for SSE with its field names and blank line; for Bedrock a whole
        frame); returns the bits above.
        """
        ...

    def reply(self, body: bytes) -> int:
        """A whole answer that is no stream; CONTENT | TERMINAL, DECLINED | TERMINAL where it holds
        nothing but a refusal, or MALFORMED, or ERROR.
        """
        ...


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a vendor or model that matter when a request is written for it. Data, not branches;
    a provider record carries one.

    `refuses`: top-level fields of its style which it answers with 400; they are dropped and named.
    """

    # openai style: "max_tokens" or "max_completion_tokens"; empty: the style's own
    max_tokens_field: str = ""
    # where the style demands a limit (Anthropic) and the client gave none
    default_max_tokens: int | None = None
    tool_id: str = ""  # "mistral9": nine alphanumerics; "": as they come, cut to tool_id_max
    tool_id_max: int = 0  # 0: no limit
    refuses: frozenset[str] = frozenset()
    prefill: bool = True  # takes a trailing assistant turn as the start of its answer
    stream_usage: bool = True  # openai style: accepts stream_options.include_usage
    developer_role: bool = True  # openai style: knows role "developer"
    strict_tools: bool = True
    json_schema: bool = True
    parallel_tool_calls: bool = True
    reasoning_effort: bool = True
    # openai style: where earlier reasoning goes back: the field of an assistant message
    # (`reasoning_content`, `reasoning`, `reasoning_details`) or `content`, for Mistral's chunks of
    # thinking; empty: nowhere
    reasoning_field: str = ""
    # openai style: refuses an assistant message with calls that lacks `reasoning_field`
    reasoning_with_calls: bool = False
    # openai style: refuses a user message right after a tool's
    assistant_after_tool: bool = False
    # openai style: its answers may hold calls without id or type, and function calls of nothing
    odd_calls: bool = False
    # openai style: takes Gemini's thought signatures back (extra_content on tool calls)
    google_signatures: bool = False
    sampling_fields: bool = True  # takes temperature, top_p, top_k
    top_k: bool = False  # openai style: takes top_k all the same (vLLM, OpenRouter)
    no_effort: bool = False  # openai styles: takes effort "none" to switch reasoning off
    # openai styles: knows prompt_cache_breakpoint on content parts
    prompt_cache_breakpoints: bool = False
    file_urls: bool = False  # openai style: takes the address of a file in `file_data`
    # anthropic style: the model takes thinking "adaptive" and output_config.effort, no budget
    adaptive_thinking: bool = False
    # anthropic style: takes output_config.format and strict tools; else a forced tool stands in
    output_format: bool = False
    # anthropic style: takes role "system" in the middle of a conversation
    system_turns: bool = False

    @property
    def edits_history(self) -> bool:
        """Whether requests of the vendor's own style are changed, too."""
        return bool(self.tool_id) or self.assistant_after_tool

    @property
    def edits_answers(self) -> bool:
        """Whether answers for clients of the vendor's own style are changed, too."""
        return self.odd_calls


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a request is written."""

    model: str
    stream: bool
    quirks: Quirks = Quirks()


class Written(msgspec.Struct, frozen=True):
    """A request in a style's own bytes. `dropped` names what it could not carry, as dotted paths of
    the client's request (`logit_bias`, `messages.audio`), each once, in the order met. `headers`
    are extra ones (`anthropic-beta`)."""

    body: bytes
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class StreamReader(Protocol):
    """Reads the events of one upstream stream. Never raises: what is not an event of the style
    comes out as `Malformed`.
    """

    def feed(self, event: bytes) -> list[Delta]:
        """One event (as for `ResponseInspector.event`) in, neutral deltas out."""
        ...


class StreamWriter(Protocol):
    """Writes one client stream from neutral deltas. It keeps ids, indices and sequence numbers, so
    that a stream which another service goes on with reads as one.
    """

    def write(self, deltas: list[Delta]) -> bytes:
        """All events for these deltas, start-up events included before the first."""
        ...

    def ping(self) -> bytes:
        """A keep-alive that this style's clients accept at any place between events."""
        ...

    def take_over(self, events: list[bytes], text: str) -> None:
        """Before anything is written: the client has had `text` in a stream of this style that the
        writer now goes on with. `events` are those that it was made of, but that of a run of
        content only the last is among them. Raises ValueError where it cannot go on.
        """
        ...

    def error(self, error: ErrorInfo) -> bytes:
        """The end of a stream that broke: an error event, and no sign of success after it."""
        ...

    def end(self) -> bytes:
        """The proper end. What is still open is closed; usage goes out here where the style has it
        last.
        """
        ...


class EventDecoder(Protocol):
    """Cuts a stream's bytes into events; `core.formats.sse.SseDecoder` and its likes. One per
    stream.
    """

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes. Raises `core.formats.sse.EventTooLong`."""
        ...


class Style(Protocol):
    """A wire format. `read_*` raise `ClientError` for a client's bad request and `ValueError` for
    an upstream's bad answer.

    `terminal_event` is what a pass-through stream that ended well without it is missing; empty
    where a style has none. `request_id_header`: where its SDKs look for the id of a request; empty
    for `x-request-id`, which every answer has. `canned_chars`: how long the text may be that a
    guardrail says in a stream in place of an answer, where only the finish reason tells the two
    apart; 0 where there is no such thing. `prompt_stub`: the field that holds the conversation, and
    the shortest one.
    """

    name: str
    stream_content_type: str
    terminal_event: bytes
    request_id_header: bytes
    canned_chars: int
    prompt_stub: tuple[str, bytes]

    def event_decoder(self) -> EventDecoder: ...

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Chat: ...
    def write_request(self, chat: Chat, target: Target) -> Written: ...
    def same_style_edits(
        self, members: Mapping[str, msgspec.Raw], quirks: Quirks
    ) -> dict[str, bytes]:
        """The top-level fields that a vendor wants otherwise in a request of this style, with their
        new values; asked where `Quirks.edits_history`.
        """
        ...

    def same_style_answer(self, quirks: Quirks, request_id: str) -> Callable[[bytes], bytes]:
        """What makes of a vendor's whole answer, or of each event of its stream, one that clients
        of this style take; asked for each answer where `Quirks.edits_answers`.
        """
        ...

    def without_foreign_proofs(
        self, body: bytes, members: Mapping[str, msgspec.Raw], target: Target
    ) -> dict[str, bytes]:
        """The top-level fields, with their new values, of a request of this style without the
        proofs of thinking that vendors of other styles gave; asked where there are such vendors.
        """
        ...

    def with_system_prompt(self, members: Mapping[str, msgspec.Raw], text: str) -> dict[str, bytes]:
        """The top-level fields, with their new values, that put `text` before the client's own
        instructions in a request of this style.
        """
        ...

    def read_reply(self, body: bytes) -> Reply: ...
    def write_reply(self, reply: Reply, *, model: str, request_id: str, now: float) -> bytes: ...
    def stream_reader(self) -> StreamReader: ...
    def stream_writer(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> StreamWriter: ...
    def inspector(self) -> ResponseInspector: ...
    def read_error(self, status: int, body: bytes, type_header: str = "") -> ErrorInfo:
        """`type_header`: what `x-amzn-errortype` says, the only header in which a vendor puts an
        error's type.
        """
        ...

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        """The body of an error answer."""
        ...

    def error_event(self, error: ErrorInfo) -> bytes:
        """An error as an event, for a pass-through stream that broke."""
        ...

    def ping_event(self) -> bytes: ...
