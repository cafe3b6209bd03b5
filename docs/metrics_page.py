"""Writes docs/metrics.md from the catalogue in `src/pilotfish/telemetry/series.py`: `make docs`."""

from __future__ import annotations

from pilotfish.telemetry.series import CATALOGUE, DETAILED, INJECTOR_ONLY, Series

INTRO = """# Metrics

Made from `src/pilotfish/telemetry/series.py` by `make docs`; do not edit.

`GET /metrics` on the admin port answers in Prometheus' text format, and in OpenMetrics where the scraper asks for it. In OpenMetrics the
buckets of `gen_ai_server_request_duration_seconds`, `gen_ai_server_time_to_first_token_seconds` and `pilotfish_request_duration_seconds`
carry exemplars: the trace id of the last request in that bucket, from its `traceparent`. They are kept from the first OpenMetrics scrape on.

Labels hold configured names only, so the number of series follows from the rules file and not from the traffic: a model that no rule
knows is `other`, a request that no rule took has an empty `rule`, a dropped field of no known name is `other`. Series of configured rules and
services exist from the start; those of removed ones go with the reload, all others count on. Beside these, proxy and injector
export what every Python service does: `process_*` (memory, CPU, file descriptors), `python_info` and `python_gc_*`.

The `gen_ai_*` families follow OpenTelemetry's GenAI conventions as Prometheus writes their names. Those of calls (`gen_ai_client_operation_*`,
`gen_ai_client_inference_usage_*`) are the conventions' of 2026 (github.com/open-telemetry/semantic-conventions-genai, read in November 2026): one
measurement for each call to a provider. `gen_ai_client_token_usage` and `gen_ai_server_*` are as Envoy AI Gateway spells the older ones: one for each
request. They stay until 1.0, since dashboards stand on them. `time_per_output_chunk` is not measured: it would cost every chunk.

What the clocks mean: *duration* is from the request read to the last byte written. *Time to first token* is from the serving attempt's request
sent to its first content, tool or reasoning delta; role-only chunks and pings are no content. *Time per output token* is (last content - first
content) / (output tokens - 1). *Overhead* is duration less all waiting for upstreams.

How much is told is `PILOTFISH_METRICS_DETAIL`. `full`: everything here, from the start; this is the default for up to 20 services. `used`, the default for
more: of counters and histograms those that counted something, and gauges of services that were used or are out. `small`: of these
all but {detailed}.

Alerts and recording rules made of these are in `deploy/alerts.yaml` (the chart renders them with objectives of one's own), dashboards in
`charts/pilotfish/dashboards`, and what to do when an alert fires in [the runbooks](runbooks/README.md).
"""


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    text = series.help.replace("|", "\\|")
    if series.buckets:
        text += f" Buckets: {' '.join(f'{bound:g}' for bound in series.buckets)}."
    return f"| `{series.name}` | {series.kind} | {labels} | {text} |"


def page() -> str:
    """docs/metrics.md."""
    detailed = ", ".join(f"`{series.name}`" for series in DETAILED)
    head = "\n| name | type | labels | meaning |\n| --- | --- | --- | --- |\n"
    parts = (
        ("OpenTelemetry's names", [s for s in CATALOGUE if s.name.startswith("gen_ai_")]),
        (
            "The proxy",
            [s for s in CATALOGUE if s.name.startswith("pilotfish_") and s not in INJECTOR_ONLY],
        ),
        ("The injector", list(INJECTOR_ONLY)),
    )
    return INTRO.replace("{detailed}", detailed) + "".join(
        f"\n## {title}\n{head}" + "\n".join(map(_row, series)) + "\n" for title, series in parts
    )


if __name__ == "__main__":
    print(page(), end="")
