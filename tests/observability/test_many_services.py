"""A scrape of 50 services: so much work and no more, whatever the traffic, and requests pass in
between.
"""

import asyncio
import sys

import orjson
import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor
from pilotfish.telemetry.exposition import CELLS_A_PIECE, exposition
from pilotfish.telemetry.series import CATALOGUE

# One rule with one service: its counters, and a histogram for each thing that is measured.
LINES_A_SERVICE = 300
LINES_A_CELL = max(len(series.buckets) for series in CATALOGUE) + 3


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


def lines(proxy):
    return sum(piece.count("\n") for piece in exposition(proxy.app.registry))


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, rules(vendor, 50)) as proxy:
        yield proxy


async def test_its_length_follows_from_the_services(tmp_path, vendor, proxy):
    (tmp_path / "few").mkdir()
    async with proxied(tmp_path / "few", rules(vendor, 10)) as few:
        assert lines(proxy) - lines(few) <= 40 * LINES_A_SERVICE


async def test_traffic_adds_nothing_to_it(proxy):
    for n in range(50):
        assert (await proxy.chat(f"model-{n}", stream=True)).status == 200
    before = lines(proxy)
    await asyncio.gather(*(proxy.chat(f"model-{n % 50}", stream=True) for n in range(150)))
    assert lines(proxy) == before


async def test_a_sample_takes_a_handful_of_calls(proxy):
    """Work is counted, not timed. The exposition of the client library takes more than ten times as
    many for a histogram.
    """
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        written = "".join(exposition(proxy.app.registry))
    finally:
        sys.setprofile(None)
    assert calls < 6 * written.count("\n")


async def test_no_piece_of_it_is_long(proxy):
    pieces = list(exposition(proxy.app.registry))
    assert max(piece.count("\n") for piece in pieces) <= CELLS_A_PIECE * LINES_A_CELL + 2


async def test_requests_are_served_between_its_pieces(proxy):
    """The event loop turns at least once for each piece."""
    turns, loop = 0, asyncio.get_running_loop()

    def turn():
        nonlocal turns, again
        turns += 1
        again = loop.call_soon(turn)

    again = loop.call_soon(turn)
    try:
        answer = await proxy.admin("/metrics")
    finally:
        again.cancel()
    assert answer.status == 200
    assert turns > len(list(exposition(proxy.app.registry))) > 50
