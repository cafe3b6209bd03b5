"""The providers: which one is slow or out, why, and where traffic went instead."""

from __future__ import annotations

from boards.panels import (
    GEN_AI,
    GEN_AI_SERVICE,
    MODELS,
    NONE_IS_GOOD,
    PODS,
    PROVIDERS,
    RULES,
    SERVICE,
    SERVICES,
    STATES,
    TOKENS_A_SECOND,
    Panel,
    R,
    Row,
    quantile,
    rate,
)

HEALTH = Row(
    "Health",
    (
        STATES,
        Panel(
            "State",
            "Share of proxies in which the service serves, cools or is probed.",
            (
                (
                    f"avg by (provider, model, state) (pilotfish_service_state{{{MODELS}}})",
                    SERVICE + " {{state}}",
                ),
            ),
            "percentunit",
            runbook="PilotfishServiceCoolingLong",
        ),
        Panel(
            "Cooldown left",
            "The longest over all proxies.",
            (
                (
                    f"max by (provider, model) (pilotfish_service_cooldown_seconds{{{MODELS}}})",
                    SERVICE,
                ),
            ),
            "s",
            runbook="PilotfishServiceCoolingLong",
        ),
        Panel(
            "Refused keys",
            "Keys that a provider refused, or that are not paid for; of all proxies the one that has most.",
            (
                (
                    f"max by (provider) (pilotfish_credentials_refused{{{PROVIDERS}}})",
                    "{{provider}}",
                ),
            ),
            steps=NONE_IS_GOOD,
            runbook="PilotfishCredentialRefused",
        ),
        Panel(
            "Failed attempts",
            "By what became of them.",
            (
                (
                    f'sum by (provider, model, outcome) (rate(pilotfish_attempts_total{{{SERVICES},outcome!~"served|lost_race|client_gone"}}[{R}])) > 0',
                    SERVICE + " {{outcome}}",
                ),
            ),
            "reqps",
            stacked=True,
            empty="none",
            runbook="PilotfishRequestsFail",
        ),
        Panel(
            "Errors of the GenAI conventions",
            "Failed requests by error_type. The first of a kind makes its series and is not seen as an increase: *Failed attempts* shows it.",
            (
                (
                    f'sum by (gen_ai_provider_name, error_type) (rate(gen_ai_server_request_duration_seconds_count{{{GEN_AI},error_type!=""}}[{R}]))',
                    "{{gen_ai_provider_name}} {{error_type}}",
                ),
            ),
            "reqps",
            empty="none",
        ),
    ),
)

TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            "Why traffic is where it is",
            "Attempts served a second.",
            (
                (
                    f'sum by (provider, model) (rate(pilotfish_attempts_total{{{SERVICES},outcome="served"}}[{R}]))',
                    SERVICE,
                ),
            ),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Retries, fallbacks, forced",
            "Same service again; another service; a cooling service because all were out.",
            (
                (rate("pilotfish_retries_total", RULES, "rule"), "{{rule}} retries"),
                (rate("pilotfish_fallbacks_total", RULES, "rule"), "{{rule}} fallbacks"),
                (rate("pilotfish_forced_total", RULES, "rule"), "{{rule}} forced"),
            ),
            "reqps",
            runbook="PilotfishAllServicesCooling",
        ),
        Panel(
            "Races",
            "Participants that won, lost or failed.",
            (
                (
                    f"sum by (provider, model, result) (rate(pilotfish_races_total{{{SERVICES}}}[{R}]))",
                    SERVICE + " {{result}}",
                ),
            ),
            "reqps",
            empty="no rule races",
        ),
        Panel(
            "Rivals",
            "Services that were asked beside a silent one, or beside a trial.",
            (
                (
                    rate("pilotfish_rivals_total", RULES, "rule, reason, result") + " > 0",
                    "{{rule}} {{reason}} {{result}}",
                ),
            ),
            "reqps",
            empty="none",
        ),
        Panel(
            "Hedges",
            "Second attempts because the first was late.",
            ((rate("pilotfish_hedges_total", RULES, "rule, result"), "{{rule}} {{result}}"),),
            "reqps",
            empty="no rule hedges",
        ),
        Panel(
            "Clients that left",
            "Before their answer was complete.",
            ((rate("pilotfish_client_gone_total", RULES, "rule"), "{{rule}}"),),
            "reqps",
        ),
    ),
)

