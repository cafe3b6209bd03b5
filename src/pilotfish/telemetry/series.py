"""The catalogue of metrics: names, types, labels, buckets and what they mean. Records nothing.

`docs/metrics.md` is generated from here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pilotfish.core.model import service as model

DURATION = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    163.84, 327.68, 655.36,
)  # fmt: skip
FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 30.0, 60.0,
)  # fmt: skip
PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS = (
    1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0,
    16777216.0, 67108864.0,
)  # fmt: skip
SPEED = (1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
OVERHEAD = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_GEN_AI = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
)
_SERVICE = ("rule", "provider", "model")


class Series(NamedTuple):
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


GEN_AI_TOKENS = Series(
    "gen_ai_client_token_usage",
    "histogram",
    (*_GEN_AI, "gen_ai_token_type"),
    "Tokens of a request, by type.",
    TOKENS,
)
GEN_AI_DURATION = Series(
    "gen_ai_server_request_duration_seconds",
    "histogram",
    (*_GEN_AI, "error_type"),
    "From the request read to the last byte written; error_type only on failure.",
    DURATION,
)
GEN_AI_FIRST_TOKEN = Series(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    _GEN_AI,
    "From the serving attempt's request sent to its first content, tool or reasoning delta.",
    FIRST_TOKEN,
)
GEN_AI_PER_TOKEN = Series(
    "gen_ai_server_time_per_output_token_seconds",
    "histogram",
    _GEN_AI,
    "(Last content - first content) / (output tokens - 1), for streams of two tokens or more.",
    PER_TOKEN,
)
# The conventions' names since 2026 for a client's calls. The four families above stay as long as
# dashboards stand on them: docs/metrics.md says until when.
CALL_DURATION = Series(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    (*_GEN_AI, "error_type"),
    "A call to a provider, from its request sent to the end of its answer; error_type only on "
    "failure. Calls that lost a race are not in it.",
    DURATION,
)
CALL_FIRST_CHUNK = Series(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    "histogram",
    _GEN_AI,
    "A streamed call, from its request sent to its first content.",
    DURATION[:14],
)
_SPENT = (*_GEN_AI, "gen_ai_token_modality")
SPENT_INPUT = Series(
    "gen_ai_client_inference_usage_input_tokens_total",
    "counter",
    _SPENT,
    "Input tokens of all calls, cached ones included.",
)
SPENT_OUTPUT = Series(
    "gen_ai_client_inference_usage_output_tokens_total",
    "counter",
    _SPENT,
    "Output tokens of all calls, reasoning included.",
)
SPENT_CACHE_READ = Series(
    "gen_ai_client_inference_usage_cache_read_input_tokens_total",
    "counter",
    _SPENT,
    "Part of the input tokens: read from the vendor's prompt cache.",
)
SPENT_CACHE_WRITE = Series(
    "gen_ai_client_inference_usage_cache_write_input_tokens_total",
    "counter",
    _SPENT,
    "Part of the input tokens: written to the vendor's prompt cache.",
)
SPENT_REASONING = Series(
    "gen_ai_client_inference_usage_reasoning_output_tokens_total",
    "counter",
    _SPENT,
    "Part of the output tokens: reasoning.",
)
OUTPUT_SPEED = Series(
    "pilotfish_output_tokens_per_second",
    "histogram",
    _SERVICE,
    "Output tokens / (last content - first content), streams.",
    SPEED,
)
FIRST_BYTE = Series(
    "pilotfish_time_to_first_byte_seconds",
    "histogram",
    _SERVICE,
    "From the serving attempt's request sent to the head of its answer.",
    FIRST_TOKEN,
)
REQUESTS = Series(
    "pilotfish_requests_total",
    "counter",
    ("rule", "style", "code"),
    "Requests answered, by the status the client got.",
)
DURATIONS = Series(
    "pilotfish_request_duration_seconds",
    "histogram",
    ("rule", "style", "stream"),
    "From the request read to the last byte written.",
    DURATION,
)
IN_FLIGHT = Series("pilotfish_requests_in_flight", "gauge", ("rule",), "Requests being served now.")
OVERHEADS = Series(
    "pilotfish_overhead_seconds",
    "histogram",
    ("stream",),
    "Duration less all time spent waiting for upstreams.",
    OVERHEAD,
)
ATTEMPTS = Series(
    "pilotfish_attempts_total",
    "counter",
    (*_SERVICE, "outcome"),
    "Attempts, by what became of them (refused: declined under status 200).",
)
RETRIES = Series(
    "pilotfish_retries_total",
    "counter",
    ("rule",),
    "Attempts at a service that had been asked before for the same request.",
)
FALLBACKS = Series(
    "pilotfish_fallbacks_total",
    "counter",
    ("rule",),
    "Attempts at another service after one had failed.",
)
STREAM_BREAKS = Series(
    "pilotfish_stream_breaks_total",
    "counter",
    ("provider", "model", "cause"),
    "Streams that broke after their first content: broken, stalled, timeout or error_event.",
)
STREAM_RESCUES = Series(
    "pilotfish_stream_rescues_total",
    "counter",
    ("rule", "mode", "result"),
    "Broken streams that another service went on with.",
)
RACES = Series(
    "pilotfish_races_total",
    "counter",
    (*_SERVICE, "result"),
    "Race participants: won, lost or failed.",
)
HEDGES = Series(
    "pilotfish_hedges_total",
    "counter",
    ("rule", "result"),
    "Second attempts because the first was late: won or lost.",
)
RIVALS = Series(
    "pilotfish_rivals_total",
    "counter",
    ("rule", "reason", "result"),
    "Services asked beside a silent attempt (reason silence) or beside a trial: won or lost.",
)
WASTED_TOKENS = Series(
    "pilotfish_wasted_tokens_total",
    "counter",
    ("rule", "reason"),
    "Tokens of attempts whose answer nobody got.",
)
SERVICE_STATE = Series(
    "pilotfish_service_state",
    "gauge",
    ("provider", "model", "state"),
    "1 for the state that the service is in.",
)
SERVICE_COOLDOWN = Series(
    "pilotfish_service_cooldown_seconds",
    "gauge",
    ("provider", "model"),
    "Seconds until a cooling service is due; 0 if it serves.",
)
CREDENTIALS_REFUSED = Series(
    "pilotfish_credentials_refused",
    "gauge",
    ("provider",),
    "Keys or tokens that the provider refused, or that are not paid for, and were not replaced since.",
)
LIMIT_REMAINING = Series(
    "pilotfish_ratelimit_remaining",
    "gauge",
    ("provider", "model", "kind"),
    "What the vendor's headers say is left of a rate limit.",
)
LIMIT = Series(
    "pilotfish_ratelimit_limit",
    "gauge",
    ("provider", "model", "kind"),
    "What the vendor's headers say the rate limit is.",
)
TOKENS_TOTAL = Series(
    "pilotfish_tokens_total",
    "counter",
    (*_SERVICE, "kind"),
    "input: all input tokens; cached_input, cache_write: parts of it; "
    "output: all output tokens; reasoning: part of it.",
)
ESTIMATED = Series(
    "pilotfish_usage_estimated_total",
    "counter",
    _SERVICE,
    "Attempts whose tokens were estimated, since the upstream gave none.",
)
COST = Series(
    "pilotfish_cost_usd_total",
    "counter",
    _SERVICE,
    "US dollars, of services whose price is known: by the rules, or by the vendor's list.",
)
UNPRICED = Series(
    "pilotfish_unpriced_tokens_total",
    "counter",
    ("provider", "model"),
    "Tokens of services whose price nobody knows; they are in no cost.",
)
BUDGET_LIMIT = Series(
    "pilotfish_budget_limit",
    "gauge",
    ("scope", "name", "kind"),
    "What a rule, provider or workload may spend in a day; kind: usd or tokens.",
)
BUDGET_LEFT = Series(
    "pilotfish_budget_remaining",
    "gauge",
    ("scope", "name", "kind"),
    "What is left of it, all proxies together where they share limits.",
)
DROPPED = Series(
    "pilotfish_dropped_fields_total",
    "counter",
    ("style", "field"),
    "Fields that the service's style could not carry.",
)
CLIENT_GONE = Series(
    "pilotfish_client_gone_total",
    "counter",
    ("rule",),
    "Clients that left before their answer was complete.",
)
MALFORMED = Series(
    "pilotfish_malformed_events_total",
    "counter",
    ("provider", "model"),
    "Upstream events left out because they were not readable.",
)
FORCED = Series(
    "pilotfish_forced_total",
    "counter",
    ("rule",),
    "Requests sent to a cooling service because all were out.",
)
PASSTHROUGH = Series(
    "pilotfish_passthrough_requests_total",
    "counter",
    ("provider", "family", "code"),
    "Requests passed on that are not routed by model, by the family of their path (`files`, "
    "`batches`, `responses`, ...) and the status the client got.",
)
RELOADS = Series(
    "pilotfish_config_reloads_total", "counter", ("result",), "Rules read: applied or rejected."
)
RELOAD_OK = Series(
    "pilotfish_config_last_reload_successful", "gauge", (), "1 if the rules read last are in force."
)
RELOAD_AT = Series(
    "pilotfish_config_last_applied_timestamp_seconds",
    "gauge",
    (),
    "When rules last came into force, Unix time.",
)
PROBLEMS = Series("pilotfish_config_problems", "gauge", (), "Problems in the rules read last.")
SOURCE_CONNECTED = Series(
    "pilotfish_config_source_connected",
    "gauge",
    (),
    "1 while the source of the rules can be read or watched.",
)
CONFIG_ENTRIES = Series(
    "pilotfish_config_entries",
    "gauge",
    ("kind",),
    "What the rules in force hold: rule, virtual_model, provider; 0 before the first ones.",
)
CONFIG_INFO = Series(
    "pilotfish_config_info", "gauge", ("version",),
    "1 for the version (hash) of the rules in force.",
)  # fmt: skip
PROVIDER_INFO = Series(
    "pilotfish_provider_info", "gauge", ("provider", "kind", "provider_tag"),
    "1 for each tag of a provider, or one with an empty tag: to join other series by `provider`.",
)  # fmt: skip
WATCH_RESTARTS = Series(
    "pilotfish_watch_restarts_total", "counter", ("reason",),
    "Watches of ConfigMaps that had to begin anew.",
)  # fmt: skip
LOOP_LAG = Series(
    "pilotfish_event_loop_lag_seconds", "histogram", (),
    "How late timers of the event loop run.", LAG,
)  # fmt: skip
BUILD_INFO = Series("pilotfish_build_info", "gauge", ("version",), "1 for the running version.")
INJECTIONS = Series(
    "pilotfish_injections_total",
    "counter",
    ("result", "reason"),
    "Admission reviews, by what was done.",
)
CERTIFICATE_EXPIRY = Series(
    "pilotfish_webhook_certificate_expiry_timestamp_seconds",
    "gauge",
    (),
    "When the webhook's certificate expires, Unix time.",
)
UNINJECTED = Series(
    "pilotfish_uninjected_pods", "gauge", (), "Pods that should have the sidecar and have not."
)
OUTDATED = Series(
    "pilotfish_sidecar_outdated",
    "gauge",
    (),
    "Pods whose sidecar has another image or version than injection would give them now.",
)

# What the injector exports; everything else is the proxy's.
INJECTOR_ONLY = (INJECTIONS, CERTIFICATE_EXPIRY, UNINJECTED, OUTDATED)

# Left out where little is to be told: what others say more shortly, or only histograms can.
DETAILED = (
    GEN_AI_TOKENS, GEN_AI_DURATION, GEN_AI_FIRST_TOKEN, GEN_AI_PER_TOKEN, OUTPUT_SPEED, FIRST_BYTE,
    DURATIONS, OVERHEADS, SPENT_INPUT, SPENT_OUTPUT, SPENT_CACHE_READ, SPENT_CACHE_WRITE,
    SPENT_REASONING,
)  # fmt: skip

# Those that say whose costs they are, where that is known.
OWNED = frozenset({COST, UNPRICED, TOKENS_TOTAL, REQUESTS})

CATALOGUE: tuple[Series, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Series)
)

# A model, or a field, that nobody has named beforehand: whoever makes up names makes no series.
OTHER = OTHER_MODEL = model.OTHER_MODEL

# Why a stream broke, by the code of its failure; any other code came with an error event, in the
# vendor's words.
BREAK_CAUSES = {
    "stream_broken": "broken", "stream_stalled": "stalled", "timeout": "timeout",
    "continuation_diverged": "diverged",
}  # fmt: skip
ERROR_EVENT = "error_event"
