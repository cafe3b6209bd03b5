"""What the demo prints of a request; the rest is tested as the command, in tests/cli."""

import pytest

from pilotfish.demo.terminal import line_of, lines_of_edit

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


@pytest.mark.parametrize(
    ("rules", "lines"),
    [
        (
            {"problems": [{"path": "rules[0]", "source": "f", "message": "bad"}], "changes": None},
            ["rules: the edit is not in force, those before it are:", "  rules[0]: bad"],
        ),
        (
            {"problems": [{"path": "", "source": "f", "message": "empty"}], "changes": {}},
            ["rules: the edit is not in force, those before it are:", "  f: empty"],
        ),
        (
            {
                "problems": [],
                "changes": {"added": ["rule a", "rule b"], "removed": [], "changed": ["price p/m"]},
            },
            ["rules: the edit is in force: added rule a, rule b; changed price p/m"],
        ),
        ({"problems": [], "changes": None}, ["rules: the edit is in force: nothing changed"]),
    ],
)
def test_an_edit_is_told_with_what_it_changed_or_why_it_is_not_in_force(rules, lines):
    assert lines_of_edit(rules) == lines
