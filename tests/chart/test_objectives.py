"""The objectives among the values: one number, wherever it is used."""

from __future__ import annotations

import json

import pytest
import yaml

from chart.rendering import CHART, MONITORING, by_kind, run, template
from observability.promtool import rule_tests, story, told_by
from pilotfish.telemetry.series import FIRST_TOKEN

pytestmark = pytest.mark.helm
STRICTER = {
    "answered": 0.999,
    "firstTokenInTime": 0.9,
    "firstTokenSeconds": 0.75,
    "burn": {
        "requestsFail": {"rate": 10, "long": "2h", "short": "10m", "for": "1m"},
        "firstTokenLate": {"rate": 5.5, "long": "2h", "short": "10m", "for": "3m"},
    },
}
OPTIONS = (*MONITORING, "--set", "prometheusRule.enabled=true", "--set", "dashboards.enabled=true")


@pytest.fixture
def stricter(helm, tmp_path):
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump({"objectives": STRICTER}))
    return template(helm, path, *OPTIONS)


def rules_of(text):
    """Every recording rule and alert by its name."""
    (found,) = by_kind(text, "PrometheusRule")
    return {
        rule.get("record") or rule["alert"]: rule
        for group in found["spec"]["groups"]
        for rule in group["rules"]
    }


def test_thresholds_windows_and_words_of_the_alerts_follow_them(stricter):
    rules = rules_of(stricter)
    fail, late = rules["PilotfishRequestsFail"], rules["PilotfishFirstTokenLate"]
    ratio = "pilotfish:requests_missed:ratio_rate"
    assert fail["expr"] == f"{ratio}2h > 10 * 0.001 and {ratio}10m > 10 * 0.001"
    assert fail["for"] == "1m"
    ratio = "pilotfish:first_token_late:ratio_rate"
    assert late["expr"] == f"{ratio}2h > 5.5 * 0.1 and {ratio}10m > 5.5 * 0.1"
    assert late["annotations"]["summary"].endswith("wait longer than 0.75 s for their first token")


@pytest.mark.prometheus
def test_the_alerts_fire_by_them(stricter, tmp_path):
    """Two of a hundred are many where one in a thousand may fail, and few where five may."""
    asked = 'pilotfish_requests_total{namespace="shop",rule="chat",code='
    series = {f'{asked}"200"}}': "0+98x200", f'{asked}"502"}}': "0+2x200"}
    alert = rules_of(stricter)["PilotfishRequestsFail"]
    labels = {"namespace": "shop", "rule": "chat"}
    said = told_by(alert, labels, "2% of the requests of rule chat in shop fail")
    (found,) = by_kind(stricter, "PrometheusRule")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(found["spec"]))
    code, told = rule_tests(tmp_path, path, [story("PilotfishRequestsFail", 180, series, said)])
    assert code == 0, told
    usual = CHART.parents[1] / "deploy" / "alerts.yaml"
    code, told = rule_tests(tmp_path, usual, [story("PilotfishRequestsFail", 180, series, [])])
    assert code == 0, told


def test_what_is_not_said_stays_as_it_was(stricter):
    slow = rules_of(stricter)["PilotfishRequestsFailSlowly"]
    assert slow["expr"].startswith("pilotfish:requests_missed:ratio_rate6h > 6 * 0.001 and ")
    assert slow["for"] == "15m"


