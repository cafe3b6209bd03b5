"""The dashboards and the rules on the known run, asked of a real Prometheus: every query shows what
the story says, and nothing else.
"""

import asyncio
import json
import re
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability import expected_alerts, expected_fleet, expected_overview, expected_providers
from observability.expectations import WINDOW_S, differences
from observability.known_run import SCRAPED, TRACE, Measured, known_run
from observability.prometheus import Prometheus
from pilotfish.telemetry import series as s

pytestmark = pytest.mark.prometheus
ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
FOLDER = CHARTS / "pilotfish" / "dashboards"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
BOARDS = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in NAMES}
# Without the headings of rows.
PANELS = {
    name: [panel for panel in board["panels"] if panel["type"] != "row"]
    for name, board in BOARDS.items()
}
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
EXPECTED = {
    "overview": expected_overview.expected,
    "providers": expected_providers.expected,
    "fleet": expected_fleet.expected,
}
TARGETS = [
    (name, panel["title"], i)
    for name in NAMES
    for i, panel in ((i, p) for p in PANELS[name] for i in range(len(p["targets"])))
]


@dataclass
class Answers:
    """What Prometheus said, by query."""

    measured: Measured
    to: dict[str, list[dict[str, Any]]]
    exemplars: list[dict[str, Any]]


def queries(name):
    """(title, number, query as Grafana would send it with everything selected, legend) of each
    target.
    """
    board = BOARDS[name]
    constants = {
        v["name"]: v["query"] for v in board["templating"]["list"] if v["type"] == "constant"
    }
    for panel in PANELS[name]:
        for i, target in enumerate(panel["targets"]):
            expr = target["expr"].replace("$__rate_interval", f"{WINDOW_S}s")
            for variable, value in {
                **constants,
                **dict.fromkeys(("namespace", "rule", "provider", "model"), ".*"),
            }.items():
                expr = re.sub(rf"\${variable}\b", value, expr)
            assert "$" not in expr, (
                f"{panel['title']}: a variable that the dashboard has not: {expr}"
            )
            yield panel["title"], i, expr, target["legendFormat"]


async def recorded(prometheus: Prometheus, name: str, after: float) -> None:
    """Until this rule has been evaluated when all had been scraped."""
    await prometheus.until(f"min(timestamp({name}))", after, at_least=True)


async def asked(folder: Path) -> Answers:
    # As the chart has them, but evaluated every second.
    often = folder / "alerts.yaml"
    often.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": RULES}]}))
    async with known_run(folder, [often]) as (prometheus, measured):
        to = {
            expr: await prometheus.query(expr, measured.at)
            for name in NAMES
            for _, _, expr, _ in queries(name)
        }
        for rule in RULES:
            if "record" in rule:
                await recorded(prometheus, rule["record"], measured.at + 1)
                to[rule["record"]] = await prometheus.query(rule["record"])
        at = await prometheus.moment(SCRAPED)
        for rule in RULES:
            if "alert" in rule:
                to[rule["alert"]] = await prometheus.query(rule["expr"], at)
        return Answers(
            measured,
            to,
            await prometheus.exemplars("gen_ai_server_time_to_first_token_seconds_bucket"),
        )


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return asyncio.run(asked(tmp_path_factory.mktemp("run")))


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_is_to_show(name):
    """A panel that is added without an expectation is one that nobody has looked at."""
    expected = EXPECTED[name](
        Measured(
            versions={"web-1": "a", "web-2": "b"},
            **dict.fromkeys(("resident", "cpu_s", "open_files"), LOOKS),
        )
    )
    assert {title: len(targets) for title, targets in expected.items()} == {
        panel["title"]: len(panel["targets"]) for panel in PANELS[name]
    }


LOOKS = {"web-1": [1.0, 1.0, 1.0, 1.0], "web-2": [1.0, 1.0, 1.0, 1.0]}


@pytest.mark.parametrize(
    ("name", "title", "number"), TARGETS, ids=[f"{name}: {title} {i}" for name, title, i in TARGETS]
)
def test_every_query_shows_what_is_known_of_the_run(answers, name, title, number):
    expr, legend = next(
        (expr, legend) for found, i, expr, legend in queries(name) if (found, i) == (title, number)
    )
    assert (
        differences(EXPECTED[name](answers.measured)[title][number], legend, answers.to[expr]) == []
    )


