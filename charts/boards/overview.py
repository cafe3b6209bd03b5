"""The overview: what clients get, how fast, and what it costs."""

from __future__ import annotations

from boards.panels import (
    BURN,
    GEN_AI,
    GREEN,
    MISSED,
    MODELS,
    NONE_IS_GOOD,
    OF_RULES,
    ORANGE,
    PODS,
    RED,
    RULES,
    SERVICE,
    SERVICES,
    STATES,
    STATUS_COLORS,
    TOKENS_A_SECOND,
    Panel,
    R,
    Row,
    quantiles,
    rate,
    share,
    stat,
)

# A label without a value has no name in a legend.
NO_RULE = '"rule", "no rule", "rule", ""'
FIRST_TOKEN = "gen_ai_server_time_to_first_token_seconds"
IN_TIME = share(
    f'sum by (gen_ai_request_model) (rate({FIRST_TOKEN}_bucket{{{GEN_AI},le="$first_token_seconds"}}[{R}]))',
    f"sum by (gen_ai_request_model) (rate({FIRST_TOKEN}_count{{{GEN_AI}}}[{R}]))",
)


def cost(by: str = "") -> str:
    """US dollars an hour."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate(pilotfish_cost_usd_total{{{SERVICES}}}[{R}])) * 3600"


MISSED_SHARE = share(
    f"sum by (rule) (rate(pilotfish_requests_total{{{OF_RULES},{MISSED}}}[{R}]))",
    f"sum by (rule) (rate(pilotfish_requests_total{{{OF_RULES}}}[{R}]))",
)

HEALTH = Row(
    "Health",
    (
        stat(
            "Requests answered",
            "Share of requests that got neither a 5xx nor a 429, those refused before a rule took them among them. The objective is $answered.",
            share(
                f"1 - (sum(rate(pilotfish_requests_total{{{RULES},{MISSED}}}[{R}])) or vector(0))",
                f"sum(rate(pilotfish_requests_total{{{RULES}}}[{R}]))",
            ),
            "answered",
            unit="percentunit",
            steps=((None, RED), (0.99, ORANGE), (0.995, GREEN)),
            empty="no requests",
            width=5,
            runbook="PilotfishRequestsFail",
        ),
        stat(
            "Budget burns",
            "How many times faster than the objective of $answered allows requests fail now, for the rule that is worst off. 1 lasts the month, 14.4 two days.",
            f"max({MISSED_SHARE}) / (1 - $answered)",
            "times",
            steps=BURN,
            empty="no requests",
            width=5,
            runbook="PilotfishRequestsFail",
        ),
        stat(
            "Services out",
            "Services that cool in at least one proxy.",
            f'count(max by (provider, model) (pilotfish_service_state{{{MODELS},state="cooling"}}) == 1) or vector(0)',
            "services",
            steps=NONE_IS_GOOD,
            width=5,
            runbook="PilotfishServiceCoolingLong",
        ),
        stat(
            "Requests now",
            "Requests being served, by all proxies together.",
            f"sum(pilotfish_requests_in_flight{{{RULES}}})",
            "in flight",
            empty="no proxy",
        ),
        stat(
            "Costs now",
            "US dollars an hour, by the prices that the proxies know.",
            cost(),
            "an hour",
            unit="currencyUSD",
            empty="no prices",
            width=5,
        ),
        STATES,
        Panel(
            "Error budget burn",
            "How many times faster than the objective of $answered allows requests fail. 1 lasts the month, 14.4 two days.",
            ((f"{MISSED_SHARE} / (1 - $answered)", "{{rule}}"),),
            empty="no requests",
            steps=BURN,
            runbook="PilotfishRequestsFail",
        ),
        Panel(
            "First tokens in time",
            "Share of streams by model whose first token came within $first_token_seconds s. The objective is $first_token_in_time.",
            ((IN_TIME, "{{gen_ai_request_model}}"),),
            "percentunit",
            empty="no streams",
            runbook="PilotfishFirstTokenLate",
        ),
        Panel(
            "First token budget burn",
            "How many times faster than the objective of $first_token_in_time allows first tokens are late.",
            ((f"(1 - {IN_TIME}) / (1 - $first_token_in_time)", "{{gen_ai_request_model}}"),),
            empty="no streams",
            steps=BURN,
            runbook="PilotfishFirstTokenLate",
        ),
    ),
)

TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            "Requests",
            "Requests a second by rule.",
            (
                (
                    f"label_replace({rate('pilotfish_requests_total', RULES, 'rule')}, {NO_RULE})",
                    "{{rule}}",
                ),
            ),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Answers by status",
            "What clients got; 499 are clients that left.",
            ((rate("pilotfish_requests_total", RULES, "code"), "{{code}}"),),
            "reqps",
            stacked=True,
            colors=STATUS_COLORS,
        ),
        Panel(
            "In flight",
            "Requests being served now.",
            ((f"sum by (rule) (pilotfish_requests_in_flight{{{RULES}}})", "{{rule}}"),),
        ),
    ),
)

LATENCY = Row(
    "Latency",
    (
        Panel(
            "First tokens",
            "How many streams had their first token after how long: two bands are two kinds of answers.",
            ((f"sum by (le) (increase({FIRST_TOKEN}_bucket{{{GEN_AI}}}[{R}]))", "{{le}}"),),
            "s",
            "heatmap",
            width=16,
            empty="no streams",
            runbook="PilotfishFirstTokenLate",
        ),
        Panel(
            "Time to first token",
            "Serving attempt's request sent to first content; streams only.",
            quantiles(FIRST_TOKEN, GEN_AI),
            "s",
        ),
        Panel(
            "Request duration",
            "Request read to last byte written.",
            quantiles("pilotfish_request_duration_seconds", RULES),
            "s",
        ),
        Panel(
            "Output speed",
            "Tokens a second of one stream.",
            quantiles("pilotfish_output_tokens_per_second", SERVICES),
            TOKENS_A_SECOND,
        ),
        Panel(
            "Overhead of the proxy",
            "Duration less all waiting for upstreams.",
            quantiles("pilotfish_overhead_seconds", PODS),
            "s",
        ),
    ),
)

TOKENS_AND_COST = Row(
    "Tokens and cost",
    (
        Panel(
            "Cost per hour",
            "By service. US dollars, by the prices that the proxies know.",
            ((cost("provider, model"), SERVICE),),
            "currencyUSD",
            stacked=True,
        ),
        Panel(
            "Cost by namespace",
            "US dollars an hour.",
            ((cost("namespace"), "{{namespace}}"),),
            "currencyUSD",
            stacked=True,
        ),
        Panel(
            "Cost by workload",
            "US dollars an hour. The workload is what the Pod is controlled by: the chart's PodMonitor makes the label.",
            ((cost("namespace, workload"), "{{namespace}}/{{workload}}"),),
            "currencyUSD",
            stacked=True,
        ),
        Panel(
            "Tokens without a price",
            "Tokens a second of services whose price nobody knows: they are in no cost.",
            (
                (
                    rate("pilotfish_unpriced_tokens_total", MODELS, "provider, model") + " > 0",
                    SERVICE,
                ),
            ),
            TOKENS_A_SECOND,
            empty="none",
            runbook="PilotfishUsageUnpriced",
        ),
        Panel(
            "Left of budgets",
            "Share of a day's budgets that is left, in the proxy where it is least.",
            (
                (
                    f"min by (scope, name, kind) (pilotfish_budget_remaining{{{PODS}}} / (pilotfish_budget_limit{{{PODS}}} > 0))",
                    "{{scope}} {{name}} {{kind}}",
                ),
            ),
            "percentunit",
            empty="no budgets",
            steps=((None, RED), (0.1, ORANGE), (0.3, GREEN)),
            runbook="PilotfishBudgetSpent",
        ),
        Panel(
            "Tokens",
            "Tokens a second by kind; cached_input and cache_write are parts of input, reasoning of output.",
            ((rate("pilotfish_tokens_total", SERVICES, "kind"), "{{kind}}"),),
            TOKENS_A_SECOND,
        ),
        Panel(
            "Cache hits",
            "Share of input tokens that vendors read from their prompt caches.",
            (
                (
                    share(
                        f'sum by (provider, model) (rate(pilotfish_tokens_total{{{SERVICES},kind="cached_input"}}[{R}]))',
                        f'sum by (provider, model) (rate(pilotfish_tokens_total{{{SERVICES},kind="input"}}[{R}]))',
                    ),
                    SERVICE,
                ),
            ),
            "percentunit",
            empty="no tokens",
        ),
    ),
)

ROWS = (HEALTH, TRAFFIC, LATENCY, TOKENS_AND_COST)
