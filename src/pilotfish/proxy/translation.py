"""How one client's request is put to services of any style, and how their answers become the
client's: decided here for every attempt, obeyed by `proxy.attempt` and `proxy.request`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pilotfish import styles
from pilotfish.core.exchange.calls import CallBody, call_body, chat_of, continuation_body
from pilotfish.core.exchange.inbound import Inbound, filter_response_headers
from pilotfish.core.exchange.pass_through import InArray, PassThrough
from pilotfish.core.exchange.response_stream import Raw, ResponseStream, Translated
from pilotfish.core.exchange.shown_model import renamer
from pilotfish.core.exchange.stream_resume import Continuation, Transcript, asks_for_words
from pilotfish.core.formats.deltas import UsageDelta
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.style import ResponseInspector, StreamWriter, Style
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.errors import ClientError

Header = tuple[bytes, bytes]


class Translation:
    """One client's request between its own style and those of the services.

    Once an attempt's stream is the client's (`relay`), its writer and what it wrote are kept, so
    that another service can go on with the same stream.
    """

    __slots__ = (
        "_framed",
        "_inbound",
        "_relayed",
        "_rule",
        "_started_wall",
        "_transcript",
        "_writer",
    )

    def __init__(self, inbound: Inbound, rule: Rule, started_wall: float) -> None:
        self._inbound, self._rule, self._started_wall = inbound, rule, started_wall
        # A client of Bedrock's reads Anthropic's events in frames.
        self._framed = inbound.framed
        self._relayed: ResponseStream | None = None
        self._writer: StreamWriter | None = None
        self._transcript: Transcript | None = None

    @property
    def style(self) -> Style:
        """The client's."""
        if self._framed:
            from pilotfish.styles.bedrock.invoked import INVOKED

            return INVOKED
        return styles.get(self._inbound.style)

    # ---- towards a service

    def call(self, service: Service, op: str) -> CallBody:
        """The request to call `op` with. Raises ClientError where the request cannot be put so."""
        inbound = self._inbound
        if op == inbound.op or (op in CHAT_STYLES and inbound.op in CHAT_STYLES):
            return call_body(inbound, service, op, styles.get)
        from pilotfish.styles._alike import alike_body

        return alike_body(inbound, service, op)

    def continuation(self, service: Service, op: str, *, prefill: bool) -> CallBody:
        """The request to go on from what the client has already seen. Raises ClientError."""
        assert self._transcript is not None
        return continuation_body(
            self._inbound, service, op, styles.get, self._transcript.text, prefill=prefill
        )

    # ---- towards the client

    def response_stream(
        self, call: CallBody, service: Service, *, resumes: bool, before: Usage | None
    ) -> ResponseStream:
        """What an attempt's stream goes through. `resumes`: it goes on with the client's stream,
        whose tokens so far are `before`."""
        inbound, upstream = self._inbound, styles.get(call.style)
        envelope = service.provider.kind.envelopes.get(call.op)
        decoder = upstream.event_decoder() if envelope is None else envelope.event_decoder()
        canned = styles.get(call.style if envelope is None else envelope.errors).canned_chars
        shown = self._shown_model()
        rename = self._edit(call, service, shown)
        continues = self._rule.on_stream_break == "continue" and inbound.op in CHAT_STYLES
        goes_on = resumes and self._writer is not None and self._transcript is not None
        if call.same_style and not goes_on:
            if inbound.array:
                from pilotfish.styles.google.array import ArrayFraming

                return InArray(decoder, upstream.inspector(), rename, ArrayFraming())
            close = upstream.terminal_event
            if self._framed:
                from pilotfish.styles.bedrock.invoked import framing

                rename, close = framing(rename), self.style.terminal_event
            return PassThrough(
                decoder,
                upstream.inspector(),
                hide_usage=call.hides_usage,
                rename=rename,
                close=close,
                canned_chars=canned,
            )
        reader = upstream.stream_reader()
        if goes_on and self._writer is not None and self._transcript is not None:
            return Translated(
                decoder,
                reader,
                self._writer,
                transcript=self._transcript,
                continuation=Continuation(self._transcript.text, before),
                canned_chars=canned,
            )
        return Translated(
            decoder,
            reader,
            self._new_writer(shown or service.model),
            transcript=Transcript() if continues else None,
            canned_chars=canned,
        )

    @property
    def has_upstreams_words(self) -> bool:
        """Whether an error of the client's own style may go to it as the upstream wrote it."""
        return not self._framed

    def raw_stream(self) -> ResponseStream:
        """For answers that are no events: audio, files."""
        return Raw()

    def _new_writer(self, model: str) -> StreamWriter:
        """Of a stream in the client's style. `model`: what it is called there; empty: as the answer
        calls it."""
        return self.style.stream_writer(
            model=model,
            request_id=self._inbound.request_id,
            now=self._started_wall,
            options=self._stream_options(),
        )

    def _stream_options(self) -> dict[str, Any]:
        """`include_usage`: the client asked an OpenAI stream for it. `array`: Google's stream as a
        JSON array. `input_tokens`: an estimate, for a style whose streams begin with the count.
        """
        inbound = self._inbound
        return {
            "include_usage": inbound.usage_requested,
            "array": inbound.array,
            "input_tokens": inbound.tokens,
        }

    def _shown_model(self) -> str:
        model = self._rule.response_model
        return "" if model is None else self._inbound.model if model == "@requested" else model

    def _edit(
        self, call: CallBody, service: Service, shown: str
    ) -> Callable[[bytes], bytes] | None:
        """What is changed in the events and answers of a service that speaks the client's style:
        nothing, for most."""
        rename = renamer(shown) if shown else None
        if not (service.quirks.edits_answers and call.same_style and call.op in CHAT_STYLES):
            return rename
        edit = self.style.same_style_answer(service.quirks, self._inbound.request_id)
        return edit if rename is None else lambda data: rename(edit(data))

    def inspector(self, call: CallBody) -> ResponseInspector:
        """Looks at a whole answer."""
        return styles.get(call.style).inspector()

    def whole_answer(self, call: CallBody, service: Service, body: bytes) -> bytes:
        """A whole answer as the client may see it. Raises ValueError where it cannot be read."""
        inbound, shown = self._inbound, self._shown_model()
        if call.same_style:
            edit = self._edit(call, service, shown)
            return edit(body) if edit is not None else body
        if call.op not in CHAT_STYLES:
            from pilotfish.styles._alike import alike_reply

            return alike_reply(inbound, call.op, body)
        reply = styles.get(call.style).read_reply(body)
        model = shown or reply.model or service.model
        return self.style.write_reply(
            reply, model=model, request_id=inbound.request_id, now=self._started_wall
        )

    def streamed(self, body: bytes, usage: Usage | None) -> bytes:
        """A whole answer in the client's style as all of its stream, or as the rest of the one that
        it goes on with; `usage` is then that of all attempts. Raises ValueError for an answer that
        cannot be read or is of no use as a continuation."""
        inbound = self._inbound
        if inbound.op not in CHAT_STYLES:
            # A whole completion is a chunk of the stream that it could have been.
            return event_from(msgspec.json.format(body, indent=-1)) + self.style.terminal_event
        from pilotfish.core.exchange.reply_stream import deltas_of

        reply = self.style.read_reply(body)
        told = deltas_of(reply)
        if self._writer is None:
            writer = self._new_writer(reply.model)
            return writer.write(told) + writer.end()
        assert self._transcript is not None
        going_on = Continuation(self._transcript.text, None)
        rest = [fitted for delta in told for fitted in going_on.fit(delta)] + going_on.rest()
        if going_on.diverged:
            raise ValueError("it begins the answer anew, and otherwise")
        if usage is not None:
            rest.append(UsageDelta(usage))
        return self._writer.write(rest) + self._writer.end()

    def quality(self, body: bytes, *, streamed: bool) -> float:
        """What a complete answer in the client's style is worth in a race for quality; 0.0 where
        that cannot be told."""
        inbound = self._inbound
        if inbound.op not in CHAT_STYLES:
            return 0.0
        from pilotfish.core.exchange.quality import quality_of, reply_in

        try:
            wanted = chat_of(inbound, styles.get).response_format
            style = self.style
            return quality_of(
                reply_in(style, body, array=inbound.array) if streamed else style.read_reply(body),
                wanted,
            )
        except (ValueError, ClientError):
            return 0.0

    def answer_headers(
        self,
        call: CallBody | None,
        service: Service,
        headers: list[Header],
        key_headers: frozenset[bytes],
        *,
        streams: bool,
    ) -> list[Header]:
        """Of the upstream's `headers` those that the client gets, with its content type.
        `key_headers`: names of those that may echo a key."""
        if call is None or not call.same_style:
            return self.translated_headers
        kept = filter_response_headers(headers, key_headers)
        reframed = self._framed or call.op in service.provider.kind.envelopes
        if self._inbound.array or (streams and reframed):
            return [
                (b"content-type", self.content_type),
                *(h for h in kept if h[0] != b"content-type"),
            ]
        return kept

    @property
    def translated_headers(self) -> list[Header]:
        """The headers of an answer that is not the upstream's own."""
        return [(b"content-type", self.content_type), *self.id_headers]

    @property
    def id_headers(self) -> list[Header]:
        """The request's id where the vendor's SDKs look for it, unless that is the header in which
        every answer has it."""
        name = self.style.request_id_header
        return [(name, self._inbound.request_id.encode())] if name else []

    @property
    def content_type(self) -> bytes:
        inbound = self._inbound
        if inbound.stream and not inbound.array:
            return self.style.stream_content_type.encode()
        return b"application/json"

    # ---- once an attempt's stream is the client's

    def relay(self, stream: ResponseStream | None) -> None:
        """This stream is the client's from now on."""
        self._relayed = stream
        if isinstance(stream, Translated):
            self._writer, self._transcript = stream.writer, stream.transcript

    def can_be_resumed(self, stream: ResponseStream | None) -> bool:
        """Whether another service could go on with this broken stream."""
        if stream is not self._relayed or self._rule.on_stream_break != "continue":
            return False
        if isinstance(stream, PassThrough):
            self._take_over(stream)
        transcript = self._transcript
        return transcript is not None and transcript.can_be_resumed and self._is_plain()

    def _take_over(self, stream: PassThrough) -> None:
        """Makes a writer that goes on with a stream whose bytes were passed on until now."""
        said = stream.said if self._inbound.op in CHAT_STYLES else None
        if said is None:
            return
        transcript = Transcript(said)
        reader = self.style.stream_reader()
        for event in stream.form:
            for delta in reader.feed(event):
                transcript.look(delta)
        if not transcript.can_be_resumed:
            return
        writer = self._new_writer(self._shown_model())
        try:
            writer.take_over(stream.form, said)
        except ValueError:
            return
        self._writer, self._transcript = writer, transcript

    def _is_plain(self) -> bool:
        try:
            return asks_for_words(chat_of(self._inbound, styles.get))
        except ClientError:
            return False

    def ping(self) -> bytes:
        """A keep-alive for the client's stream; empty where its style has none."""
        return self._writer.ping() if self._writer is not None else self.style.ping_event()

    def error_event(self, error: ErrorInfo, relayed: ResponseStream | None) -> bytes:
        """What a stream that broke ends with."""
        if self._writer is not None:
            return self._writer.error(error)
        if self._inbound.array:
            from pilotfish.styles.google.array import ArrayFraming

            if isinstance(relayed, InArray):
                return relayed.error_element(error)
            return ArrayFraming().error(error)
        return self.style.error_event(error)
