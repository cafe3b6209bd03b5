"""Cooldowns in common with other proxies: one hash on the server, which is written only where
something has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from os import urandom
from typing import Any

from pilotfish.core.state.health import Health
from pilotfish.core.state.ledger import Ledger

# A smaller difference in `until` comes of rounding and of the way to the server.
SAME_S = 0.05

# ARGV: a proposed generation, the publisher's name, then for each change: field, ms to wait (0: the
# service is back), and as JSON the reason and whether the vendor named the time (`told`).
# A cooldown is only made longer, or taken back. Returns the generation, and field, ms left, JSON of
# each.
EXCHANGE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + tonumber(t[2]) / 1000
local holds, generation = KEYS[1], KEYS[2]
redis.call('SET', generation, ARGV[1], 'NX')
local news = false
for i = 3, #ARGV, 3 do
  local field, wait = ARGV[i], tonumber(ARGV[i+1])
  if wait <= 0 then
    news = redis.call('HDEL', holds, field) == 1 or news
  else
    local known = redis.call('HGET', holds, field)
    if not known or cjson.decode(known).until_ms < now + wait then
      local hold = cjson.decode(ARGV[i+2])
      hold.until_ms = now + wait
      redis.call('HSET', holds, field, cjson.encode(hold))
      news = true
    end
  end
end
local answer, all = {redis.call('GET', generation)}, redis.call('HGETALL', holds)
for i = 1, #all, 2 do
  local left = cjson.decode(all[i+1]).until_ms - now
  if left <= 0 then redis.call('HDEL', holds, all[i])
  else
    answer[#answer+1] = all[i]
    answer[#answer+1] = tostring(left)
    answer[#answer+1] = all[i+1]
  end
end
if news then redis.call('PUBLISH', KEYS[3], ARGV[2]) end
return answer
"""


class SharedCooldowns:
    """Compares the cooldowns of the ledger with those on the server, in both directions.

    Refused credentials are not shared: another proxy may have a newer key already.
    """

    def __init__(self, redis: Any, ledger: Ledger, prefix: str) -> None:
        self.name = urandom(8).hex().encode()
        self.channel = f"{prefix}holds"
        self._keys = [f"{prefix}holds", f"{prefix}generation", self.channel]
        self._script = redis.register_script(EXCHANGE)
        self._ledger = ledger
        self._generation: bytes | None = None
        # Field -> until when, on this proxy's clock, as last agreed with the server.
        self._agreed: dict[str, float] = {}

    def _healths(self) -> Iterator[tuple[str, Health]]:
        for (provider, model), state in self._ledger.services.items():
            yield f"{provider}/{model}", state.health
            for i, health in enumerate(state.keys):
                yield f"{provider}/{model}#{i}", health

    def _news(self, now: float) -> list[tuple[str, float, Health]]:
        """(field, seconds to wait or 0, health) of each change that is not yet on the server."""
        found = []
        for field, health in self._healths():
            agreed = self._agreed.get(field)
            if not health.out:
                if agreed is not None and agreed > now + SAME_S:
                    found.append((field, 0.0, health))
            elif not health.refused and health.until > max(now, agreed or now) + SAME_S:
                found.append((field, health.until - now, health))
        return found

    def has_news(self, now: float) -> bool:
        return bool(self._news(now))

    async def exchange(self, now: float) -> bool:
        """Sends what has changed here, and applies what has changed there. True if the server is
        another one than before, or has lost its state.
        """
        news = self._news(now)
        arguments: list[Any] = [urandom(8).hex(), self.name]
        for field, wait_s, health in news:
            arguments += (
                field,
                wait_s * 1000,
                json.dumps({"told": health.retry_after_given, "reason": health.reason}),
            )
        answer = await self._script(keys=self._keys, args=arguments)
        for field, wait_s, health in news:
            self._agreed[field] = health.until if wait_s else now
        generation, theirs = answer[0], _cooldowns_in(answer, now)
        is_new: bool = generation != self._generation
        if is_new:
            # The server has lost its state, which does not mean that a service is back: cooldowns
            # of this proxy are sent again.
            self._agreed.clear()
            self._generation = generation
        self._obey(theirs, now)
        return is_new

    def _obey(self, theirs: dict[str, tuple[float, bool, str]], now: float) -> None:
        for field, health in self._healths():
            cooldown, agreed = theirs.get(field), self._agreed.get(field)
            if cooldown is not None:
                until, retry_after_given, reason = cooldown
                if agreed is None or until > agreed + SAME_S:
                    health.force_cooldown(until, reason, now, retry_after_given=retry_after_given)
                self._agreed[field] = max(until, agreed or 0.0)
            elif agreed is not None:
                del self._agreed[field]
                if agreed > now + SAME_S and health.out and abs(health.until - agreed) <= SAME_S:
                    health.come_back(now)  # another proxy found it well, or was reset by hand
        known = {field for field, _ in self._healths()}
        for field in [f for f in self._agreed if f not in known]:
            del self._agreed[field]


def _cooldowns_in(answer: list[bytes], now: float) -> dict[str, tuple[float, bool, str]]:
    """Field -> (until on this proxy's clock, whether the vendor named the time, reason)."""
    found = {}
    for i in range(1, len(answer), 3):
        what = json.loads(answer[i + 2])
        found[answer[i].decode()] = (
            now + float(answer[i + 1]) / 1000,
            bool(what["told"]),
            str(what["reason"]),
        )
    return found
