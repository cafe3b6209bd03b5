"""Plays an answer to a connection against the clock, with the faults it was given."""

from __future__ import annotations

import asyncio
import random
import zlib
from dataclasses import dataclass, field

from pilotfish.simulated.behaviour import Fault
from pilotfish.simulated.connection import VendorConnection
from pilotfish.simulated.http import LAST_CHUNK, chunk, response_head
from pilotfish.simulated.wires.wire import Event, Kind


@dataclass(slots=True, kw_only=True)
class Tempo:
    """When content is due, in seconds after the request was read."""

    ttft_s: float
    gap_s: float
    jitter: float
    rng: random.Random

    def due(self, index: int) -> float:
        """Of content event `index`; jitter delays this event only, so that it does not add up."""
        late = self.rng.random() * self.jitter * self.gap_s if self.jitter else 0.0
        return self.ttft_s + index * self.gap_s + late


@dataclass(slots=True, kw_only=True)
class Part:
    """What the wire has ready for a stream's faults."""

    heartbeat: bytes
    malformed: bytes
    error: bytes
    error_first: bytes
    is_text: bool  # whose line ends may be changed


class LeftOff(Exception):
    """The answer was ended by a fault; the connection is closed already."""


class BodyEnded(Exception):
    """The answer is no whole one, but properly ended: the connection goes on."""