@pytest.mark.parametrize("name", [rule["record"] for rule in RULES if "record" in rule])
def test_every_recording_rule_records_what_is_known_of_the_run(answers, name):
    legend, shows = expected_alerts.recorded()[name]
    assert differences(shows, legend, answers.to[name]) == []


@pytest.mark.parametrize("name", [rule["alert"] for rule in RULES if "alert" in rule])
def test_every_alert_names_those_who_are_to_blame_for_the_run_and_nobody_else(answers, name):
    """Whatever it waits for: its expression, which alerts once it has been true long enough."""
    legend, shows = expected_alerts.alerts(answers.measured)[name]
    assert differences(shows, legend, answers.to[name]) == []


def test_a_measurement_leads_to_its_trace(answers):
    assert {
        e["labels"]["trace_id"] for series in answers.exemplars for e in series["exemplars"]
    } == {TRACE}


@pytest.mark.parametrize("name", NAMES)
def test_grafana_knows_every_field_of_a_dashboard(name):
    """Read by the types that Grafana publishes and written again, nothing is missing. Only
    .ci/observability installs these.
    """
    from grafana_foundation_sdk.cog import encoder, plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    own = BOARDS[name]
    back = json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(own)))
    assert list(lost(own, back)) == []


def lost(own, back, at=""):
    if isinstance(own, dict) and isinstance(back, dict):
        for key, value in own.items():
            yield from lost(value, back[key], f"{at}.{key}") if key in back else [f"{at}.{key}"]
    elif isinstance(own, list) and isinstance(back, list) and len(own) == len(back):
        for i, (x, y) in enumerate(zip(own, back, strict=True)):
            yield from lost(x, y, f"{at}[{i}]")
    elif own != back:
        yield f"{at}: {own!r} became {back!r}"


@pytest.fixture
def written(monkeypatch):
    """What the script would write."""
    monkeypatch.syspath_prepend(str(CHARTS))
    return runpy.run_path(str(CHARTS / "dashboards.py"))["written"]


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_what_the_script_writes_and_every_panel_says_what_it_is(written, name):
    assert (FOLDER / f"{name}.json").read_text() == written(name)
    assert all(panel["description"] and panel["targets"] for panel in PANELS[name])
    assert len({panel["title"] for panel in PANELS[name]}) == len(PANELS[name])


@pytest.mark.parametrize("name", NAMES)
def test_panels_stand_in_rows_and_none_covers_another(name):
    board = BOARDS[name]["panels"]
    assert board[0]["type"] == "row"
    assert len({panel["id"] for panel in board}) == len(board)
    taken = {}
    for panel in board:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_a_number_has_a_colour_where_it_can_be_bad(name):
    """A stat that says how many are out or refused is red before somebody has read it."""
    stats = [panel for panel in PANELS[name] if panel["type"] == "stat"]
    plain = {"Requests now", "Costs now", "Proxies", "Time since the last edit"}
    colored = {p["title"] for p in stats if "thresholds" in p["fieldConfig"]["defaults"]}
    assert colored == {p["title"] for p in stats} - plain


def test_panels_lead_to_runbooks_that_there_are():
    links = [
        link["url"] for name in NAMES for panel in PANELS[name] for link in panel.get("links", ())
    ]
    assert len(links) > 20
    for url in links:
        assert url.startswith("https://")
        assert (ROOT / "docs/runbooks" / url.rpartition("/")[2]).is_file(), url


def test_only_metrics_of_the_catalogue_are_asked_for():
    known = {series.name for series in s.CATALOGUE}
    words = {
        w
        for name in NAMES
        for _, _, expr, _ in queries(name)
        for w in re.findall(r"(?:pilotfish|gen_ai)_[a-z_]+(?=[{\[ )]|$)", expr)
    }
    assert {
        w.removesuffix("_bucket").removesuffix("_count")
        for w in words
        if w.split("_")[-1] in ("total", "bucket", "seconds", "state", "info")
    } <= known
