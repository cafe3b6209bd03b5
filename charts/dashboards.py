"""Writes charts/pilotfish/dashboards/*.json: `python charts/dashboards.py`, with `--check` says which are not what they should be.

A panel is its title, its description, its queries and its unit; where it stands follows from the order. Every query is asked of a
Prometheus that scraped a known run: what a panel is to show of it stands in tests/observability/expected_*.py, and one without an
expectation fails.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "pilotfish" / "dashboards"
WIDTH, HEIGHT = 8, 7
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

RULES = 'namespace=~"$namespace",rule=~"$rule"'
SERVICES = f'{RULES},provider=~"$provider",model=~"$model"'
MODELS = 'namespace=~"$namespace",provider=~"$provider",model=~"$model"'
GEN_AI = 'namespace=~"$namespace",gen_ai_provider_name=~"$provider",gen_ai_response_model=~"$model"'
PODS = 'namespace=~"$namespace"'
R = "$__rate_interval"
SERVICE = "{{provider}}/{{model}}"


@dataclass(frozen=True)
class Panel:
    """`queries`: (PromQL, legend). `kind`: Grafana's panel type. `empty` is shown where there is nothing to show: "No data" looks broken."""

    title: str
    description: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    stacked: bool = False
    instant: bool = False
    empty: str = ""


def rate(series: str, labels: str, by: str) -> str:
    return f"sum by ({by}) (rate({series}{{{labels}}}[{R}]))"


def quantiles(
    series: str, labels: str, by: str = "", legend: str = ""
) -> tuple[tuple[str, str], ...]:
    le = f"le, {by}" if by else "le"
    return tuple(
        (
            f"histogram_quantile({q}, sum by ({le}) (rate({series}_bucket{{{labels}}}[{R}])))",
            f"p{q * 100:.0f} {legend}".strip(),
        )
        for q in (0.5, 0.95, 0.99)
    )


def share(part: str, whole: str) -> str:
    """Nothing, rather than 0 / 0, while there is nothing to share."""
    return f"{part} / ({whole} > 0)"


def recent(series: str, labels: str, by: str) -> str:
    """How often in the last hour: for what is rare, and whole, since Prometheus extrapolates to the ends of the hour."""
    return f"round(sum by ({by}) (increase({series}{{{labels}}}[1h])))"