def test_each_window_that_an_alert_looks_at_is_recorded_once(stricter):
    (found,) = by_kind(stricter, "PrometheusRule")
    recorded = [
        rule["record"]
        for group in found["spec"]["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]
    assert len(recorded) == len(set(recorded))
    for window in ("10m", "30m", "2h", "6h"):
        assert (
            f"[{window}]"
            in rules_of(stricter)[f"pilotfish:requests_missed:ratio_rate{window}"]["expr"]
        )
        late = rules_of(stricter)[f"pilotfish:first_token_late:ratio_rate{window}"]["expr"]
        assert f'le="0.75"}}[{window}]' in late
    assert not {name for name in recorded if name.endswith(("ratio_rate5m", "ratio_rate1h"))}


def test_the_dashboards_use_the_same_numbers(helm, stricter):
    def constants(rendered):
        configmaps = [
            m for m in by_kind(rendered, "ConfigMap") if "-dashboard-" in m["metadata"]["name"]
        ]
        boards = [json.loads(text) for m in configmaps for text in m["data"].values()]
        return {
            v["name"]: v["query"]
            for board in boards
            for v in board["templating"]["list"]
            if v["type"] == "constant"
        }

    assert constants(stricter) == {
        "answered": "0.999",
        "first_token_in_time": "0.9",
        "first_token_seconds": "0.75",
    }
    assert constants(template(helm, None, *OPTIONS)) == {
        "answered": "0.995",
        "first_token_in_time": "0.95",
        "first_token_seconds": "5.0",
    }


def test_the_chart_changes_nothing_else_of_a_dashboard(helm):
    for configmap in by_kind(
        template(helm, None, *OPTIONS, "--show-only", "templates/monitoring.yaml"), "ConfigMap"
    ):
        for name, text in configmap["data"].items():
            assert json.loads(text) == json.loads((CHART / "dashboards" / name).read_text())


def test_alerts_and_panels_lead_to_runbooks_where_the_values_say_they_are(helm):
    url = "prometheusRule.runbookUrl=https://wiki.example/{name}?v=1"
    rendered = template(helm, None, *OPTIONS, "--set-string", url.replace("{", r"\{"))
    rules = rules_of(rendered)
    expected = "https://wiki.example/PilotfishRequestsFail?v=1"
    for name in ("PilotfishRequestsFail", "PilotfishRequestsFailSlowly"):
        assert rules[name]["annotations"]["runbook_url"] == expected
        assert "runbook" not in rules[name]["annotations"]
    texts = [
        text
        for m in by_kind(rendered, "ConfigMap")
        if "-dashboard-" in m["metadata"]["name"]
        for text in m["data"].values()
    ]
    links = {
        link["url"]
        for text in texts
        for panel in json.loads(text)["panels"]
        for link in panel.get("links", ())
    }
    assert expected in links
    assert all(link.startswith("https://wiki.example/Pilotfish") for link in links)


def test_alerts_lead_to_their_panel_where_grafana_is_known(helm):
    assert (
        "dashboard_url"
        not in rules_of(template(helm, None, *OPTIONS))["PilotfishHeadroomLow"]["annotations"]
    )
    url = "dashboards.grafanaUrl=https://grafana.example/"
    rules = rules_of(template(helm, None, *OPTIONS, "--set", url))
    boards = {
        board["uid"]: {panel["id"]: panel for panel in board["panels"]}
        for path in (CHART / "dashboards").glob("*.json")
        for board in [json.loads(path.read_text())]
    }
    for name, rule in rules.items():
        if "alert" not in rule:
            continue
        base, _, number = rule["annotations"]["dashboard_url"].partition("?viewPanel=")
        assert base.startswith("https://grafana.example/d/pilotfish-"), name
        panel = boards[base.rpartition("/")[2]][int(number)]
        assert panel["links"][0]["url"] == rule["annotations"]["runbook_url"], name


@pytest.mark.parametrize(("value", "path"), [("a/b", "runbookUrl"), ("http://a", "runbookUrl")])
def test_an_address_of_runbooks_without_a_name_is_refused(helm, value, path):
    done = run(
        helm,
        "template",
        "pilotfish",
        str(CHART),
        *OPTIONS,
        "--set",
        f"prometheusRule.{path}={value}",
    )
    assert done.returncode != 0
    assert path in done.stderr


@pytest.mark.parametrize(
    ("objectives", "told"),
    [
        (
            {"answered": 0.9},
            "14.4 times the budget of 0.1 is 1.44, more than all there is: the alert could "
            "never fire",
        ),
        ({"answered": 1}, "answered"),
        ({"firstTokenSeconds": 3}, "firstTokenSeconds"),
        ({"burn": {"requestsFail": {"long": "an hour"}}}, "long"),
        ({"burn": {"requestsFails": {}}}, "requestsFails"),
    ],
)
def test_what_cannot_be_measured_or_reached_is_refused(helm, tmp_path, objectives, told):
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump({"objectives": objectives}))
    done = run(helm, "template", "pilotfish", str(CHART), "--values", str(path), *OPTIONS)
    assert done.returncode != 0
    assert told in done.stderr


def test_first_tokens_are_measured_against_a_bucket_that_there_is():
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert (
        tuple(schema["properties"]["objectives"]["properties"]["firstTokenSeconds"]["enum"])
        == FIRST_TOKEN
    )
