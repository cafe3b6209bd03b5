"""The story checks what it tells: a demo in which something else happens must not be told as if
nothing had.
"""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from pilotfish.demo.scene import Demo
from pilotfish.demo.story import Story, StoryError, expect
from pilotfish.simulated import Fault


@pytest.fixture
async def told():
    """A demo, and its story as far as it goes: the lines, and what ended it."""
    records = {}

    def keep(lines):
        for line in lines.splitlines():
            record = orjson.loads(line)
            records[record["request_id"]] = record

    async with (
        Demo("127.0.0.1:0", "127.0.0.1:0", keep) as demo,
        aiohttp.ClientSession() as http,
    ):

        async def tell():
            lines = []
            try:
                async for line in Story(demo, records, http).told():
                    lines.append(line)
            except StoryError as error:
                return lines, str(error)
            return lines, ""

        yield demo, tell


async def test_a_vendor_that_never_serves_is_noticed(told):
    demo, tell = told
    demo.vendors["slow"].always(Fault.status(500))
    _, error = await tell()
    assert error.startswith("expected: both have served; found: {'fast/sim-large'}")


async def test_a_proxy_without_anybody_to_serve_is_noticed(told):
    demo, tell = told
    for name in ("fast", "slow"):
        demo.vendors[name].always(Fault.status(500))
    lines, error = await tell()
    assert error.startswith("expected: demo-chat is served")
    assert lines == ["one model, two services in turns"]


async def test_a_limit_that_does_not_come_is_noticed(told):
    demo, tell = told
    demo.vendors["limited"].always(Fault.status(429))
    lines, error = await tell()
    assert error.startswith("expected: limited serves up to its limit, then fast")
    assert lines[-1].startswith("a rate limit: ")


async def test_a_race_that_another_one_wins_is_noticed(told):
    demo, tell = told
    never = asyncio.Event()
    fast = demo.vendors["fast"]
    fast.for_model("sim-large").script(*[Fault()] * 6, Fault.hold(never))
    lines, error = await tell()
    assert error.startswith("expected: fast wins the race")
    assert lines[-1].startswith("a race: ")


async def test_told_to_its_end_it_names_who_served_and_what_was_measured(told):
    _, tell = told
    lines, error = await tell()
    assert error == ""
    text = "\n".join(lines)
    assert "flaky/sim-large: overloaded, then fast/sim-large: served" in text
    assert "limited served 3, fast the next 4" in text
    assert "slow's request was cancelled" in text
    assert "tokens/s" in text.partition("what the proxy has measured")[2]


def test_what_holds_is_expected_in_silence():
    expect(True, "anything", None)
    with pytest.raises(StoryError, match="expected: this; found: 7"):
        expect(False, "this", 7)