TOKENS_A_SECOND = "suffix: tokens/s"
MISSED = 'code=~"5..|429"'
OF_RULES = 'namespace=~"$namespace",rule=~"$rule",rule!=""'
# A label without a value has no name in a legend.
NO_RULE = '"rule", "no rule", "rule", ""'
IN_TIME = share(
    f'sum by (gen_ai_request_model) (rate(gen_ai_server_time_to_first_token_seconds_bucket{{{GEN_AI},le="$first_token_seconds"}}[{R}]))',
    f"sum by (gen_ai_request_model) (rate(gen_ai_server_time_to_first_token_seconds_count{{{GEN_AI}}}[{R}]))",
)
# The instance, too: without Kubernetes there is no label `pod`.
SAME_PROXY = "on (namespace, pod, instance)"
# Made by every proxy from its start, and by no injector.
PROXIES = f"pilotfish_config_source_connected{{{PODS}}}"
OVERVIEW = (
    Panel(
        "Requests answered",
        "Share of requests that got neither a 5xx nor a 429, those refused before a rule took them among them. The objective is $answered.",
        ((share(f"1 - (sum(rate(pilotfish_requests_total{{{RULES},{MISSED}}}[{R}])) or vector(0))", f"sum(rate(pilotfish_requests_total{{{RULES}}}[{R}]))"), "answered"),),
        "percentunit",
        "stat",
        empty="no requests",
    ),
    Panel(
        "Error budget burn",
        "How many times faster than the objective of $answered allows requests fail. 1 lasts the month, 14.4 two days.",
        ((share(f"sum by (rule) (rate(pilotfish_requests_total{{{OF_RULES},{MISSED}}}[{R}]))", f"sum by (rule) (rate(pilotfish_requests_total{{{OF_RULES}}}[{R}]))") + " / (1 - $answered)", "{{rule}}"),),
        empty="no requests",
    ),
    Panel("First tokens in time", "Share of streams by model whose first token came within $first_token_seconds s. The objective is $first_token_in_time.", ((IN_TIME, "{{gen_ai_request_model}}"),), "percentunit", empty="no streams"),
    Panel("First token budget burn", "How many times faster than the objective of $first_token_in_time allows first tokens are late.", ((f"(1 - {IN_TIME}) / (1 - $first_token_in_time)", "{{gen_ai_request_model}}"),), empty="no streams"),
    Panel("Cost per hour", "By the prices in the rules file.", ((f"sum by (provider, model) (rate(pilotfish_cost_usd_total{{{SERVICES}}}[{R}])) * 3600", SERVICE),), "currencyUSD", stacked=True),
    Panel("Requests", "Requests a second by rule.", ((f'label_replace({rate("pilotfish_requests_total", RULES, "rule")}, {NO_RULE})', "{{rule}}"),), "reqps", stacked=True),
    Panel("Answers by status", "What clients got; 499 are clients that left.", ((rate("pilotfish_requests_total", RULES, "code"), "{{code}}"),), "reqps", stacked=True),
    Panel("In flight", "Requests being served now.", ((f"sum by (rule) (pilotfish_requests_in_flight{{{RULES}}})", "{{rule}}"),)),
    Panel("Time to first token", "Serving attempt's request sent to first content; streams only.", quantiles("gen_ai_server_time_to_first_token_seconds", GEN_AI), "s"),
    Panel("Request duration", "Request read to last byte written.", quantiles("pilotfish_request_duration_seconds", RULES), "s"),
    Panel("Output speed", "Tokens a second of one stream.", quantiles("pilotfish_output_tokens_per_second", SERVICES), TOKENS_A_SECOND),
    Panel("Tokens", "Tokens a second by kind; cached_input and cache_write are parts of input, reasoning of output.", ((rate("pilotfish_tokens_total", SERVICES, "kind"), "{{kind}}"),), TOKENS_A_SECOND),
    Panel("Cache hits", "Share of input tokens that vendors read from their prompt caches.", ((share(f'sum by (provider, model) (rate(pilotfish_tokens_total{{{SERVICES},kind="cached_input"}}[{R}]))', f'sum by (provider, model) (rate(pilotfish_tokens_total{{{SERVICES},kind="input"}}[{R}]))'), SERVICE),), "percentunit", empty="no tokens"),
    Panel("Overhead of the proxy", "Duration less all waiting for upstreams.", quantiles("pilotfish_overhead_seconds", PODS), "s"),
)  # fmt: skip

