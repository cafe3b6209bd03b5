"""What a scrape reads, judged by the client library's own parsers."""

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from pilotfish.telemetry import process
from pilotfish.telemetry import series as s
from pilotfish.telemetry.exposition import CHILDREN_A_PIECE, escaped, exposition
from pilotfish.telemetry.registry import Registry


def samples(families):
    return {
        (x.name, tuple(sorted(x.labels.items()))): x for family in families for x in family.samples
    }


def filled():
    registry = Registry()
    registry[s.REQUESTS].counter('a "quoted" rule\\\n', "openai", "200").inc(3)
    registry[s.BUILD_INFO].gauge("1").set(1)
    child = registry[s.OVERHEADS].histogram("true")
    for value in (0.00001, 0.002, 7.0):
        child.observe(value)
    child.observe_traced(0.0021, "ab" * 16, 1000.25)
    return registry


@pytest.mark.parametrize("openmetrics", [False, True])
def test_both_formats_are_read_back_as_they_were_counted(openmetrics):
    read = openmetrics_families if openmetrics else text_string_to_metric_families
    found = samples(read("".join(exposition(filled(), openmetrics=openmetrics))))
    rule = ("code", "200"), ("rule", 'a "quoted" rule\\\n'), ("style", "openai")
    assert found["pilotfish_requests_total", rule].value == 3
    assert found["pilotfish_overhead_seconds_count", (("stream", "true"),)].value == 4
    assert found["pilotfish_overhead_seconds_sum", (("stream", "true"),)].value == pytest.approx(
        7.00411
    )
    assert (
        found["pilotfish_overhead_seconds_bucket", (("le", "0.0025"), ("stream", "true"))].value
        == 3
    )
    assert (
        found["pilotfish_overhead_seconds_bucket", (("le", "+Inf"), ("stream", "true"))].value == 4
    )


def test_only_openmetrics_names_the_trace_of_a_measurement():
    found = samples(openmetrics_families("".join(exposition(filled(), openmetrics=True))))
    exemplar = found[
        "pilotfish_overhead_seconds_bucket", (("le", "0.0025"), ("stream", "true"))
    ].exemplar
    assert (exemplar.labels, exemplar.value, float(exemplar.timestamp)) == (
        {"trace_id": "ab" * 16},
        0.0021,
        1000.25,
    )
    assert "trace_id" not in "".join(exposition(filled()))


def test_a_page_of_many_services_comes_in_pieces_and_no_cell_is_lost_or_twice():
    registry = Registry((s.COST,))
    for n in range(3 * CHILDREN_A_PIECE + 1):
        registry[s.COST].counter("r", "p", str(n))
    pieces = list(exposition(registry))
    assert len(pieces) == 4
    assert len(samples(text_string_to_metric_families("".join(pieces)))) == 3 * CHILDREN_A_PIECE + 1


def test_the_process_is_described_in_both_formats():
    registry = Registry(())
    registry.figures = process.figures
    assert (
        samples(text_string_to_metric_families("".join(exposition(registry))))[
            "process_resident_memory_bytes", ()
        ].value
        > 1e6
    )
    assert (
        samples(openmetrics_families("".join(exposition(registry, openmetrics=True))))[
            "process_cpu_seconds_total", ()
        ].value
        > 0
    )


def test_gauges_that_change_by_themselves_are_worked_out_before_they_are_written():
    registry = Registry((s.BUILD_INFO,))
    registry.before_scrape.append(lambda: registry[s.BUILD_INFO].gauge("x").set(1.0))
    assert "".join(exposition(registry)).endswith('pilotfish_build_info{version="x"} 1.0\n')


def test_a_label_cannot_end_its_own_quotes():
    assert escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
