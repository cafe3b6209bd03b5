"""A request on its way: it ends once, however many ask for that."""

from __future__ import annotations

import asyncio

import pytest

from http1.parties import REQUEST, Heard
from pilotfish.http1.pending import PendingRequest


class Connection:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def abort(self) -> None:
        self.asked.append("abort")

    def pause(self) -> None:
        self.asked.append("pause")

    def resume(self) -> None:
        self.asked.append("resume")


def made() -> tuple[PendingRequest, Heard, Connection]:
    heard, connection = Heard(), Connection()
    pending = PendingRequest([REQUEST], heard, 5.0)
    pending.upstream = connection
    return pending, heard, connection


async def test_cancelled_it_gives_its_connection_up_once_and_is_heard_of_no_more():
    pending, heard, connection = made()
    pending.cancel()
    pending.cancel()
    pending.lost("cut", "too late")
    assert connection.asked == ["abort"]
    assert heard.log == []


async def test_cancelled_before_it_has_a_connection_it_ends_the_connecting():
    pending, heard, _ = made()
    pending.upstream = None
    pending.task = asyncio.create_task(asyncio.Event().wait())
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending.task
    assert heard.log == []


async def test_lost_it_is_heard_of_once_and_leaves_its_connection_alone():
    pending, heard, connection = made()
    pending.lost("reset", "one")
    pending.lost("cut", "two")
    pending.cancel()
    assert heard.log == [("lost", "reset", "one")]
    assert connection.asked == []


async def test_ended_it_cannot_be_cancelled_or_lost():
    pending, heard, connection = made()
    pending.ended()
    pending.cancel()
    pending.lost("cut", "too late")
    assert heard.log == [("end",)]
    assert connection.asked == []


async def test_a_listener_that_fails_at_the_end_hears_that_the_answer_was_lost():
    pending, heard, _ = made()

    def fails() -> None:
        raise RuntimeError("a bug")

    heard.on_end = fails
    with pytest.raises(RuntimeError):
        pending.ended()
    assert heard.ending == "protocol"


async def test_reading_is_paused_where_there_is_something_to_read():
    pending, _, connection = made()
    pending.pause()
    pending.resume()
    pending.upstream = None
    pending.pause()
    pending.resume()
    assert connection.asked == ["pause", "resume"]