PROVIDERS = (
    Panel("State", "Share of proxies in which the service serves, cools or is probed.", ((f"avg by (provider, model, state) (pilotfish_service_state{{{MODELS}}})", SERVICE + " {{state}}"),), "percentunit"),
    Panel("Cooldown left", "The longest over all proxies.", ((f"max by (provider, model) (pilotfish_service_cooldown_seconds{{{MODELS}}})", SERVICE),), "s"),
    Panel("Headroom", "Share of the vendor's rate limits that is left.", ((f"min by (provider, model, kind) (pilotfish_ratelimit_remaining{{{MODELS}}} / (pilotfish_ratelimit_limit{{{MODELS}}} > 0))", SERVICE + " {{kind}}"),), "percentunit", empty="no vendor tells"),
    Panel("Why traffic is where it is", "Attempts served a second.", ((f'sum by (provider, model) (rate(pilotfish_attempts_total{{{SERVICES},outcome="served"}}[{R}]))', SERVICE),), "reqps", stacked=True),
    Panel("Failed attempts", "By what became of them.", ((f'sum by (provider, model, outcome) (rate(pilotfish_attempts_total{{{SERVICES},outcome!~"served|lost_race|client_gone"}}[{R}])) > 0', SERVICE + " {{outcome}}"),), "reqps", stacked=True, empty="none"),
    Panel("Retries, fallbacks, forced", "Same service again; another service; a cooling service because all were out.", (
        (rate("pilotfish_retries_total", RULES, "rule"), "{{rule}} retries"),
        (rate("pilotfish_fallbacks_total", RULES, "rule"), "{{rule}} fallbacks"),
        (rate("pilotfish_forced_total", RULES, "rule"), "{{rule}} forced"),
    ), "reqps"),
    Panel("First token by provider", "95th percentile.", ((f"histogram_quantile(0.95, sum by (le, gen_ai_provider_name, gen_ai_response_model) (rate(gen_ai_server_time_to_first_token_seconds_bucket{{{GEN_AI}}}[{R}])))", "{{gen_ai_provider_name}}/{{gen_ai_response_model}}"),), "s"),
    Panel("First byte by provider", "95th percentile of the time to the head of the answer.", ((f"histogram_quantile(0.95, sum by (le, provider, model) (rate(pilotfish_time_to_first_byte_seconds_bucket{{{SERVICES}}}[{R}])))", SERVICE),), "s"),
    Panel("Time per output token", "95th percentile.", ((f"histogram_quantile(0.95, sum by (le, gen_ai_provider_name, gen_ai_response_model) (rate(gen_ai_server_time_per_output_token_seconds_bucket{{{GEN_AI}}}[{R}])))", "{{gen_ai_provider_name}}/{{gen_ai_response_model}}"),), "s"),
    Panel("Tokens by request", "Median of each type, of requests that had any.", ((f"histogram_quantile(0.5, sum by (le, gen_ai_token_type) (rate(gen_ai_client_token_usage_bucket{{{GEN_AI}}}[{R}])))", "{{gen_ai_token_type}}"),), "suffix: tokens"),
    Panel("Errors of the GenAI conventions", "Failed requests by error_type. The first of a kind makes its series and is not seen as an increase: *Failed attempts* shows it.", ((f'sum by (gen_ai_provider_name, error_type) (rate(gen_ai_server_request_duration_seconds_count{{{GEN_AI},error_type!=""}}[{R}]))', "{{gen_ai_provider_name}} {{error_type}}"),), "reqps", empty="none"),
    Panel("Races", "Participants that won, lost or failed.", ((f"sum by (provider, model, result) (rate(pilotfish_races_total{{{SERVICES}}}[{R}]))", SERVICE + " {{result}}"),), "reqps", empty="no rule races"),
    Panel("Hedges", "Second attempts because the first was late.", ((rate("pilotfish_hedges_total", RULES, "rule, result"), "{{rule}} {{result}}"),), "reqps", empty="no rule hedges"),
    Panel("Broken streams", "Streams that broke after their first content.", ((rate("pilotfish_stream_breaks_total", MODELS, "provider, model, cause"), SERVICE + " {{cause}}"),), "reqps"),
    Panel("Rescues", "Broken streams that another service went on with.", ((rate("pilotfish_stream_rescues_total", RULES, "rule, mode, result"), "{{rule}} {{mode}} {{result}}"),), "reqps", empty="no rule rescues"),
    Panel("Wasted tokens", "Tokens a second of attempts whose answer nobody got.", ((rate("pilotfish_wasted_tokens_total", RULES, "rule, reason"), "{{rule}} {{reason}}"),), TOKENS_A_SECOND, empty="none"),
    Panel("Usage that is estimated", "Attempts whose tokens and cost are estimates, since the upstream gave none.", ((rate("pilotfish_usage_estimated_total", SERVICES, "provider, model"), SERVICE),), "reqps"),
    Panel("Unreadable events", "Upstream events that were left out of a stream.", ((rate("pilotfish_malformed_events_total", MODELS, "provider, model"), SERVICE),), "cps"),
    Panel("Dropped fields", "Fields that the service's style could not carry. The first of a kind makes its series and is not seen as an increase.", ((rate("pilotfish_dropped_fields_total", PODS, "style, field"), "{{style}} {{field}}"),), "cps", empty="none"),
    Panel("Clients that left", "Before their answer was complete.", ((rate("pilotfish_client_gone_total", RULES, "rule"), "{{rule}}"),), "reqps"),
)  # fmt: skip

