"""The rules from ConfigMaps: watched, put together, offered to the compiler whole; the last good
ones survive all that may go wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

import structlog

from pilotfish.core.rules.configmap_set import Collected, Offered, Wanted, holds_rules, name_of
from pilotfish.errors import Problem
from pilotfish.kube.client import Kube
from pilotfish.kube.events import EventWriter
from pilotfish.kube.watching import (
    Changed,
    Happening,
    Listed,
    Live,
    Pace,
    Restarted,
    WatchTarget,
    watched,
)
from pilotfish.sources.last_good import LastGood

# `kubectl apply` of several ConfigMaps changes them one after the other: what comes within this
# time is offered once.
SETTLE_S = 0.02
log = structlog.get_logger()

# Compiles the ConfigMaps and puts them into force: no problems. Or changes nothing, and says why
# not.
Offer = Callable[[list[Offered]], Awaitable[list[Problem]]]


class Observer(Protocol):
    """Who wants to know how the watches fare."""

    def restarted(self, reason: str) -> None: ...

    def connected(self, is_connected: bool) -> None: ...


class ConfigMapSource:
    """Watches `wanted` until cancelled. `refuse` hears of problems that are not in a document: a
    ConfigMap that is not there.
    """

    def __init__(
        self,
        kube: Kube,
        wanted: Sequence[Wanted],
        *,
        offer: Offer,
        refuse: Callable[[list[Problem]], None],
        observer: Observer,
        events: EventWriter | None = None,
        last_good: LastGood | None = None,
        pace: Callable[[], Pace] = Pace,
    ) -> None:
        self._kube, self._wanted = kube, list(wanted)
        self._offer, self._refuse, self._observer = offer, refuse, observer
        self._events, self._last_good, self._pace = events, last_good, pace
        self._collected = Collected(self._wanted)
        self._live: set[Wanted] = set()
        self._unreadable: dict[Wanted, str] = {}
        self._offered: list[Offered] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        happenings: asyncio.Queue[tuple[Wanted, Happening]] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            for wanted in self._wanted:
                tasks.create_task(self._follow(wanted, happenings), name=f"watch {wanted}")
            tasks.create_task(self._settle(happenings), name="offer rules")

    async def _follow(
        self, wanted: Wanted, happenings: asyncio.Queue[tuple[Wanted, Happening]]
    ) -> None:
        async with aclosing(watched(self._kube, target_of(wanted), self._pace())) as seen:
            async for happening in seen:
                happenings.put_nowait((wanted, happening))

    async def _settle(self, happenings: asyncio.Queue[tuple[Wanted, Happening]]) -> None:
        try:
            while True:
                self._take(*await happenings.get())
                await asyncio.sleep(SETTLE_S)
                while not happenings.empty():
                    self._take(*happenings.get_nowait())
                await self._put_forward()
        finally:
            telling = list(self._telling)
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)

    def _take(self, wanted: Wanted, happening: Happening) -> None:
        match happening:
            case Listed(objects):
                self._collected.listed(wanted, objects)
                self._unreadable.pop(wanted, None)
            case Changed(kind, item):
                self._collected.changed(wanted, kind, item)
            case Live():
                self._set_live(wanted, True)
            case Restarted(reason, live, message):
                self._observer.restarted(reason)
                if not live:
                    log.warning(
                        "the watch of rules broke off; the rules in force stay",
                        watch=str(wanted),
                        reason=reason,
                        error=message,
                    )
                    self._set_live(wanted, False)
                    self._unreadable[wanted] = message

    def _set_live(self, wanted: Wanted, live: bool) -> None:
        (self._live.add if live else self._live.discard)(wanted)
        self._observer.connected(len(self._live) == len(self._wanted))

    async def _put_forward(self) -> None:
        if not self._collected.is_complete():
            await self._fall_back()
            return
        if missing := self._collected.missing():
            self._offered = None
            self._refuse(missing)
            return
        offered = self._collected.offered()
        if offered == self._offered:
            return  # listed anew, nothing changed
        if self._offered is None and not any(holds_rules(o.configmap) for o in offered):
            await self._begin_with_kept()
        before, self._offered = {o.source for o in self._offered or ()}, offered
        problems = await self._judged(offered)
        if not problems and self._last_good is not None:
            self._last_good.save(offered)
        for offer in offered:
            self._tell(offer, problems, is_new=offer.source not in before)

    async def _judged(self, offered: list[Offered]) -> list[Problem]:
        try:
            return await self._offer(offered)
        except Exception as bug:
            # Of ours, or of what compiles: the next edit must be looked at all the same.
            log.exception(
                "rules could not be judged; the rules in force stay",
                sources=[o.source for o in offered],
            )
            problems = [
                Problem(o.source, "", f"could not be judged: {type(bug).__name__}: {bug}")
                for o in offered
            ]
            self._refuse(problems)
            return problems

    async def _begin_with_kept(self) -> None:
        """The ConfigMaps were emptied while the container was down: what was in force before is put
        into force again, so that they are judged as they would have been without the restart.
        """
        kept = self._last_good.load() if self._last_good is not None else []
        if kept:
            await self._judged(kept)

    async def _fall_back(self) -> None:
        """The API server does not answer at start, or not for all we want: what was good before the
        restart is better than nothing.
        """
        if self._offered is not None or not self._unreadable:
            return
        kept = self._last_good.load() if self._last_good is not None else []
        if not kept:
            self._refuse(
                [
                    Problem(str(wanted), "", f"cannot be read: {why}")
                    for wanted, why in self._unreadable.items()
                ]
            )
            return
        self._offered = kept
        problems = await self._judged(kept)
        log.warning(
            "ConfigMaps cannot be read: the last good rules are in force",
            sources=[o.source for o in kept],
            problems=problems,
        )

    def _tell(self, offer: Offered, problems: list[Problem], *, is_new: bool) -> None:
        """An Event on each ConfigMap that a verdict is about: those with problems in them, or those
        that are new in force.
        """
        own = [p for p in problems if p.source.startswith(name_of(offer.configmap))]
        if self._events is None or not (own if problems else is_new):
            return
        task = asyncio.create_task(
            self._events.tell(offer.configmap, own), name=f"event on {offer.source}"
        )
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def target_of(wanted: Wanted) -> WatchTarget:
    selector = (
        ("fieldSelector", f"metadata.name={wanted.name}")
        if wanted.name
        else ("labelSelector", wanted.selector)
    )
    return WatchTarget(f"/api/v1/namespaces/{wanted.namespace}/configmaps", (selector,))
