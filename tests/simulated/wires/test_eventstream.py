"""Frames, read back by botocore, which knows the format from the vendor."""

from __future__ import annotations

import pytest
from botocore.eventstream import EventStreamBuffer

from pilotfish.simulated.wires.eventstream import frame


@pytest.mark.parametrize("payload", [b"", b"{}", b"x" * 100_000])
def test_a_frame_is_read_back_as_it_was_written(payload):
    headers = {":event-type": "chunk", ":message-type": "event"}
    buffer = EventStreamBuffer()
    buffer.add_data(frame(headers, payload) + frame({}, payload))
    first, second = list(buffer)
    assert (first.headers, first.payload) == (headers, payload)
    assert (second.headers, second.payload) == ({}, payload)
