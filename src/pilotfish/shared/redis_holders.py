"""Who holds what, in common with other proxies: a request that one of them has not seen before goes
to the holder that another one noted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from pilotfish.core.state.holders import Holder, Holders

KEPT_S = 30 * 24 * 3600  # as long as OpenAI keeps responses
FIND_S = 0.1  # how long a request that names something unknown waits for the server
MOST_AT_ONCE = 1000
MOST_WAITING = 10_000  # while the server is away; the oldest go


class SharedHolders:
    """`send` tells the server what is new here, `find` asks it for what is not known here."""

    def __init__(self, redis: Any, holders: Holders, prefix: str) -> None:
        self._redis, self._holders, self._prefix = redis, holders, f"{prefix}held:"
        self._new: deque[tuple[str, Holder]] = deque(maxlen=MOST_WAITING)
        holders.told.append(self._note)

    def _note(self, one: str, holder: Holder) -> None:
        self._new.append((one, holder))

    @property
    def has_news(self) -> bool:
        return bool(self._new)

    async def send(self) -> None:
        """Raises what the client raises; what was not sent is tried again."""
        sent = [self._new.popleft() for _ in range(min(len(self._new), MOST_AT_ONCE))]
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for one, holder in sent:
                    value = msgspec.json.encode((holder.provider, holder.key))
                    pipeline.set(self._prefix + one, value, ex=KEPT_S)
                await pipeline.execute()
        except BaseException:
            self._new.extendleft(reversed(sent))
            raise

    async def find(self, ids: Sequence[str]) -> None:
        """Learns who holds these, as far as the server knows. Raises what the client raises."""
        async with asyncio.timeout(FIND_S):
            values = await self._redis.mget([self._prefix + one for one in ids])
        for one, value in zip(ids, values, strict=True):
            if value is not None:
                provider, key = msgspec.json.decode(value, type=tuple[str, str])
                self._holders.learn(one, Holder(provider, key))
