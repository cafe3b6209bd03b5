"""What docs/examples/scaling scales is what the chart makes; `tests/observability` asks its queries."""

import pytest

from chart.rendering import by_kind, template
from observability.test_scaling import EXAMPLES, shown


@pytest.mark.helm
def test_the_chart_renders_what_they_scale(helm):
    """The names that the examples use are those of an installation as the pages print it."""
    values = EXAMPLES / "gateway-values.yaml"
    text = template(helm, values, "--api-versions", "monitoring.coreos.com/v1")
    (scaler,) = by_kind(text, "HorizontalPodAutoscaler")
    assert [m["type"] for m in scaler["spec"]["metrics"]] == ["Resource", "Pods"]
    pods = scaler["spec"]["metrics"][1]["pods"]["metric"]["name"]
    assert pods == shown("prometheus-adapter")["rules"]["custom"][0]["name"]["as"]
    assert (
        scaler["spec"]["scaleTargetRef"]["name"] == shown("keda")["spec"]["scaleTargetRef"]["name"]
    )
    (monitor,) = by_kind(text, "ServiceMonitor")
    relabelled = monitor["spec"]["endpoints"][0]["relabelings"][0]
    assert relabelled["targetLabel"] == "workload"
    keda = ("--set", "gateway.autoscaling.enabled=false", "--set", "gateway.replicaCount=null")
    text = template(helm, values, *keda)
    assert not by_kind(text, "HorizontalPodAutoscaler")
    (gateway,) = (
        d for d in by_kind(text, "Deployment") if d["metadata"]["name"] == "pilotfish-gateway"
    )
    assert "replicas" not in gateway["spec"], "an upgrade would undo what KEDA has scaled"
