"""A plugin that writes docs/faults.md from what the test run saw: run it so:

    PYTHONPATH=tests python -m pytest -p fault_table --fault-table docs/faults.md
    tests/e2e/test_faults.py

Not written where a fault failed or was left out: the page must not promise what was not seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faults import CASES
from listening import STYLES

INTRO = """# What goes wrong, and what comes of it

Made by the test run (`tests/e2e/test_faults.py`), not by hand. Each fault is met in each of the five styles that clients speak, once with
an upstream of the same style and once with another; the clients are the vendors' own libraries (openai, anthropic, google-genai, boto3).
A Claude on Bedrock, which answers Anthropic's clients in their own form, meets all of them too and fares as the column of the same style
says; only its rate limits are Bedrock's.
Besides what stands here, every case asserts: nothing of a failed attempt is visible, one id, one usage that equals the log's, indices and
sequence numbers without a seam, every request in the log once. Unless said otherwise the rule has a second service of a lower tier.

A broken stream is `error after a part of the text` where the rule says nothing of it (`on_stream_break: error`); `continued` are rules with
`on_stream_break: continue`, `started anew` those with `restart` and `buffer: true`.

| fault | client | result, upstream of the same style | result, upstream of another style |
| --- | --- | --- | --- |
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-table",
        default="docs/faults.md",
        help="where the table of faults and results is written",
    )


class Rows:
    """What each test of a fault told, in the process that gathers the reports."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.failed = path, dict[str, list[list[str]]](), False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed
        if report.when == "call" and report.passed:
            for _, (fault, rows) in [p for p in report.user_properties if p[0] == "fault"]:
                self.rows[fault] = rows

    def pytest_sessionfinish(self) -> None:
        if not self.failed and set(self.rows) == {case.key for case in CASES}:
            self.path.write_text(page(self.rows))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Rows(Path(config.getoption("--fault-table"))))


def page(rows: dict[str, list[list[str]]]) -> str:
    lines = [line for case in CASES for line in _lines(case.key, rows[case.key])]
    return INTRO + "\n".join(lines) + "\n"


def _lines(fault: str, rows: list[list[str]]) -> list[str]:
    """One line for styles that fare alike."""
    results: dict[tuple[str, str], list[str]] = {}
    for style in STYLES:
        told: Any = {
            relation: f"{result}: {attempts}"
            for at, relation, result, attempts in rows
            if at == style
        }
        results.setdefault((told["same"], told["other"]), []).append(style)
    return [
        f"| {fault} | {'all' if len(s) == len(STYLES) else ', '.join(s)} | {same} | {other} |"
        for (same, other), s in results.items()
    ]
