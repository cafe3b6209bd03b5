"""Amazon Bedrock's Converse. Model and streaming are in the path, not in the body; streams are
event-stream frames.

Source: Amazon Bedrock API reference, "Converse" and "ConverseStream"
(docs.aws.amazon.com/bedrock/latest/APIReference), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pilotfish.core.formats import eventstream
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import ResponseInspector
from pilotfish.styles._guardrail import CANNED_CHARS
from pilotfish.styles._style import BaseStyle
from pilotfish.styles.bedrock.errors import error_body, error_frame, read_error
from pilotfish.styles.bedrock.inspector import BedrockInspector


class Bedrock(BaseStyle):
    """See `core.formats.style.Style`. There is no terminal event to add to a stream that lacks it:
    the last one, `metadata`, holds the usage; without it SDKs miss the counts and nothing else."""

    name = "bedrock"
    _foreign_marks = (b'"pilotfish:', b"cGlsb3RmaXNo")
    prompt_stub = ("messages", b'[{"role":"user","content":[{"text":"-"}]}]')
    request_id_header = b"x-amzn-requestid"
    stream_content_type = "application/vnd.amazon.eventstream"
    canned_chars = CANNED_CHARS

    def event_decoder(self) -> eventstream.EventStreamDecoder:
        return eventstream.EventStreamDecoder()

    def with_system_prompt(self, members: Mapping[str, msgspec.Raw], text: str) -> dict[str, bytes]:
        from pilotfish.styles._system_prompt import before_blocks

        return before_blocks(members, "system", text)

    def inspector(self) -> ResponseInspector:
        return BedrockInspector()

    def read_error(self, status: int, body: bytes, type_header: str = "") -> ErrorInfo:
        """`type_header`: the value of `x-amzn-errortype`, where the caller has the headers."""
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