FLEET = (
    Panel("Proxies", "Running proxies by version.", ((f"count by (version) (pilotfish_build_info{{{PODS}}} and {SAME_PROXY} {PROXIES})", "{{version}}"),), kind="stat", instant=True, empty="none"),
    Panel("Rules in force", "Proxies by version of their rules: after an edit all of a namespace should meet in one.", ((f"count by (namespace, version) (pilotfish_config_info{{{PODS}}})", "{{namespace}} {{version}}"),)),
    Panel("Proxies that refuse their newest rules", "They run on the ones before; /status says why.", ((f"sum by (namespace) (1 - pilotfish_config_last_reload_successful{{{PODS}}})", "{{namespace}}"),), kind="stat", instant=True),
    Panel("Time since the last edit", "Since each version of the rules came into force in the first of the proxies that have it: one that starts later is no edit.", ((f"time() - min by (namespace, version) (pilotfish_config_last_applied_timestamp_seconds{{{PODS}}} * {SAME_PROXY} group_left (version) pilotfish_config_info)", "{{namespace}} {{version}}"),), "s", "stat", instant=True),
    Panel("Reloads", "Edits read in the last hour, by all proxies together.", ((recent("pilotfish_config_reloads_total", PODS, "namespace, result"), "{{namespace}} {{result}}"),)),
    Panel("Problems in rules", "Of the rules read last.", ((f"max by (namespace) (pilotfish_config_problems{{{PODS}}})", "{{namespace}}"),)),
    Panel("Source of rules away", "Proxies that cannot watch or read their rules.", ((f"sum by (namespace) (1 - pilotfish_config_source_connected{{{PODS}}})", "{{namespace}}"),)),
    Panel("Watches begun anew", "In the last hour, by reason; `timeout` is the everyday one.", ((recent("pilotfish_watch_restarts_total", PODS, "reason"), "{{reason}}"),), empty="no proxy watches"),
    Panel("Event loop lag", "99th percentile by Pod: above 100 ms the proxy is short of CPU.", ((f"histogram_quantile(0.99, sum by (namespace, pod, le) (rate(pilotfish_event_loop_lag_seconds_bucket{{{PODS}}}[{R}])))", "{{namespace}}/{{pod}}"),), "s"),
    Panel("Memory", "Resident memory of each proxy.", ((f"process_resident_memory_bytes{{{PODS}}} and {SAME_PROXY} {PROXIES}", "{{namespace}}/{{pod}}"),), "bytes"),
    Panel("CPU", "Cores used by each proxy.", ((f"rate(process_cpu_seconds_total{{{PODS}}}[{R}]) and {SAME_PROXY} {PROXIES}", "{{namespace}}/{{pod}}"),)),
    Panel("Open files", "Connections count among them.", ((f"process_open_fds{{{PODS}}} and {SAME_PROXY} {PROXIES}", "{{namespace}}/{{pod}}"),)),
    Panel("Injections", "Admission reviews a second, by what was done.", (("sum by (result, reason) (rate(pilotfish_injections_total[$__rate_interval]))", "{{result}} {{reason}}"),), "reqps", empty="no injector"),
    Panel("Pods without their sidecar", "They should have one and have not.", (("max(pilotfish_uninjected_pods)", "Pods"),), kind="stat", instant=True, empty="no injector"),
    Panel("Webhook's certificate", "Time until it expires.", (("min(pilotfish_webhook_certificate_expiry_timestamp_seconds > 0) - time()", "left"),), "s", "stat", instant=True, empty="no injector"),
)  # fmt: skip

