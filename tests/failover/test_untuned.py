"""Sixteen faults against the rules file that most people write: two services, one behind the other,
and nothing else. In five styles of clients, over services of the same style and of another, streamed
and whole. Every request ends whole, or with one honest error, and within bounds.

Time is virtual. How long each case took is printed, and written into docs/faults.md by

    PYTHONPATH=tests python -m pytest -p fault_table tests/e2e/test_faults.py tests/failover
"""

from __future__ import annotations

import asyncio

import pytest

from failover.clients import Heard
from failover.scenarios import (
    ACCOUNTING,
    FLAPPING,
    RETRIES_S,
    SCENARIOS,
    TICK_S,
    TRIAL_S,
    Scenario,
)
from failover.town import CELLS, CHUNKS, USUAL_S, WHOLE_TEXT, Cell, Town, town
from pilotfish.simulated import Fault
from pilotfish.telemetry import series as s
from virtual_time import in_virtual_time, now, passes

MODES = ("streamed", "whole")
CASES = [(scenario, mode) for scenario in SCENARIOS for mode in MODES]


@pytest.mark.parametrize(
    ("scenario", "mode"), CASES, ids=[f"{scenario.title} ({mode})" for scenario, mode in CASES]
)
@in_virtual_time
async def test_every_client_gets_over_it(scenario, mode, tmp_path, record_property):
    stream = mode == "streamed"
    async with town(tmp_path, first=scenario.first, second=scenario.second) as town_:
        told: dict[Cell, list[Heard]] = {cell: [] for cell in CELLS}
        for n in range(scenario.requests):
            if n:
                await passes(scenario.every_s)
            heard = await asyncio.gather(*(town_.ask(cell, stream=stream) for cell in CELLS))
            for cell, one in zip(CELLS, heard, strict=True):
                told[cell].append(one)
        await town_.settled()
        wrong = [
            f"{cell.name}, request {n + 1}: {problem} ({town_.attempts(cell, n)})"
            for cell in CELLS
            for n, one in enumerate(told[cell])
            for problem in problems(scenario, one, stream=stream)
        ]
        for cell in CELLS:
            records = town_.records(cell)
            assert len(records) == scenario.requests, f"{cell.name}: a line for each request"
            most = max(len(record["attempts"]) for record in records)
            if most > scenario.attempts:
                wrong.append(f"{cell.name}: {most} attempts in one request")
        row = Row(scenario.title, told, {c: town_.attempts(c, 0) for c in CELLS})
    print(row.text(stream=stream))
    record_property("failover", [scenario.title, mode, row.text(stream=stream), row.outcome()])
    assert not wrong, "\n" + "\n".join(wrong)


def problems(scenario: Scenario, heard: Heard, *, stream: bool) -> list[str]:
    """What is not as it should be, in words."""
    found = []
    if scenario.ends == "whole":
        if heard.error:
            found.append(f"error {heard.status} {heard.error!r}")
        if not heard.ended:
            found.append("no proper end")
        if heard.text != WHOLE_TEXT:
            found.append(f"text {heard.text!r}")
        if len(heard.usages) != 1:
            found.append(f"{len(heard.usages)} usages")
    elif bool(heard.error) == heard.ended:
        found.append(f"not one honest end: error {heard.error!r}, ended {heard.ended}")
    if heard.broken_off:
        found.append("the connection broke off")
    words_s = scenario.words_s
    if stream and words_s is not None and heard.contents and heard.contents[0] > words_s:
        found.append(f"first words after {heard.contents[0]:.1f} s, at most {words_s:.1f}")
    at_most = scenario.stream_s if stream else scenario.whole_s
    if at_most is not None and heard.took > at_most:
        found.append(f"took {heard.took:.1f} s, at most {at_most:.1f}")
    return found


class Row:
    """What all clients of a case saw, at worst."""

    def __init__(
        self, title: str, told: dict[Cell, list[Heard]], attempts: dict[Cell, str]
    ) -> None:
        self.title, self._all = title, [one for heard in told.values() for one in heard]
        self._attempts = attempts

    def text(self, *, stream: bool) -> str:
        took = max(one.took for one in self._all)
        if not stream:
            return f"{took:.1f} s"
        words = [one.contents[0] for one in self._all if one.contents]
        return f"{max(words):.1f} s, {took:.1f} s" if words else f"-, {took:.1f} s"

    def outcome(self) -> str:
        """What became of the attempts of first requests, whatever the styles make of it."""
        return "; ".join(sorted(set(self._attempts.values()), key=lambda a: (len(a), a)))


# ---- a service that goes and comes


