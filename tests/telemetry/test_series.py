"""The catalogue of metrics: everything that dashboards and alerts were promised, under its name and
with its labels.
"""

from __future__ import annotations

import re

import pytest

from pilotfish.telemetry import series
from pilotfish.telemetry.series import CATALOGUE, INJECTOR_ONLY, Series

GEN_AI = "gen_ai_operation_name gen_ai_provider_name gen_ai_request_model gen_ai_response_model"
PROMISED = {
    "gen_ai_client_token_usage": ("histogram", f"{GEN_AI} gen_ai_token_type"),
    "gen_ai_server_request_duration_seconds": ("histogram", f"{GEN_AI} error_type"),
    "gen_ai_server_time_to_first_token_seconds": ("histogram", GEN_AI),
    "gen_ai_server_time_per_output_token_seconds": ("histogram", GEN_AI),
    "gen_ai_client_operation_duration_seconds": ("histogram", f"{GEN_AI} error_type"),
    "gen_ai_client_operation_time_to_first_chunk_seconds": ("histogram", GEN_AI),
    **{
        f"gen_ai_client_inference_usage_{kind}_tokens_total": (
            "counter",
            f"{GEN_AI} gen_ai_token_modality",
        )
        for kind in ("input", "output", "cache_read_input", "cache_write_input", "reasoning_output")
    },
    "pilotfish_output_tokens_per_second": ("histogram", "rule provider model"),
    "pilotfish_time_to_first_byte_seconds": ("histogram", "rule provider model"),
    "pilotfish_requests_total": ("counter", "rule style code"),
    "pilotfish_request_duration_seconds": ("histogram", "rule style stream"),
    "pilotfish_requests_in_flight": ("gauge", "rule"),
    "pilotfish_overhead_seconds": ("histogram", "stream"),
    "pilotfish_attempts_total": ("counter", "rule provider model outcome"),
    "pilotfish_retries_total": ("counter", "rule"),
    "pilotfish_fallbacks_total": ("counter", "rule"),
    "pilotfish_stream_breaks_total": ("counter", "provider model cause"),
    "pilotfish_stream_rescues_total": ("counter", "rule mode result"),
    "pilotfish_races_total": ("counter", "rule provider model result"),
    "pilotfish_hedges_total": ("counter", "rule result"),
    "pilotfish_wasted_tokens_total": ("counter", "rule reason"),
    "pilotfish_service_state": ("gauge", "provider model state"),
    "pilotfish_service_cooldown_seconds": ("gauge", "provider model"),
    "pilotfish_ratelimit_remaining": ("gauge", "provider model kind"),
    "pilotfish_ratelimit_limit": ("gauge", "provider model kind"),
    "pilotfish_tokens_total": ("counter", "rule provider model kind"),
    "pilotfish_usage_estimated_total": ("counter", "rule provider model"),
    "pilotfish_cost_usd_total": ("counter", "rule provider model"),
    "pilotfish_dropped_fields_total": ("counter", "style field"),
    "pilotfish_client_gone_total": ("counter", "rule"),
    "pilotfish_config_reloads_total": ("counter", "result"),
    "pilotfish_config_last_reload_successful": ("gauge", ""),
    "pilotfish_config_last_applied_timestamp_seconds": ("gauge", ""),
    "pilotfish_config_problems": ("gauge", ""),
    "pilotfish_config_source_connected": ("gauge", ""),
    "pilotfish_config_info": ("gauge", "version"),
    "pilotfish_config_entries": ("gauge", "kind"),
    "pilotfish_watch_restarts_total": ("counter", "reason"),
    "pilotfish_event_loop_lag_seconds": ("histogram", ""),
    "pilotfish_build_info": ("gauge", "version"),
    "pilotfish_injections_total": ("counter", "result reason"),
    "pilotfish_webhook_certificate_expiry_timestamp_seconds": ("gauge", ""),
    "pilotfish_uninjected_pods": ("gauge", ""),
    "pilotfish_sidecar_outdated": ("gauge", ""),
}
BY_NAME = {s.name: s for s in CATALOGUE}


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_metric_is_there_with_its_type_and_labels(name: str) -> None:
    kind, labels = PROMISED[name]
    assert (BY_NAME[name].kind, BY_NAME[name].labels) == (kind, tuple(labels.split()))


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda s: s.name)
def test_every_metric_is_one_that_prometheus_takes_and_people_understand(one: Series) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", one.name)
    assert one.name.endswith("_total") == (one.kind == "counter")
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) and label != "le" for label in one.labels)
    assert len(set(one.labels)) == len(one.labels)
    assert one.help.endswith(".")


def test_no_name_is_given_twice_and_none_is_a_histograms_own() -> None:
    names = [s.name for s in CATALOGUE]
    assert len(set(names)) == len(names)
    parts = {
        f"{s.name}{suffix}"
        for s in CATALOGUE
        if s.kind == "histogram"
        for suffix in ("_bucket", "_sum", "_count")
    }
    assert not parts & set(names)


@pytest.mark.parametrize(
    "one", [s for s in CATALOGUE if s.kind == "histogram"], ids=lambda s: s.name
)
def test_a_histogram_has_rising_buckets(one: Series) -> None:
    assert len(one.buckets) > 5
    assert list(one.buckets) == sorted(set(one.buckets))


def test_only_histograms_have_buckets() -> None:
    assert not any(s.buckets for s in CATALOGUE if s.kind != "histogram")


def test_buckets_reach_as_far_as_was_promised() -> None:
    assert series.GEN_AI_FIRST_TOKEN.buckets[-1] == 60
    assert series.GEN_AI_DURATION.buckets[-1] == 655.36
    assert (series.OVERHEADS.buckets[0], series.OVERHEADS.buckets[-1]) == (50e-6, 0.25)
    assert series.OUTPUT_SPEED.buckets == (
        1,
        5,
        10,
        20,
        30,
        40,
        50,
        75,
        100,
        150,
        200,
        300,
        500,
        1000,
    )


def test_what_only_the_injector_exports_is_in_the_catalogue() -> None:
    assert set(INJECTOR_ONLY) <= set(CATALOGUE)
