"""The requests in flight: how many there are, who looks at their clocks, and when none is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Protocol

from pilotfish.http1.pending import PendingRequest

TICK_S = 0.05  # how late a deadline of seconds may be noticed
FINISH_S = 2.0  # how long a complete answer's connection may take to end its framing
_clock = time.monotonic


class Ticking(Protocol):
    """A request in flight. `tick` looks at its clocks; `fail_internal` ends it after an error of
    the proxy's own."""

    def tick(self, now: float) -> None: ...
    def fail_internal(self) -> None: ...


class InFlight:
    """`idle` is set while nothing is in flight."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._requests: set[Ticking] = set()
        self._unseen: set[Ticking] = set()
        self._draining: list[tuple[PendingRequest, float]] = []
        self._is_ticking = False

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Ticking]:
        return iter(list(self._requests))

    def add(self, request: Ticking) -> None:
        if not self._requests:
            self.idle.clear()
        self._requests.add(request)
        if not self._is_ticking:
            self._is_ticking = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def watch(self, trial: Ticking) -> None:
        """Looks at the clock of something that no client waits for."""
        self._unseen.add(trial)

    def forget(self, trial: Ticking) -> None:
        self._unseen.discard(trial)

    def remove(self, request: Ticking) -> None:
        self._requests.discard(request)
        if not self._requests:
            self.idle.set()

    def drain_upstream(self, pending: PendingRequest, now: float) -> None:
        """The answer is complete but its last frame is not here: its connection may end it by
        itself, for a moment."""
        self._draining.append((pending, now + FINISH_S))

    def _tick(self) -> None:
        now = _clock()
        for request in (*self._requests, *self._unseen):
            try:
                request.tick(now)
            except Exception:  # one that went wrong must not stop the clock of all others
                request.fail_internal()
        if self._draining:
            for pending, until in self._draining:
                if until <= now:
                    pending.cancel()
            self._draining = [d for d in self._draining if not d[0].cancelled]
        if self._requests or self._unseen or self._draining:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)
        else:
            self._is_ticking = False
