"""A plugin that writes docs/faults.md from what the test run saw: run it so:

    PYTHONPATH=tests python -m pytest -p fault_table tests/e2e/test_faults.py tests/failover

Each of its two tables is written where all of its cases passed: the page must not promise what was
not seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from failover.scenarios import TITLES
from failover.town import USUAL_S
from faults import CASES
from listening import STYLES

INTRO = """# What goes wrong, and what comes of it

Made by the test run (`tests/e2e/test_faults.py`), not by hand. Each fault is met in each of the five styles that clients speak, once with
an upstream of the same style and once with another; the clients are the vendors' own libraries (openai, anthropic, google-genai, boto3).
A Claude on Bedrock, which answers Anthropic's clients in their own form, meets all of them too and fares as the column of the same style
says; only its rate limits are Bedrock's.
Besides what stands here, every case asserts: nothing of a failed attempt is visible, one id, one usage that equals the log's, indices and
sequence numbers without a seam, every request in the log once. Unless said otherwise the rule has a second service of a lower tier.

A broken stream is continued by the next service where the rule says nothing of it (`on_stream_break: continue`); `told` are rules with
`on_stream_break: error`, and of a prompt that is too long those with `fallback_on: []`; `started anew` are rules with `restart` and `buffer: true`.

| fault | client | result, upstream of the same style | result, upstream of another style |
| --- | --- | --- | --- |
"""

FAILOVER = "## How long it takes, with rules that nobody has tuned\n"
FAILOVER_INTRO = f"""
The sixteen faults against a rules file of two services, one behind the other (tier 0 and tier 1), with nothing else in it
(`tests/failover`). Clients of all five styles ask services of their own style and of another; what stands here is the longest that any
of them took, in seconds of virtual time. With nothing wrong the first words come after 0.3 s and the whole answer after {USUAL_S:.1f} s.
Where several requests were made one after the other it is the longest of all of them, and the attempts are the first one's.

| fault of the first service | streamed: first words, whole answer | not streamed | attempts |
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
        self.path, self.failed = path, set[str]()
        self.faults: dict[str, list[list[str]]] = {}
        self.failover: dict[str, dict[str, tuple[str, str]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid.partition("::")[0])
        if report.when == "call" and report.passed:
            for kind, told in report.user_properties:
                if kind == "fault":
                    self.faults[told[0]] = told[1]
                elif kind == "failover":
                    title, mode, took, outcome = told
                    self.failover.setdefault(title, {})[mode] = (took, outcome)

    def pytest_sessionfinish(self) -> None:
        written = self.path.read_text() if self.path.is_file() else ""
        faults, _, failover = written.partition(FAILOVER)
        if not any("test_faults" in f for f in self.failed) and set(self.faults) == {
            case.key for case in CASES
        }:
            faults = page(self.faults) + "\n"
        if not any("failover" in f for f in self.failed) and set(self.failover) == set(TITLES):
            failover = failover_part(self.failover)
        parts = [faults, FAILOVER, failover] if failover else [faults.rstrip("\n") + "\n"]
        if "".join(parts).strip():
            self.path.write_text("".join(parts))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Rows(Path(config.getoption("--fault-table"))))


def page(rows: dict[str, list[list[str]]]) -> str:
    lines = [line for case in CASES for line in _lines(case.key, rows[case.key])]
    return INTRO + "\n".join(lines) + "\n"


def failover_part(rows: dict[str, dict[str, tuple[str, str]]]) -> str:
    lines = [failover_line(title, rows[title]) for title in TITLES]
    return FAILOVER_INTRO + "\n".join(lines) + "\n"


def failover_line(title: str, modes: dict[str, tuple[str, str]]) -> str:
    (streamed, outcome), (whole, other) = modes["streamed"], modes["whole"]
    became = outcome if outcome == other else f"streamed: {outcome}; whole: {other}"
    return f"| {title} | {streamed} | {whole} | {became} |"


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
