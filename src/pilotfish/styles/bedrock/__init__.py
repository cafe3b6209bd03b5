"""Amazon Bedrock's Converse. Model and streaming are in the path, not in the body; streams are
event-stream frames.

Source: Amazon Bedrock API reference, "Converse" and "ConverseStream"
(docs.aws.amazon.com/bedrock/latest/APIReference), read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilotfish.core.formats import eventstream
from pilotfish.styles.bedrock.errors import error_body, error_frame, read_error
from pilotfish.styles.bedrock.inspector import BedrockInspector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotfish.core.formats.error_info import ErrorInfo
    from pilotfish.core.formats.neutral import Chat, Reply
    from pilotfish.core.formats.style import (
        ResponseInspector,
        StreamReader,
        StreamWriter,
        Target,
        Written,
    )


class Bedrock:
    """See `core.formats.style.Style`. Translations are imported when a request first needs them."""

    name = "bedrock"
    stream_content_type = "application/vnd.amazon.eventstream"
    # `metadata` tells the usage, so none can be made up; without it SDKs miss the counts and
    # nothing else
    terminal_event = b""

    def event_decoder(self) -> eventstream.EventStreamDecoder:
        return eventstream.EventStreamDecoder()

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Chat:
        from pilotfish.styles.bedrock.request_in import read_request

        return read_request(body, model=model, stream=stream)

    def write_request(self, chat: Chat, target: Target) -> Written:
        from pilotfish.styles.bedrock.request_out import write_request

        return write_request(chat, target)

    def read_reply(self, body: bytes) -> Reply:
        from pilotfish.styles.bedrock.reply import read_reply

        return read_reply(body)

    def write_reply(self, reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
        from pilotfish.styles.bedrock.reply import write_reply

        return write_reply(reply)

    def stream_reader(self) -> StreamReader:
        from pilotfish.styles.bedrock.stream_in import BedrockReader

        return BedrockReader()

    def stream_writer(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> StreamWriter:
        from pilotfish.styles.bedrock.stream_out import BedrockWriter

        return BedrockWriter()

    def inspector(self) -> ResponseInspector:
        return BedrockInspector()

    def read_error(self, status: int, body: bytes, type_header: str = "") -> ErrorInfo:
        """`type_header`: what `x-amzn-errortype` says, where the caller has the headers."""
        return read_error(status, body, type_header)

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_frame(error)

    def ping_event(self) -> bytes:
        """Bedrock has no keep-alive; its SDKs pass over events that they do not know."""
        return eventstream.write(
            {":event-type": "ping", ":content-type": "application/json", ":message-type": "event"},
            b"{}",
        )


STYLE = Bedrock()