DASHBOARDS = {
    "overview": (
        "Pilotfish: overview",
        "Traffic, errors, speed and cost of LLM requests.",
        OVERVIEW,
    ),
    "providers": (
        "Pilotfish: providers",
        "Which provider is slow or out, why, and where traffic went instead.",
        PROVIDERS,
    ),
    "fleet": (
        "Pilotfish: sidecar fleet",
        "Rules, watches, CPU and memory of all proxies, and the injector.",
        FLEET,
    ),
}
VARIABLES = (
    ("namespace", "pilotfish_config_source_connected", ""),
    ("rule", "pilotfish_requests_in_flight", 'namespace=~"$namespace"'),
    ("provider", "pilotfish_service_state", 'namespace=~"$namespace"'),
    ("model", "pilotfish_service_state", 'namespace=~"$namespace",provider=~"$provider"'),
)
# What the chart puts its `objectives` in place of.
OBJECTIVES = (
    ("answered", "0.995"),
    ("first_token_in_time", "0.95"),
    ("first_token_seconds", "5.0"),
)


def variables(count: int) -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0, "multi": False, "includeAll": False, "options": [], "regex": ""}  # fmt: skip
    found = [source]
    for name, series, labels in VARIABLES[:count]:
        query = (
            f"label_values({series}{{{labels}}}, {name})"
            if labels
            else f"label_values({series}, {name})"
        )
        found.append(
            {
                "name": name,
                "label": name.capitalize(),
                "type": "query",
                "datasource": SOURCE,
                "query": {"query": query, "refId": "values"},
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


def panel(number: int, one: Panel) -> dict[str, Any]:
    custom = {
        "fillOpacity": 20 if one.stacked else 0,
        "showPoints": "never",
        "stacking": {"mode": "normal" if one.stacked else "none", "group": "A"},
    }
    made: dict[str, Any] = {
        "id": number + 1,
        "type": one.kind,
        "title": one.title,
        "description": one.description,
        "datasource": SOURCE,
        "gridPos": {"x": number % 3 * WIDTH, "y": number // 3 * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": one.unit, **({"noValue": one.empty} if one.empty else {}), **({"custom": custom, "min": 0} if one.kind == "timeseries" else {})}, "overrides": []},
        "targets": [
            {"refId": chr(65 + i), "datasource": SOURCE, "expr": expr, "legendFormat": legend, "instant": one.instant, "range": not one.instant, "exemplar": "_bucket" in expr and not one.instant}
            for i, (expr, legend) in enumerate(one.queries)
        ],
    }  # fmt: skip
    if one.kind == "timeseries":
        made["options"] = {
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    else:
        made["options"] = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "graphMode": "area",
            "colorMode": "value",
        }
    return made


def dashboard(name: str) -> dict[str, Any]:
    title, description, panels = DASHBOARDS[name]
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
        "annotations": {
            "list": [
                {"name": "Rules changed", "datasource": SOURCE, "enable": True, "iconColor": "purple",                 "expr": 'changes(pilotfish_config_last_applied_timestamp_seconds{namespace=~"$namespace"}[1m]) > 0'}
            ]
        },
        "links": [
            {"type": "dashboards", "title": "Pilotfish", "tags": ["pilotfish"], "asDropdown": False, "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}
        ],
        "templating": {"list": variables(1 if name == "fleet" else len(VARIABLES)) + (constants() if name == "overview" else [])},
        "panels": [panel(i, one) for i, one in enumerate(panels)],
    }  # fmt: skip


def main(check: bool) -> int:
    stale = [
        n
        for n in DASHBOARDS
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
