"""What a scrape reads, judged by the client library's own parsers."""

import asyncio

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from pilotfish.telemetry import series as s
from pilotfish.telemetry.exposition import OPENMETRICS, SAMPLES_A_PIECE, exposition
from pilotfish.telemetry.registry import Registry

# What Prometheus 3 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
ACCEPTS = ["", "text/plain", "*/*", "text/plain;version=1.0.0", OPENMETRICS, PROMETHEUS]


def samples(body, content_type):
    read = (
        openmetrics_families
        if content_type.startswith(OPENMETRICS)
        else text_string_to_metric_families
    )
    return {
        (x.name, tuple(sorted(x.labels.items()))): x
        for family in read(body.decode())
        for x in family.samples
    }


async def scraped(registry, accept=""):
    return samples(*await exposition(registry, accept=accept))


def filled():
    registry = Registry()
    registry[s.REQUESTS].counter('a "quoted" rule\\\n', "openai", "200").inc(3)
    registry[s.BUILD_INFO].gauge("1").set(1)
    child = registry[s.OVERHEADS].histogram("true")
    for value in (0.00001, 0.002, 7.0):
        child.observe(value)
    child.observe_traced(0.0021, "ab" * 16, 1000.25)
    return registry


@pytest.mark.parametrize("version", ["new", "", "1.x", "-1"])
async def test_a_version_that_is_no_number_is_answered_all_the_same(version):
    found = await scraped(filled(), f"{OPENMETRICS}; version={version}")
    assert found["pilotfish_overhead_seconds_count", (("stream", "true"),)].value == 4


@pytest.mark.parametrize("accept", ACCEPTS)
async def test_every_format_is_read_back_as_it_was_counted(accept):
    found = await scraped(filled(), accept)
    rule = ("code", "200"), ("rule", 'a "quoted" rule\\\n'), ("style", "openai")
    assert found["pilotfish_requests_total", rule].value == 3
    at = ("stream", "true")
    assert found["pilotfish_overhead_seconds_count", (at,)].value == 4
    assert found["pilotfish_overhead_seconds_sum", (at,)].value == pytest.approx(7.00411)
    buckets = {
        le: found["pilotfish_overhead_seconds_bucket", (("le", le), at)].value
        for le in ("5e-05", "0.001", "0.0025", "0.25", "+Inf")
    }
    assert buckets == {"5e-05": 1, "0.001": 1, "0.0025": 3, "0.25": 3, "+Inf": 4}


async def test_only_openmetrics_names_the_trace_of_a_measurement():
    bucket = "pilotfish_overhead_seconds_bucket", (("le", "0.0025"), ("stream", "true"))
    exemplar = (await scraped(filled(), PROMETHEUS))[bucket].exemplar
    assert (exemplar.labels, exemplar.value, float(exemplar.timestamp)) == (
        {"trace_id": "ab" * 16},
        0.0021,
        1000.25,
    )
    assert b"trace_id" not in (await exposition(filled(), accept="text/plain"))[0]


async def test_traces_are_remembered_once_somebody_reads_them():
    registry = Registry()
    await exposition(registry, accept="text/plain")
    assert not registry.exemplars
    await exposition(registry, accept=PROMETHEUS)
    assert registry.exemplars


@pytest.mark.parametrize("accept", ["", PROMETHEUS])
@pytest.mark.parametrize("count", [0, 1, SAMPLES_A_PIECE, 3 * SAMPLES_A_PIECE + 1])
async def test_a_family_of_any_size_has_one_head_and_each_sample_once(accept, count):
    registry = Registry((s.COST,))
    for n in range(count):
        registry[s.COST].counter("r", "p", str(n)).inc(n)
    body, content_type = await exposition(registry, accept=accept)
    found = samples(body, content_type)
    models = [dict(at)["model"] for name, at in found if name == "pilotfish_cost_usd_total"]
    assert sorted(models) == sorted(map(str, range(count)))
    assert body.count(b"# TYPE pilotfish_cost_usd") == 1
    assert body.count(b"# HELP pilotfish_cost_usd") == 1
    assert body.count(b"# EOF") == (1 if accept else 0)


async def test_the_loop_turns_after_so_many_samples():
    """A histogram's child is sixteen samples here: pieces are cut by samples, not by children."""
    registry = Registry((s.GEN_AI_TOKENS,))
    for n in range(100):
        registry[s.GEN_AI_TOKENS].histogram("chat", "p", "m", str(n), "input")
    turns, loop = 0, asyncio.get_running_loop()

    def turn():
        nonlocal turns, again
        turns += 1
        again = loop.call_soon(turn)

    again = loop.call_soon(turn)
    body, _ = await exposition(registry, accept="")
    again.cancel()
    assert turns >= body.count(b"\ngen_ai_client_token_usage") // SAMPLES_A_PIECE


async def test_what_comes_and_goes_during_a_scrape_breaks_none():
    """Rules may change between two pieces."""
    registry = Registry((s.COST, s.GEN_AI_TOKENS))
    cost = registry[s.COST]
    for n in range(4 * SAMPLES_A_PIECE):
        cost.counter("r", "p", str(n))
    scrape = asyncio.create_task(exposition(registry, accept=""))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cost.keep(lambda at: at[2] == "0")
    cost.counter("r", "p", "new")
    registry[s.GEN_AI_TOKENS].histogram("chat", "p", "m", "m", "input").observe(3)
    found = samples(*await scrape)
    assert len([1 for name, _ in found if name == "pilotfish_cost_usd_total"]) == (
        4 * SAMPLES_A_PIECE
    )


async def test_a_histogram_agrees_with_itself_though_it_is_observed_during_the_scrape():
    registry = Registry((s.GEN_AI_TOKENS,))
    children = [
        registry[s.GEN_AI_TOKENS].histogram("chat", "p", "m", str(n), "input") for n in range(40)
    ]
    scrape = asyncio.create_task(exposition(registry, accept=""))
    while not scrape.done():
        for child in children:
            child.observe(3.0)
        await asyncio.sleep(0)
    found = await scrape
    by_model = {}
    for (name, at), sample in samples(*found).items():
        if name.startswith("gen_ai"):
            by_model.setdefault(dict(at)["gen_ai_response_model"], {})[
                name.rpartition("_")[2], dict(at).get("le")
            ] = sample.value
    assert len(by_model) == 40
    for child in by_model.values():
        assert child["count", None] == child["bucket", "+Inf"] == child["sum", None] / 3.0


@pytest.mark.parametrize("accept", ["", PROMETHEUS])
async def test_the_process_the_platform_and_the_collector_are_described(accept):
    found = await scraped(Registry(()), accept)
    assert found["process_resident_memory_bytes", ()].value > 1e6
    assert found["process_cpu_seconds_total", ()].value > 0
    assert found["process_open_fds", ()].value > 2
    assert found["python_gc_collections_total", (("generation", "0"),)].value >= 0
    assert [name for name, _ in found if name == "python_info"]


async def test_gauges_that_change_by_themselves_are_worked_out_before_they_are_written():
    registry = Registry((s.BUILD_INFO,))
    registry.before_scrape.append(lambda: registry[s.BUILD_INFO].gauge("x").set(1.0))
    found = await scraped(registry)
    assert found["pilotfish_build_info", (("version", "x"),)].value == 1.0
