"""Requests in flight: looked at until none is left, and none may stop the clock of the others."""

from __future__ import annotations

import pytest

from pilotfish.http1.pending import PendingRequest
from pilotfish.proxy.in_flight import FINISH_S, TICK_S, InFlight
from virtual_time import START, in_virtual_time, now, passes

pytestmark = pytest.mark.interpreted


class Request:
    def __init__(self, *, fails: bool = False) -> None:
        self.ticks: list[float] = []
        self.fails = fails
        self.was_ended = False

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        if self.fails:
            raise LookupError("a bug")

    def fail_internal(self) -> None:
        self.was_ended = True


@in_virtual_time
async def test_one_that_fails_is_ended_and_the_others_are_looked_at_all_the_same():
    in_flight = InFlight()
    bad, good = Request(fails=True), Request()
    in_flight.add(bad)
    in_flight.add(good)
    await passes(TICK_S)
    assert (bad.was_ended, good.was_ended) == (True, False)
    assert good.ticks == [START + TICK_S]


@in_virtual_time
async def test_each_is_looked_at_twenty_times_a_second_until_it_is_removed():
    in_flight = InFlight()
    request = Request()
    in_flight.add(request)
    await passes(1.01)
    assert len(request.ticks) == 20
    in_flight.remove(request)
    await passes(1)
    assert len(request.ticks) == 20


@in_virtual_time
async def test_the_clock_stands_while_nothing_is_in_flight_and_starts_again():
    in_flight = InFlight()
    first, second = Request(), Request()
    in_flight.add(first)
    in_flight.remove(first)
    await passes(10)
    in_flight.add(second)
    await passes(TICK_S)
    assert (first.ticks, second.ticks) == ([], [now()])


@in_virtual_time
async def test_it_is_idle_when_the_last_one_is_gone():
    in_flight = InFlight()
    first, second = Request(), Request()
    assert in_flight.idle.is_set()
    in_flight.add(first)
    assert not in_flight.idle.is_set()
    in_flight.add(second)
    in_flight.remove(first)
    assert (in_flight.idle.is_set(), len(in_flight), list(in_flight)) == (False, 1, [second])
    in_flight.remove(second)
    in_flight.remove(second)
    assert in_flight.idle.is_set()


class Pending(PendingRequest):
    def __init__(self) -> None:
        super().__init__((), None, 1.0)  # type: ignore[arg-type]


@in_virtual_time
async def test_a_complete_answers_connection_may_end_by_itself_for_two_seconds():
    in_flight = InFlight()
    request, ends, hangs = Request(), Pending(), Pending()
    in_flight.add(request)
    in_flight.drain_upstream(ends, now())
    in_flight.drain_upstream(hangs, now())
    in_flight.remove(request)
    await passes(FINISH_S - 0.1)
    assert (ends.cancelled, hangs.cancelled) == (False, False)
    ends.cancelled = True  # as when its message is over
    await passes(0.2)
    assert hangs.cancelled
