"""List, then watch, for ever. One concern per generator, each inside the next:

`watched`               reconnects with backoff and tells when the view is not live
`listed_then_watched`   lists, watches from the list's version on, resumes where a watch ended; too
old (410) ends it `one_watch`             a single request; ends with the server's timeout, raises
when it breaks or stalls
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pilotfish.errors import StartError
from pilotfish.kube.client import ApiError, Kube, Lost

# The server ends a watch after this long (drawn anew each time, so that a fleet does not come back
# as one); load balancers in front of API servers drop idle connections after 5 minutes and more.
WATCH_S = (200.0, 280.0)
# The client gives up a little later, in case the server's end never arrives.
GRACE_S = 10.0
# Bookmarks come about once a minute; two missed ones look like a connection that died without a
# word. Servers that send none cost a resumed watch every so often, no more.
SILENCE_S = 130.0
# A watch that lived this long was a good one, even if nothing happened in it.
HEALTHY_S = 30.0
PAGE = "500"
_OPEN = "OPEN"
RESTART_REASONS = (
    "timeout",
    "expired",
    "stalled",
    "connection",
    "unauthorized",
    "forbidden",
    "error",
)


@dataclass(frozen=True, slots=True)
class WatchTarget:
    """What to watch: a collection's path and a selector, such as
    `fieldSelector=metadata.name=rules`.

    With a field selector on the name, a Role with `resourceNames` is enough to list and watch.
    """

    path: str
    selector: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """The whole collection as it is now; replaces whatever was known."""

    objects: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Changed:
    kind: str  # ADDED, MODIFIED, DELETED
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Restarted:
    """A watch ended. `reason`: one of RESTART_REASONS. `live` False: it will be back
    only after a pause, what is known may be out of date."""

    reason: str
    live: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """The server has accepted the watch: from here on nothing is missed."""


Happening = Listed | Changed | Live | Restarted


@dataclass(slots=True)
class Pace:
    """Pauses between tries: doubling, with full jitter, so that a fleet spreads over the time it
    takes a server to come back.
    """

    base_s: float = 0.2
    max_s: float = 20.0
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    tries: int = field(default=0, init=False)

    def reset(self) -> None:
        self.tries = 0

    async def pause(self) -> None:
        ceiling = min(self.max_s, self.base_s * 2.0**self.tries)
        self.tries += 1
        await self.sleep(ceiling * (0.5 + 0.5 * self.random()))


async def watched(kube: Kube, target: WatchTarget, pace: Pace) -> AsyncGenerator[Happening, None]:
    """Never ends and never raises for what a network or a server may do."""
    relisted = False
    while True:
        try:
            async with aclosing(listed_then_watched(kube, target, pace)) as happenings:
                async for happening in happenings:
                    relisted = relisted and not isinstance(happening, Changed | Restarted)
                    yield happening
        except (ApiError, Lost, StartError) as wrong:
            reason = reason_of(wrong)
            yield Restarted(reason, live=False, message=str(wrong))
            # An expired version is listed anew at once; a server that says so again and again is
            # given time.
            if reason != "expired" or relisted:
                await pace.pause()
            relisted = reason == "expired"


async def listed_then_watched(
    kube: Kube, target: WatchTarget, pace: Pace
) -> AsyncGenerator[Happening, None]:
    objects, since = await listed(kube, target)
    yield Listed(objects)
    while True:
        began = asyncio.get_running_loop().time()
        try:
            async with aclosing(
                one_watch(
                    kube, target, since, WATCH_S[0] + (WATCH_S[1] - WATCH_S[0]) * pace.random()
                )
            ) as events:
                async for kind, item in events:
                    if kind == _OPEN:
                        yield Live()
                        continue
                    pace.reset()
                    since = item["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK":
                        yield Changed(kind, item)
            ended = Restarted("timeout", live=True)
        except (ApiError, Lost) as wrong:
            if isinstance(wrong, ApiError) and wrong.status in (404, 410):
                raise
            ended = Restarted(reason_of(wrong), live=False, message=str(wrong))
        yield ended
        if asyncio.get_running_loop().time() - began > HEALTHY_S:
            pace.reset()
        # Also after a watch that ended in order: a server that ends each at once must not be asked
        # in a tight circle.
        await pace.pause()


async def listed(kube: Kube, target: WatchTarget) -> tuple[list[dict[str, Any]], str]:
    """Every object of the collection, page by page, and the version to watch from."""
    objects: list[dict[str, Any]] = []
    page = ""
    while True:
        query = [*target.selector, ("limit", PAGE), *([("continue", page)] if page else [])]
        answer = await kube.request("GET", target.path, query=query)
        objects += answer.get("items") or []
        page = answer["metadata"].get("continue") or ""
        if not page:
            return objects, str(answer["metadata"].get("resourceVersion") or "")


async def one_watch(
    kube: Kube, target: WatchTarget, since: str, timeout_s: float
) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    query = [
        *target.selector,
        ("watch", "true"),
        ("allowWatchBookmarks", "true"),
        ("resourceVersion", since),
        ("timeoutSeconds", str(int(timeout_s))),
    ]
    async with aclosing(
        kube.lines(target.path, query=query, total_s=timeout_s + GRACE_S, silence_s=SILENCE_S)
    ) as lines:
        async for line in lines:
            if not line:
                yield _OPEN, {}
                continue
            try:
                event = json.loads(line)
                kind, item = event["type"], event["object"]
            except (ValueError, KeyError, TypeError) as wrong:
                raise Lost(
                    "error", f"{target.path}: an event that is not readable: {wrong}"
                ) from wrong
            if kind == "ERROR":
                raise ApiError(
                    int(item.get("code") or 500),
                    str(item.get("message") or item.get("reason") or ""),
                    target.path,
                )
            yield kind, item


def reason_of(wrong: Exception) -> str:
    """A label value for what went wrong."""
    if isinstance(wrong, Lost):
        return wrong.reason
    if isinstance(wrong, ApiError):
        return {401: "unauthorized", 403: "forbidden", 410: "expired"}.get(wrong.status, "error")
    return "error"
