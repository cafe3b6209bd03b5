"""A scrape of many services: so much work and no more, whatever the traffic, and requests pass in
between.
"""

import asyncio
import gzip
import sys

import orjson
import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor
from pilotfish.telemetry.exposition import SAMPLES_A_PIECE

# One rule with one service: its counters, and a histogram for each thing that is measured.
LINES_A_SERVICE = 340
# Calls for one line of the page, our samples and the client library's encoders together: 80 and 90
# with prometheus-client 0.26, 5 to 6 microseconds. A version that needs much more is worth a look.
CALLS_A_LINE = 110
ACCEPTS = ["text/plain", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"]


def rules(vendor, services):
    made = [
        {
            "name": f"rule-{n}",
            "request_model": f"model-{n}",
            "services": [{"provider": f"vendor-{n % 10}", "model": f"sim-n{n + 1}"}],
        }
        for n in range(services)
    ]
    providers = {
        f"vendor-{n}": {"kind": "openai", "api_base": vendor.base, "no_key_required": True}
        for n in range(10)
    }
    return orjson.dumps({"providers": providers, "rules": made}).decode()


async def lines(proxy, accept=""):
    url = proxy.app.admin_base + "/metrics"
    async with proxy.http.get(url, headers={"accept": accept}) as answer:
        assert answer.status == 200
        return (await answer.read()).count(b"\n")


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, rules(vendor, 50), metrics_detail="full") as proxy:
        yield proxy


async def test_its_length_follows_from_the_services(tmp_path, vendor, proxy):
    (tmp_path / "few").mkdir()
    async with proxied(tmp_path / "few", rules(vendor, 10), metrics_detail="full") as few:
        assert await lines(proxy) - await lines(few) <= 40 * LINES_A_SERVICE


async def test_traffic_adds_nothing_to_it(proxy):
    for n in range(50):
        assert (await proxy.chat(f"model-{n}", stream=True)).status == 200
    before = await lines(proxy)
    await asyncio.gather(*(proxy.chat(f"model-{n % 50}", stream=True) for n in range(150)))
    assert await lines(proxy) == before


@pytest.mark.parametrize("accept", ACCEPTS)
async def test_a_line_takes_so_many_calls_and_no_more(proxy, accept):
    """Work is counted, not timed."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        written = await lines(proxy, accept)
    finally:
        sys.setprofile(None)
    assert calls < CALLS_A_LINE * written


async def test_requests_are_served_between_its_pieces(proxy):
    """The event loop turns at least once for each piece, and no piece is large."""
    turns, loop = 0, asyncio.get_running_loop()

    def turn():
        nonlocal turns, again
        turns += 1
        again = loop.call_soon(turn)

    again = loop.call_soon(turn)
    try:
        written = await lines(proxy)
    finally:
        again.cancel()
    assert turns > written / SAMPLES_A_PIECE > 50


@pytest.mark.parametrize(("detail", "most"), [("small", 100_000), ("", 300_000)])
async def test_a_scrape_of_200_services_is_as_large_as_those_that_were_used(
    tmp_path, vendor, detail, most
):
    """Ten clients, each with a model of its own. In the default, histograms of what was used too."""
    async with proxied(tmp_path, rules(vendor, 200), metrics_detail=detail) as proxy:
        for n in range(10):
            assert (await proxy.chat(f"model-{n}", stream=True)).status == 200
        url = proxy.app.admin_base + "/metrics"
        async with proxy.http.get(url, auto_decompress=False) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            packed = await answer.read()
    assert 10_000 < len(gzip.decompress(packed)) < most
    assert len(packed) < 30_000
