"""The line of a request that was passed on."""

from __future__ import annotations

from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry.passed_record import PassedAttempt, PassedRecord, line_of_passed


def record(**more):
    return PassedRecord("id", "openai", "files", "GET", "/v1/files", "a", 1.0, 1e9, **more)


def test_a_line_has_what_every_requests_has_and_its_own():
    one = record(code=200, finished_at=1.5, bytes_out=7)
    one.attempts = [
        PassedAttempt(Outcome.CONNECT_FAILED, 0.1, 0, "gone"),
        PassedAttempt(Outcome.SERVED, 0.2, 200, ""),
    ]
    line = line_of_passed(one)
    assert line["attempts"] == [
        {
            "service": "a",
            "outcome": "connect_failed",
            "duration_ms": 100.0,
            "status": None,
            "error": "gone",
        },
        {"service": "a", "outcome": "served", "duration_ms": 200.0, "status": 200},
    ]
    assert (line["rule"], line["duration_ms"], line["bytes_out"]) == (None, 500.0, 7)
    assert "error" not in line
    for key in ("ttft_ms", "input_tokens", "finish_reason", "cost_usd", "rescued", "forced"):
        assert key in line


def test_what_went_wrong_is_named():
    assert line_of_passed(record(error="timeout"))["error"] == "timeout"
