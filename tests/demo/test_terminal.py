"""What the demo prints of a request; the rest is tested as the command, in tests/cli."""

import pytest

from pilotfish.demo.terminal import line_of

RECORD = {
    "time": "2026-11-21T17:00:01.000Z",
    "code": 200,
    "path": "/v1/chat/completions",
    "model": "m",
    "stream": False,
    "ttft_ms": 12.3,
    "duration_ms": 20.4,
    "output_tokens": 7,
    "attempts": [
        {"service": "slow/m", "outcome": "timeout"},
        {"service": "quick/m", "outcome": "served"},
    ],
}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "17:00:01 200 m: slow/m (timeout) -> quick/m; 20 ms, 7 tokens"),
        (
            {"stream": True},
            "17:00:01 200 m: slow/m (timeout) -> quick/m; 20 ms, TTFT 12 ms, 7 tokens",
        ),
        ({"output_tokens": None}, "17:00:01 200 m: slow/m (timeout) -> quick/m; 20 ms"),
        (
            {"attempts": [], "code": 404, "reason": "unknown_path"},
            "17:00:01 404 /v1/chat/completions: unknown_path",
        ),
        (
            {"attempts": [], "code": 503},
            "17:00:01 503 /v1/chat/completions: no service was asked",
        ),
    ],
)
def test_a_request_in_a_line(changes, line):
    assert line_of({**RECORD, **changes}) == line
