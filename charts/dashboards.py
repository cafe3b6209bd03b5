"""Writes charts/pilotfish/dashboards/*.json: `python charts/dashboards.py`, with `--check` says
which are not what they should be.

What they show is in `boards`. Where a panel stands follows from its row and the order; its number,
by which links find it, follows from its title. Every query is asked of a Prometheus that scraped a
known run: what a panel is to show of it stands in tests/observability/expected_*.py, and one
without an expectation fails.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

from boards import fleet, overview, providers
from boards.panels import Panel, Row

FOLDER = Path(__file__).parent / "pilotfish" / "dashboards"
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BOARDS = {
    "overview": (
        "Pilotfish: overview",
        "Traffic, errors, speed and cost of LLM requests.",
        overview.ROWS,
    ),
    "providers": (
        "Pilotfish: providers",
        "Which provider is slow or out, why, and where traffic went instead.",
        providers.ROWS,
    ),
    "fleet": (
        "Pilotfish: sidecar fleet",
        "Versions, rules, watches, CPU and memory of all proxies, and the injector.",
        fleet.ROWS,
    ),
}
VARIABLES = (
    ("namespace", "pilotfish_config_source_connected", ""),
    ("rule", "pilotfish_requests_in_flight", 'namespace=~"$namespace"'),
    ("provider", "pilotfish_service_state", 'namespace=~"$namespace"'),
    ("model", "pilotfish_service_state", 'namespace=~"$namespace",provider=~"$provider"'),
)
# The chart puts its `objectives` and `prometheusRule.runbookUrl` in their place.
OBJECTIVES = (
    ("answered", "0.995"),
    ("first_token_in_time", "0.95"),
    ("first_token_seconds", "5.0"),
)
RUNBOOK_URL = "https://pilotfish.dev/docs/runbooks/{name}.md"


def variables(count: int) -> list[dict[str, Any]]:
    source = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "regex": "",
    }
    found: list[dict[str, Any]] = [source]
    for name, series, labels in VARIABLES[:count]:
        of = f"{series}{{{labels}}}" if labels else series
        found.append(
            {
                "name": name,
                "label": name.capitalize(),
                "type": "query",
                "datasource": SOURCE,
                "query": {"query": f"label_values({of}, {name})", "refId": "values"},
                "refresh": 2,
                "sort": 1,
                "hide": 0,
                "multi": True,
                "includeAll": True,
                "allValue": ".*",
                "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
                "options": [],
                "regex": "",
            }
        )
    return found


def constants() -> list[dict[str, Any]]:
    return [
        {"name": name, "type": "constant", "query": value, "hide": 2, "skipUrlSync": True}
        for name, value in OBJECTIVES
    ]


def number_of(title: str) -> int:
    """A panel's number: it stays when panels come and go around it."""
    return crc32(title.encode()) % 1_000_000 + 1


def defaults(one: Panel) -> dict[str, Any]:
    """The standard options of a panel's fields."""
    made: dict[str, Any] = {"unit": one.unit}
    if one.empty:
        made["noValue"] = one.empty
    if one.steps:
        steps = [{"value": value, "color": color} for value, color in one.steps]
        made["thresholds"] = {"mode": "absolute", "steps": steps}
        made["color"] = {"mode": "thresholds"}
    if one.values:
        options = {
            f"{value:g}": {"text": text, "color": color, "index": index}
            for index, (value, text, color) in enumerate(one.values)
        }
        made["mappings"] = [{"type": "value", "options": options}]
    if one.kind == "timeseries":
        made["min"] = 0
        made["custom"] = {
            "fillOpacity": 20 if one.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if one.stacked else "none", "group": "A"},
        }
        if one.steps:
            # The lines keep their own colours; the thresholds are drawn behind them.
            made["color"] = {"mode": "palette-classic"}
            made["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    if one.kind == "state-timeline":
        made["custom"] = {"fillOpacity": 70, "lineWidth": 0}
    return made


def options(one: Panel) -> dict[str, Any]:
    """What Grafana's kind of panel is told beside that."""
    latest = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match one.kind:
        case "stat":
            return {
                "reduceOptions": latest,
                "graphMode": "none",
                "colorMode": "background" if one.steps else "value",
                "textMode": "auto",
            }
        case "bargauge":
            return {"reduceOptions": latest, "orientation": "horizontal", "displayMode": "basic"}
        case "state-timeline":
            return {
                "mergeValues": True,
                "showValue": "never",
                "alignValue": "left",
                "rowHeight": 0.9,
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "single", "sort": "none"},
            }
        case "heatmap":
            return {
                "calculate": False,
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
                "cellGap": 1,
                "yAxis": {"unit": one.unit, "axisPlacement": "left"},
                "tooltip": {"show": True, "yHistogram": True},
                "legend": {"show": True},
            }
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def panel(one: Panel, x: int, y: int) -> dict[str, Any]:
    overrides = [
        {
            "matcher": {"id": "byRegexp", "options": legend},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for legend, color in one.colors
    ]
    made: dict[str, Any] = {
        "id": number_of(one.title),
        "type": one.kind,
        "title": one.title,
        "description": one.description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": one.width, "h": one.height},
        "fieldConfig": {"defaults": defaults(one), "overrides": overrides},
        "options": options(one),
        "targets": [
            {
                "refId": chr(65 + i),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
                "instant": one.instant,
                "range": not one.instant,
                "exemplar": "_bucket" in expr and one.kind == "timeseries",
                "format": "heatmap" if one.kind == "heatmap" else "time_series",
            }
            for i, (expr, legend) in enumerate(one.queries)
        ],
    }
    if one.runbook:
        url = RUNBOOK_URL.replace("{name}", one.runbook)
        made["links"] = [{"title": f"Runbook: {one.runbook}", "url": url, "targetBlank": True}]
    return made


def placed(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    """Each row's heading, and below it its panels from left to right."""
    made: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        heading = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        made.append(
            {
                "id": number_of(f"row {row.title}"),
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": heading,
                "panels": [],
            }
        )
        x, y, tallest = 0, y + 1, 0
        for one in row.panels:
            if x + one.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            made.append(panel(one, x, y))
            x, tallest = x + one.width, max(tallest, one.height)
        y += tallest
    return made


def dashboard(name: str) -> dict[str, Any]:
    title, description, rows = BOARDS[name]
    changed = "changes(pilotfish_config_last_applied_timestamp_seconds"
    edits = {
        "name": "Rules changed",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "purple",
        "expr": f'{changed}{{namespace=~"$namespace"}}[1m]) > 0',
    }
    others = {
        "type": "dashboards",
        "title": "Pilotfish",
        "tags": ["pilotfish"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
    listed = variables(1 if name == "fleet" else len(VARIABLES))
    return {
        "uid": f"pilotfish-{name}",
        "title": title,
        "description": description,
        "tags": ["pilotfish", "llm"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [edits]},
        "links": [others],
        "templating": {"list": listed + (constants() if name == "overview" else [])},
        "panels": placed(rows),
    }


def main(check: bool) -> int:
    stale = [
        n
        for n in BOARDS
        if not (p := FOLDER / f"{n}.json").is_file() or p.read_text() != written(n)
    ]
    for name in stale:
        if check:
            print(
                f"charts/pilotfish/dashboards/{name}.json is not what charts/dashboards.py writes"
            )
        else:
            (FOLDER / f"{name}.json").write_text(written(name))
    return 1 if check and stale else 0


def written(name: str) -> str:
    return json.dumps(dashboard(name), indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
