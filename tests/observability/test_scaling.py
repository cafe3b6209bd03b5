"""What scales the gateway, and what stops a canary: the queries that docs/examples/scaling shows,
asked by promtool of series as the chart's monitor brings them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.promtool import promtool
from pilotfish.telemetry import series as s

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "scaling"
OURS = 'namespace="pilotfish-system",workload="gateway"'
IN_FLIGHT = s.IN_FLIGHT.name


def shown(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())


def in_keda() -> str:
    return str(shown("keda")["spec"]["triggers"][0]["metadata"]["query"])


def in_adapter() -> str:
    """As the adapter fills it in for the Pods of one namespace."""
    (rule,) = shown("prometheus-adapter")["rules"]["custom"]
    return (
        rule["metricsQuery"]
        .replace("<<.Series>>", rule["seriesQuery"].partition("{")[0])
        .replace("<<.LabelMatchers>>", 'namespace="pilotfish-system",pod=~"gateway-a|gateway-b"')
        .replace("<<.GroupBy>>", "pod")
    )


def in_analysis(name: str) -> str:
    spec = shown("analysis")["spec"]
    (metric,) = (m for m in spec["metrics"] if m["name"] == name)
    query = metric["provider"]["prometheus"]["query"]
    for arg in spec["args"]:
        query = query.replace(f"{{{{args.{arg['name']}}}}}", arg.get("value", "6d4f9"))
    assert "{{" not in query
    return str(query)


def answers(folder: Path, query: str, series: dict[str, str], expected: dict[str, float]) -> None:
    """Asks between two samples, ten minutes on; `expected`: by the labels of the answer."""
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    asked = {"expr": query, "eval_time": "10m10s", "exp_samples": samples}
    test = {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [asked],
    }
    path = folder / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    code, said = promtool("test", "rules", str(path))
    assert code == 0, said


@pytest.mark.prometheus
class TestQueries:
    def test_requests_in_flight_of_all_gateways_count_and_no_sidecars(self, tmp_path):
        series = {
            f'{IN_FLIGHT}{{{OURS},pod="gateway-a",rule="chat"}}': "30x20",
            f'{IN_FLIGHT}{{{OURS},pod="gateway-a",rule="code"}}': "10x20",
            f'{IN_FLIGHT}{{{OURS},pod="gateway-b",rule="chat"}}': "60x20",
            f'{IN_FLIGHT}{{namespace="shop",workload="web",pod="web-1",rule="chat"}}': "500x20",
        }
        answers(tmp_path, in_keda(), series, {"{}": 100})
        answers(tmp_path, in_adapter(), series, {'{pod="gateway-a"}': 40, '{pod="gateway-b"}': 60})

    def test_where_nothing_is_in_flight_yet_there_is_a_number_all_the_same(self, tmp_path):
        """KEDA takes no answer for a failure, and its fallback scales up."""
        answers(tmp_path, in_keda(), {}, {"{}": 0})

    def test_one_moment_does_not_scale(self, tmp_path):
        name = f'{IN_FLIGHT}{{{OURS},pod="gateway-a",rule="chat"}}'
        answers(tmp_path, in_keda(), {name: "0x18 0 90"}, {"{}": 45})

    def test_a_canary_is_judged_by_its_own_pods(self, tmp_path):
        def requests(pod: str, code: str) -> str:
            labels = f'namespace="pilotfish-system",pod="{pod}",rule="chat",code="{code}"'
            return f"{s.REQUESTS.name}{{{labels}}}"

        series = {
            requests("gateway-6d4f9-x1", "200"): "0+90x20",
            requests("gateway-6d4f9-x1", "502"): "0+5x20",
            requests("gateway-6d4f9-x1", "429"): "0+5x20",
            requests("gateway-77777-x1", "502"): "0+900x20",
        }
        answers(tmp_path, in_analysis("answered"), series, {"{}": 0.9})
        answers(tmp_path, in_analysis("answered"), {}, {})

    def test_a_canary_whose_first_tokens_are_late_is_told_by_seconds(self, tmp_path):
        def bucket(pod: str, le: str) -> str:
            labels = f'namespace="pilotfish-system",pod="{pod}",le="{le}"'
            return f"{s.GEN_AI_FIRST_TOKEN.name}_bucket{{{labels}}}"

        series = {
            bucket("gateway-6d4f9-x1", "5.0"): "0+90x20",
            bucket("gateway-6d4f9-x1", "10.0"): "0+100x20",
            bucket("gateway-6d4f9-x1", "+Inf"): "0+100x20",
            bucket("gateway-77777-x1", "+Inf"): "0+100x20",
        }
        query = f"round({in_analysis('first-token')}, 0.01)"
        answers(tmp_path, query, series, {"{}": 7.5})


def test_they_ask_for_what_there_is():
    """Buckets and labels of the catalogue; conditions that take an empty answer for no failure."""
    assert 5.0 in s.GEN_AI_FIRST_TOKEN.buckets
    assert s.IN_FLIGHT.labels == ("rule",)
    assert "code" in s.REQUESTS.labels
    for metric in shown("analysis")["spec"]["metrics"]:
        assert metric["successCondition"].startswith("len(result) == 0 || isNaN(result[0]) || ")
