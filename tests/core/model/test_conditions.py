"""Every position and operation: one request that satisfies it and one that does not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pilotfish.core.model.conditions import POSITIONS, compile_op
from pilotfish.core.model.smart_rules import ServiceMetrics


@dataclass
class Seen:
    """A request as smart routing sees it."""

    model: str = "gpt-4o"
    stream: bool = False
    thinking: bool = False
    system: str = ""
    user: str = ""
    latest_user: str = ""
    media: Collection[str] = ()
    latest_media: Collection[str] = ()
    tools: Collection[str] = ()
    tokens: int = 0
    agent: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    measured: Sequence[ServiceMetrics] = ()

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    def service_metrics(self, services: Sequence[Any]) -> Sequence[ServiceMetrics]:
        return self.measured


NIGHT = datetime(2026, 6, 15, 23, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
DAY = NIGHT - 12 * 3600
RANGE = '{"start":"22:00","end":"06:00","timezone":"Europe/Berlin","outside":false}'


def ttft(*pairs: tuple[float | None, float | None]) -> Seen:
    return Seen(measured=[ServiceMetrics(avg, p99) for avg, p99 in pairs])


def busy(*percents: float | None) -> Seen:
    return Seen(measured=[ServiceMetrics(utilisation=p) for p in percents])


# position, operation, value, a request that satisfies it, one that does not
CASES: list[tuple[str, str, str, Seen, Seen]] = [
    ("model", "contains", "4o", Seen(model="gpt-4o"), Seen(model="gpt-4")),
    ("model", "glob", "gpt-4*", Seen(model="gpt-4o"), Seen(model="o3")),
    ("model", "equals", "gpt-4o", Seen(model="gpt-4o"), Seen(model="gpt-4o-mini")),
    ("thinking", "enabled", "", Seen(thinking=True), Seen()),
    ("thinking", "disabled", "true", Seen(), Seen(thinking=True)),
    ("system", "contains", "lawyer", Seen(system="You are a lawyer."), Seen(user="lawyer")),
    ("system", "any_contains", "doctor, lawyer", Seen(system="You are a lawyer."), Seen(system="You are a cook.")),
    ("system", "regex", "(?i)LAW(yer)?", Seen(system="by law"), Seen(system="lad")),
    ("context_system", "contains", "lawyer", Seen(system="lawyer"), Seen()),
    ("context_system", "any_contains", "a,b", Seen(system="b"), Seen(system="c")),
    ("context_system", "regex", "^law", Seen(system="law"), Seen(system="by law")),
    ("user", "contains", "refund", Seen(user="a refund\nplease"), Seen(system="refund")),
    ("user", "any_contains", "refund,invoice", Seen(user="my invoice"), Seen(user="hello")),
    ("user", "regex", r"\binvoice \d+", Seen(user="invoice 17"), Seen(user="invoice x")),
    ("user", "type", "image", Seen(media={"image"}), Seen(media={"audio"})),
    ("context_user", "contains", "x", Seen(user="x"), Seen()),
    ("context_user", "any_contains", "x", Seen(user="x"), Seen()),
    ("context_user", "regex", "x", Seen(user="x"), Seen()),
    ("context_user", "type", "document", Seen(media=["document"]), Seen(latest_media=["document"])),
    ("latest_user", "contains", "now", Seen(latest_user="now"), Seen(user="now")),
    ("latest_user", "regex", "no.", Seen(latest_user="now"), Seen(user="now")),
    ("latest_user", "type", "audio", Seen(latest_media={"audio"}), Seen(media={"audio"})),
    ("tool_use", "equals", "search", Seen(tools=["search", "open"]), Seen(tools=["search_web"])),
    ("tool_use", "is", "search", Seen(tools=["search"]), Seen()),
    ("tool_use", "contains", "search", Seen(tools=["search_web"]), Seen(tools=["open"])),
    ("token", "ge", "60000", Seen(tokens=60000), Seen(tokens=59999)),
    ("token", "gt", "60000", Seen(tokens=60001), Seen(tokens=60000)),
    ("token", "le", "60000", Seen(tokens=60000), Seen(tokens=60001)),
    ("token", "lt", "60000", Seen(tokens=59999), Seen(tokens=60000)),
    ("service_ttft", "avg_le", "300", ttft((900, 950), (250, 990)), ttft((301, 301), (900, 1))),
    ("service_ttft", "avg_ge", "300", ttft((200, 1), (400, 1)), ttft((200, 999), (398, 999))),
    ("service_ttft", "max_le", "300", ttft((999, 250), (1, 400)), ttft((1, 301), (None, None))),
    ("service_ttft", "max_ge", "300", ttft((1, 600), (None, None)), ttft((999, 299))),
    ("service_capacity", "util_le", "50", busy(0, 100), busy(2, 100)),
    ("service_capacity", "util_ge", "50", busy(50), busy(49.9, None)),
    ("service_capacity", "util_lt", "50", busy(49.9), busy(50)),
    ("service_capacity", "util_gt", "50", busy(51), busy(50)),
    ("agent.claude_code", "equals", "subagent", Seen(agent="subagent"), Seen(agent="main")),
    ("time", "time_range", RANGE, Seen(), Seen(model="day")),
    ("header", "equals", "X-Team: red", Seen(headers={"x-team": "red"}), Seen(headers={"x-team": "redder"})),
    ("header", "contains", "x-team: red", Seen(headers={"x-team": "redder"}), Seen()),
    ("header", "regex", "x-team: ^r.d$", Seen(headers={"x-team": "rid"}), Seen(headers={"x-team": "ride"})),
    ("header", "exists", "X-Team", Seen(headers={"x-team": ""}), Seen(headers={"x-tea": "m"})),
    ("stream", "equals", "true", Seen(stream=True), Seen()),
]  # fmt: skip


def when(seen: Seen) -> float:
    return DAY if seen.model == "day" else NIGHT


def name_of(case: tuple[Any, ...]) -> str:
    return f"{case[0]}-{case[1]}"


def test_every_operation_has_a_case() -> None:
    assert {(c[0], c[1]) for c in CASES} == {
        (position, operation)
        for position, operations in POSITIONS.items()
        for operation in operations
    } - {("tag", operation) for operation in POSITIONS["tag"]}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_operation(case: tuple[str, str, str, Seen, Seen]) -> None:
    position, operation, value, matching, other = case
    op = compile_op(position, operation, value, False, ())
    assert op.test(matching, when(matching))
    assert not op.test(other, when(other))
    assert op.describe(matching, NIGHT)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_negate_turns_it_round(case: tuple[str, str, str, Seen, Seen]) -> None:
    position, operation, value, matching, other = case
    op = compile_op(position, operation, value, True, ())
    assert not op.test(matching, when(matching))
    assert op.test(other, when(other))
    assert op.text.startswith("not ")


@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize("position", ["service_ttft", "service_capacity"])
def test_without_figures_there_is_no_reason_against(position: str, negate: bool) -> None:
    for operation in POSITIONS[position]:
        op = compile_op(position, operation, "50", negate, ())
        assert op.test(Seen(), NIGHT)
        assert op.test(Seen(measured=[ServiceMetrics()]), NIGHT)
        assert op.describe(Seen(), NIGHT) == "nothing is measured yet"


def test_a_header_that_is_not_there_satisfies_the_negated_comparison() -> None:
    assert compile_op("header", "equals", "x-team: red", True, ()).test(Seen(), NIGHT)


def test_the_reason_never_repeats_a_headers_value() -> None:
    op = compile_op("header", "exists", "authorization", False, ())
    assert "sk-1" not in op.describe(Seen(headers={"authorization": "Bearer sk-1"}), NIGHT)


def test_long_texts_are_cut_in_the_reason() -> None:
    found = compile_op("user", "contains", "x", False, ()).describe(Seen(user="y" * 10_000), NIGHT)
    assert len(found) < 120
    assert "10000 characters" in found


@pytest.mark.parametrize(
    ("position", "operation", "value", "why"),
    [
        ("model", "equals", "", "a value is needed"),
        ("model", "glob", "a*[", "never closed"),
        ("system", "regex", "(a", "missing"),
        ("system", "any_contains", " , ", "separated by commas"),
        ("thinking", "enabled", "false", "takes no value"),
        ("user", "type", "video", "expected one of image, document, audio"),
        ("tool_use", "is", "", "a value is needed"),
        ("tool_use", "contains", "", "a value is needed"),
        ("token", "ge", "many", "number of tokens"),
        ("token", "ge", "-1", "number of tokens"),
        ("token", "ge", "1.5", "number of tokens"),
        ("service_ttft", "avg_le", "fast", "milliseconds"),
        ("service_capacity", "util_ge", "50%", "percentage"),
        ("agent.claude_code", "equals", "other", "main, subagent, compact"),
        ("time", "time_range", "22:00", "expected JSON"),
        ("header", "equals", "x-team", "'name: value'"),
        ("header", "equals", "x team: a", "'name: value'"),
        ("header", "contains", "x-team:", "'name: value'"),
        ("header", "exists", "x team", "header's name"),
        ("stream", "equals", "yes", "true, false"),
    ],
)
def test_a_bad_value_says_what_was_expected(
    position: str, operation: str, value: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        compile_op(position, operation, value, False, ())


@pytest.mark.parametrize("negate", [False, True])
def test_a_tag_picks_services_and_holds_for_any_request(negate: bool) -> None:
    for operation in POSITIONS["tag"]:
        op = compile_op("tag", operation, "gpu", negate, ())
        assert op.test(Seen(), NIGHT)
        assert op.describe(Seen(), NIGHT) == "it leaves no service"
        with pytest.raises(ValueError, match="a value is needed"):
            compile_op("tag", operation, "", negate, ())