@dataclass(slots=True)
class Player:
    """One answer on its way. `sent` counts content events that were written (0 or 1 for whole
    answers).
    """

    connection: VendorConnection
    fault: Fault
    tempo: Tempo
    sent: int = 0
    _malformed_sent: bool = False
    _crlf: bool = False
    _gzip: zlib._Compress | None = field(default=None)

    # Whole answers.

    async def whole(
        self, status: int, headers: list[tuple[str, str]], body: bytes, units: int
    ) -> None:
        """An answer in one piece, due when the last of its `units` content events would be."""
        fault = self.fault
        await self.before_head()
        if fault.silent is not None or fault.heartbeat_s is not None:
            await self._whole_but_silent(status, headers)
        if fault.gate is not None and not fault.gate_percent:
            await fault.gate.wait()
        await self._until(self.tempo.due(max(0, units - 1)))
        if fault.body in ("gzip", "bad_gzip"):
            body = _gzipped(body, broken=fault.body == "bad_gzip")
            headers = [*headers, ("content-encoding", "gzip")]
        length = len(body) + (64 if fault.body == "short_length" else 0)
        await self.head(status, [*headers, ("content-length", str(length))])
        percent = fault.cut_percent if fault.cut is not None else fault.stall_percent
        if percent is not None:
            await self._partly(body[: len(body) * percent // 100])
        if fault.gate is not None and fault.gate_percent:
            held = len(body) * fault.gate_percent // 100
            await self._bytes(body[:held])
            await fault.gate.wait()
            body = body[held:]
        await self._bytes(body)
        self.sent = 1
        if fault.body == "short_length":
            self._leave()

    async def before_head(self) -> None:
        """Faults that come before any byte of the answer."""
        if self.fault.reset_early:
            self.connection.reset()
            raise LeftOff
        if self.fault.silent == "before_head":
            await _forever()
        if self.fault.hang_up_gate is not None:
            await self.fault.hang_up_gate.wait()
            self._leave()

    async def _whole_but_silent(self, status: int, headers: list[tuple[str, str]]) -> None:
        await self.head(status, [*headers, ("transfer-encoding", "chunked")])
        if self.fault.heartbeat_s is None:
            await _forever()
        await self._beat(
            b"\n"
        )  # white space before JSON, as servers send that must keep a long answer's connection open

    async def _partly(self, body: bytes) -> None:
        await self._bytes(body)
        if self.fault.cut is None:
            await _forever()
        if self.fault.cut == "rst":
            self.connection.reset()
            raise LeftOff
        self._leave()

    async def head(self, status: int, headers: list[tuple[str, str]]) -> None:
        """The head at once, or in small pieces over `slow_head_s`."""
        if self.fault.connection == "close":
            headers = [*headers, ("connection", "close")]
        data = response_head(status, headers)
        if self.fault.slow_head_s is None:
            self.connection.write(data)
            return
        start = self._now()
        for i in range(0, len(data), 16):
            await self._until_time(start + self.fault.slow_head_s * min(1.0, (i + 16) / len(data)))
            self.connection.write(data[i : i + 16])

    # Streams.

    async def stream(self, headers: list[tuple[str, str]], events: list[Event], part: Part) -> None:
        """Head and start-up events at once, content when it is due, the rest after it."""
        fault = self.fault
        self._crlf = bool(fault.crlf) and part.is_text
        await self.before_head()
        encoding = [("content-encoding", "gzip")] if fault.body in ("gzip", "bad_gzip") else []
        if encoding:
            self._gzip = zlib.compressobj(wbits=31)
        framing = (
            ("content-length", str(1 << 20))
            if fault.body == "short_length"
            else ("transfer-encoding", "chunked")
        )
        await self.head(200, [*headers, *encoding, framing])
        if fault.silent == "after_head":
            await _forever()
        if fault.heartbeat_s is not None:
            await self._beat(part.heartbeat)
        total = sum(event.kind is Kind.CONTENT for event in events)
        for event in events:
            if event.kind is Kind.DONE and fault.done is not None:
                break
            if event.kind is Kind.CONTENT:
                await self._content(event, total, part)
            else:
                await self._after_content(event, total, part)
        if fault.done == "missing_open":
            await _forever()
        self._end_body()

    async def _content(self, event: Event, total: int, part: Part) -> None:
        if self.sent == 0 and self.fault.silent == "after_start":
            await _forever()
        if self.sent == self._index(self.fault.gate_percent, total) and self.fault.gate is not None:
            await self.fault.gate.wait()
        await self._until(self.tempo.due(self.sent))
        await self._break_here(event.data, total, part)
        await self._event(event.data)
        self.sent += 1

    async def _after_content(self, event: Event, total: int, part: Part) -> None:
        """Start-up events, and those between and after content: breaks at 100 % come before the
        finish.
        """
        if event.kind is not Kind.FRAME and self.sent == total:
            await self._break_here(event.data, total, part)
        await self._event(event.data)

    async def _break_here(self, data: bytes, total: int, part: Part) -> None:
        """The faults that are due after `sent` content events; `data` is the event that would be
        next.
        """
        fault = self.fault
        if fault.error_when is not None and self.sent == (
            0 if fault.error_when == "before" else max(1, self._index(fault.error_percent, total))
        ):
            await self._event(part.error if self.sent else part.error_first)
            self._end_body()
            self._leave()
        if fault.malformed and not self._malformed_sent and self.sent == max(1, total // 2):
            self._malformed_sent = True
            await self._event(part.malformed)
        if fault.body == "bad_chunk" and self.sent == total // 2:
            self.connection.write(b"zz\r\n")
            self._leave()
        if fault.stall_percent is not None and self.sent == self._index(fault.stall_percent, total):
            await _forever()
        if fault.cut is not None and self.sent == self._index(fault.cut_percent, total):
            self._cut(data)

    def _cut(self, data: bytes) -> None:
        if self.fault.cut == "rst":
            self.connection.reset()
            raise LeftOff
        if self.fault.cut == "half":
            self.connection.write(chunk(data)[: len(data) // 2 + 4])
        if self.fault.cut == "clean":
            self._end_body()
            raise BodyEnded
        self._leave()

    def _index(self, percent: int | None, total: int) -> int:
        return total * (percent or 0) // 100

    async def _event(self, data: bytes) -> None:
        if self._crlf:
            data = data.replace(b"\n", b"\r\n")
        if self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
            if self.fault.body == "bad_gzip" and self.sent:
                data = b"\xff" * len(data)
        if self.fault.body != "short_length":
            data = chunk(data)
        await self._bytes(data)

    def _end_body(self) -> None:
        if self.fault.body == "short_length":
            self._leave()
        if self._gzip is not None:
            self.connection.write(chunk(self._gzip.flush()))
        self.connection.write(LAST_CHUNK)

    async def _beat(self, beat: bytes) -> None:
        """Keep-alives for ever, the first at once."""
        start, count = self._now(), 0
        while True:
            await self._event(beat)
            count += 1
            await self._until_time(start + count * (self.fault.heartbeat_s or 1.0))

    # Bytes and time.

    async def _bytes(self, data: bytes) -> None:
        """Written at once, or in pieces of `split` bytes, each handed to the network on its own."""
        step = self.fault.split or len(data) or 1
        for i in range(0, len(data), step):
            self.connection.write(data[i : i + step])
            await self.connection.drained()
            if self.fault.split:
                await asyncio.sleep(0)

    def _leave(self) -> None:
        self.connection.close()
        raise LeftOff

    async def _until(self, due_s: float) -> None:
        await self._until_time(self.connection.read_at + due_s)

    async def _until_time(self, when: float) -> None:
        delay = when - self._now()
        if delay > 0:
            await asyncio.sleep(delay)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _forever() -> None:
    """Until the client leaves, or the server closes: both cancel the task that waits here."""
    await asyncio.get_running_loop().create_future()


def _gzipped(body: bytes, *, broken: bool) -> bytes:
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(body) + packer.flush()
    # The header of the format stays whole, so that decoding begins and fails later.
    return data[:12] + b"\xff" * (len(data) - 12) if broken else data