@pytest.mark.parametrize("mode", MODES)
@in_virtual_time
async def test_a_service_that_flaps_is_felt_by_few_and_never_for_long(
    mode, tmp_path, record_property
):
    """Five minutes at a request a second in every style, the first service down for 15 s of every
    45. A client meets the fault in the first moments of an outage, and is got over it.
    """
    stream, seconds = mode == "streamed", 300
    async with town(tmp_path, gap_s=0.02) as town_:
        flapping = asyncio.create_task(flap(town_, up_s=30.0, down_s=15.0))
        asked: list[asyncio.Task[Heard]] = []
        for _ in range(seconds):
            asked += [asyncio.create_task(town_.ask(cell, stream=stream)) for cell in CELLS]
            await passes(1.0)
        heard = await asyncio.gather(*asked)
        flapping.cancel()
        await town_.settled()
        felt = [one for one in heard if one.took > 0.3 + (CHUNKS - 1) * 0.02 + TICK_S]
        worst = max(one.took for one in heard)
        states = [await town_.state(cell, "first") for cell in CELLS]
    assert [one.error for one in heard if one.error or one.text != WHOLE_TEXT] == []
    assert worst < USUAL_S + RETRIES_S + TICK_S
    # In each of six outages three requests take notice, and then a trial now and then.
    assert len(felt) < 0.12 * len(heard), f"{len(felt)} of {len(heard)} requests felt it"
    assert all(state["until"] is None or state["until"] for state in states)
    share = f"{100 * len(felt) / len(heard):.1f} % of the requests felt it"
    print(f"{share}, at worst {worst:.1f} s")
    record_property("failover", [FLAPPING, mode, f"{worst:.1f} s", share])


async def flap(town_: Town, *, up_s: float, down_s: float) -> None:
    while True:
        await passes(up_s)
        town_.first.on("chat", Fault.status(503))
        town_.first.on("models", Fault.status(503))
        await passes(down_s)
        town_.first.on("chat").always(None)
        town_.first.on("models").always(None)


# ---- accounting


@pytest.mark.parametrize("mode", MODES)
@in_virtual_time
async def test_tokens_are_counted_once_and_alike_by_client_log_and_metrics(
    mode, tmp_path, record_property
):
    """A stream that is cut and continued is one answer with one usage: that of both attempts."""
    stream = mode == "streamed"
    async with town(tmp_path, first="n12-cut66") as town_:
        heard = await asyncio.gather(*(town_.ask(cell, stream=stream) for cell in CELLS))
        await town_.settled()
        wrong = []
        for cell, one in zip(CELLS, heard, strict=True):
            [record] = town_.records(cell)
            counted = tokens_in_metrics(town_, cell)
            logged = (record["input_tokens"], record["output_tokens"])
            if [logged] != one.usages:
                wrong.append(f"{cell.name}: the client got {one.usages}, the log has {logged}")
            if stream and counted[1] != logged[1]:
                wrong.append(f"{cell.name}: the log has {logged}, the metrics {counted}")
            if logged[1] < CHUNKS:
                wrong.append(f"{cell.name}: {logged[1]} output tokens of {CHUNKS}")
        took = max(one.took for one in heard)
    record_property("failover", [ACCOUNTING, mode, f"{took:.1f} s", "one usage"])
    assert not wrong, "\n" + "\n".join(wrong)


def tokens_in_metrics(town_: Town, cell: Cell) -> tuple[int, int]:
    """Input and output tokens that a rule's services counted."""
    family = town_.app.registry[s.TOKENS_TOTAL].children

    def total(kind: str) -> int:
        return int(sum(c.value for at, c in family.items() if (at[0], at[3]) == (cell.name, kind)))

    return total("input"), total("output")


# ---- beside the answers: what the proxy learns


@in_virtual_time
async def test_a_service_that_said_when_to_come_back_is_not_asked_before_and_then_is(tmp_path):
    async with town(tmp_path, first="first-429-ra5") as town_:
        began = now()
        for second in range(8):
            await asyncio.gather(*(town_.ask(cell, stream=False) for cell in CELLS))
            await passes(began + second + 1 + USUAL_S - now())
        await town_.settled()
        for cell in CELLS:
            moments = [seen.when - began for seen in town_.asked(cell, "first")]
            assert moments[0] < 0.1, cell.name
            assert min(moments[1:]) >= 5.0, f"{cell.name} was asked at {moments}"
            assert (await town_.state(cell, "first"))["state"] == "serving", cell.name


@in_virtual_time
async def test_a_service_that_is_slow_is_not_punished_for_being_slow(tmp_path):
    """Its first token takes 20 s: beaten once or twice, it is given more patience."""
    async with town(tmp_path, first="ttft-20s") as town_:
        for _ in range(6):
            await asyncio.gather(*(town_.ask(cell, stream=True) for cell in CELLS))
        await town_.settled()
        for cell in CELLS:
            state = await town_.state(cell, "first")
            assert (state["state"], state["trips"]) == ("serving", 0), cell.name
            served = [town_.attempts(cell, n) for n in range(6)]
            assert served[-1] == "first served", f"{cell.name}: {served}"


@in_virtual_time
async def test_a_service_that_hangs_goes_out_and_comes_back_by_itself(tmp_path):
    """Out after three requests that it was silent for; well again, it serves within a minute."""
    async with town(tmp_path) as town_:
        town_.first.on("chat", Fault.silence())
        for _ in range(4):
            await asyncio.gather(*(town_.ask(cell, stream=True) for cell in CELLS))
        waits = [await town_.ask(cell, stream=True) for cell in CELLS]
        # Out, it is tried again now and then: beside a trial another one is asked after 2 s at most.
        assert max(one.took for one in waits) < USUAL_S + TRIAL_S + TICK_S
        town_.first.on("chat").always(None)
        for _ in range(60):
            await asyncio.gather(*(town_.ask(cell, stream=True) for cell in CELLS))
        await town_.settled()
        for cell in CELLS:
            assert (await town_.state(cell, "first"))["state"] == "serving", cell.name
            assert town_.attempts(cell) == "first served", cell.name
