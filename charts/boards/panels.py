"""Panels and rows as data, and the queries that many of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "state-timeline", "heatmap", "bargauge"]

RULES = 'namespace=~"$namespace",rule=~"$rule"'
SERVICES = f'{RULES},provider=~"$provider",model=~"$model"'
MODELS = 'namespace=~"$namespace",provider=~"$provider",model=~"$model"'
GEN_AI = 'namespace=~"$namespace",gen_ai_provider_name=~"$provider",gen_ai_response_model=~"$model"'
PROVIDERS = 'namespace=~"$namespace",provider=~"$provider"'
PODS = 'namespace=~"$namespace"'
OF_RULES = 'namespace=~"$namespace",rule=~"$rule",rule!=""'
MISSED = 'code=~"5..|429"'
R = "$__rate_interval"
SERVICE = "{{provider}}/{{model}}"
GEN_AI_SERVICE = "{{gen_ai_provider_name}}/{{gen_ai_response_model}}"
TOKENS_A_SECOND = "suffix: tokens/s"
# The instance, too: without Kubernetes there is no label `pod`.
SAME_PROXY = "on (namespace, pod, instance)"
# Made by every proxy from its start, and by no injector.
PROXIES = f"pilotfish_config_source_connected{{{PODS}}}"
INJECTORS = "pilotfish_webhook_certificate_expiry_timestamp_seconds"

GREEN, YELLOW, ORANGE, RED, GREY, BLUE = "green", "yellow", "orange", "red", "#808080", "blue"
# From what value on which colour; the first one is below all others.
Steps = tuple[tuple[float | None, str], ...]
NONE_IS_GOOD: Steps = ((None, GREEN), (1, RED))
SOME_IS_A_WARNING: Steps = ((None, GREEN), (1, ORANGE))
BURN: Steps = ((None, GREEN), (1, YELLOW), (6, ORANGE), (14.4, RED))
# Legends by regular expression, and their colour.
STATUS_COLORS = (("2..", GREEN), ("499", GREY), ("429", ORANGE), ("4..", YELLOW), ("5..", RED))


@dataclass(frozen=True)
class Panel:
    """`queries`: (PromQL, legend). `empty` is shown where there is nothing to show: "No data" looks
    broken. `width` of 24. `steps`: colours by value. `values`: what a number means, with its
    colour. `colors`: of legends. `runbook`: the alert that looks at the same, whose runbook is
    linked.
    """

    title: str
    description: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    stacked: bool = False
    instant: bool = False
    empty: str = ""
    width: int = 8
    height: int = 7
    steps: Steps = ()
    values: tuple[tuple[float, str, str], ...] = ()
    colors: tuple[tuple[str, str], ...] = ()
    runbook: str = ""


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def stat(
    title: str,
    description: str,
    query: str,
    legend: str,
    *,
    unit: str = "short",
    steps: Steps = (),
    empty: str = "",
    width: int = 4,
    runbook: str = "",
) -> Panel:
    """One number, as it is now."""
    return Panel(
        title,
        description,
        ((query, legend),),
        unit,
        "stat",
        instant=True,
        empty=empty,
        width=width,
        height=4,
        steps=steps,
        runbook=runbook,
    )


def rate(series: str, labels: str, by: str) -> str:
    return f"sum by ({by}) (rate({series}{{{labels}}}[{R}]))"


def quantile(q: float, series: str, labels: str, by: str = "") -> str:
    le = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({le}) (rate({series}_bucket{{{labels}}}[{R}])))"


def quantiles(series: str, labels: str) -> tuple[tuple[str, str], ...]:
    return tuple((quantile(q, series, labels), f"p{q * 100:.0f}") for q in (0.5, 0.95, 0.99))


def share(part: str, whole: str) -> str:
    """Nothing, rather than 0 / 0, while there is nothing to share."""
    return f"{part} / ({whole} > 0)"


def recent(series: str, labels: str, by: str) -> str:
    """How often in the last hour: for what is rare, and whole, since Prometheus extrapolates to the
    ends of the hour.
    """
    return f"round(sum by ({by}) (increase({series}{{{labels}}}[1h])))"


# 0 serving, 1 on trial, 2 cooling: of all proxies the one that is worst off.
STATE = (
    "max by (provider, model) (sum by (namespace, pod, instance, provider, model) ("
    f'pilotfish_service_state{{{MODELS},state="cooling"}} * 2 '
    f'or pilotfish_service_state{{{MODELS},state="probing"}}))'
)
STATES = Panel(
    "Services over time",
    "The state of each service in the proxy where it is worst off.",
    ((STATE, SERVICE),),
    kind="state-timeline",
    width=24,
    height=8,
    values=((0, "serving", GREEN), (1, "probing", YELLOW), (2, "cooling", RED)),
    empty="no services",
    runbook="PilotfishServiceCoolingLong",
)