LATENCY = Row(
    "Latency",
    (
        Panel(
            "First token by provider",
            "95th percentile.",
            (
                (
                    quantile(
                        0.95,
                        "gen_ai_server_time_to_first_token_seconds",
                        GEN_AI,
                        "gen_ai_provider_name, gen_ai_response_model",
                    ),
                    GEN_AI_SERVICE,
                ),
            ),
            "s",
            runbook="PilotfishFirstTokenLate",
        ),
        Panel(
            "First byte by provider",
            "95th percentile of the time to the head of the answer.",
            (
                (
                    quantile(
                        0.95, "pilotfish_time_to_first_byte_seconds", SERVICES, "provider, model"
                    ),
                    SERVICE,
                ),
            ),
            "s",
        ),
        Panel(
            "Time per output token",
            "95th percentile.",
            (
                (
                    quantile(
                        0.95,
                        "gen_ai_server_time_per_output_token_seconds",
                        GEN_AI,
                        "gen_ai_provider_name, gen_ai_response_model",
                    ),
                    GEN_AI_SERVICE,
                ),
            ),
            "s",
        ),
    ),
)

LIMITS = Row(
    "Limits",
    (
        Panel(
            "Headroom",
            "Share of the vendor's rate limits that is left.",
            (
                (
                    f"min by (provider, model, kind) (pilotfish_ratelimit_remaining{{{MODELS}}} / (pilotfish_ratelimit_limit{{{MODELS}}} > 0))",
                    SERVICE + " {{kind}}",
                ),
            ),
            "percentunit",
            empty="no vendor tells",
            steps=((None, "red"), (0.1, "orange"), (0.3, "green")),
            runbook="PilotfishHeadroomLow",
        ),
        Panel(
            "Rate limited",
            "Attempts that a vendor refused for its rate limit.",
            (
                (
                    f'sum by (provider, model) (rate(pilotfish_attempts_total{{{SERVICES},outcome="rate_limited"}}[{R}])) > 0',
                    SERVICE,
                ),
            ),
            "reqps",
            empty="none",
            runbook="PilotfishHeadroomLow",
        ),
    ),
)

STREAMS = Row(
    "Streams",
    (
        Panel(
            "Broken streams",
            "Streams that broke after their first content.",
            (
                (
                    rate("pilotfish_stream_breaks_total", MODELS, "provider, model, cause"),
                    SERVICE + " {{cause}}",
                ),
            ),
            "reqps",
            runbook="PilotfishStreamsBreak",
        ),
        Panel(
            "Rescues",
            "Broken streams that another service went on with.",
            (
                (
                    rate("pilotfish_stream_rescues_total", RULES, "rule, mode, result"),
                    "{{rule}} {{mode}} {{result}}",
                ),
            ),
            "reqps",
            empty="no rule rescues",
            runbook="PilotfishStreamsBreak",
        ),
        Panel(
            "Unreadable events",
            "Upstream events that were left out of a stream.",
            ((rate("pilotfish_malformed_events_total", MODELS, "provider, model"), SERVICE),),
            "cps",
        ),
    ),
)

TOKENS = Row(
    "Tokens and cost",
    (
        Panel(
            "Tokens by request",
            "Median of each type, of requests that had any.",
            (
                (
                    quantile(0.5, "gen_ai_client_token_usage", GEN_AI, "gen_ai_token_type"),
                    "{{gen_ai_token_type}}",
                ),
            ),
            "suffix: tokens",
        ),
        Panel(
            "Wasted tokens",
            "Tokens a second of attempts whose answer nobody got.",
            (
                (
                    rate("pilotfish_wasted_tokens_total", RULES, "rule, reason"),
                    "{{rule}} {{reason}}",
                ),
            ),
            TOKENS_A_SECOND,
            empty="none",
        ),
        Panel(
            "Usage that is estimated",
            "Attempts whose tokens and cost are estimates, since the upstream gave none.",
            ((rate("pilotfish_usage_estimated_total", SERVICES, "provider, model"), SERVICE),),
            "reqps",
        ),
        Panel(
            "Dropped fields",
            "Fields that the service's style could not carry. The first of a kind makes its series and is not seen as an increase.",
            (
                (
                    rate("pilotfish_dropped_fields_total", PODS, "style, field"),
                    "{{style}} {{field}}",
                ),
            ),
            "cps",
            empty="none",
        ),
    ),
)

ROWS = (HEALTH, TRAFFIC, LATENCY, LIMITS, STREAMS, TOKENS)
