"""Limits and cooldowns in common with all other proxies, through Redis or Valkey (REDIS_URL).

Limits: what this proxy may use is granted out of a common sliding minute, in one script call for
all limits that a request may need, or in none where enough is granted already. Cooldowns: every few
milliseconds the ledger is looked through for services that went out or came back; changes go to the
server, which announces them to the other proxies.

No request waits for the server longer than `PATIENCE_S`. While it does not answer, each proxy goes
by its own figures, and reports what it used when the server is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.meter import WINDOW_S, LimitPool, Meter
from pilotfish.errors import StartError
from pilotfish.shared.redis_cooldowns import SharedCooldowns
from pilotfish.shared.redis_holders import SharedHolders

log = structlog.get_logger(__name__)

PATIENCE_S = 0.002
LATE_S = 0.25  # after an answer that did not come in time, requests do not wait, for so long
TICK_S = 0.02  # how often the ledger is looked through, and used limits are reported
PULL_S = 1.0  # how often all cooldowns are read, news or not
# A budget of a day is asked for what others used when nothing was heard of it for so long.
HEAR_S = 5.0
KEEP_GRANTS_S = 1.0  # what was granted and is not used goes back
LISTEN_S = 60.0  # how long one look for messages lasts; it begins anew then
ANSWER_S = 1.0  # a server that is silent for so long is gone
RECONNECT_S = (0.05, 2.0)
PREFIX = "pilotfish:"

# For each key: its window in ms, limit, what was used without a grant (negative: given back), what
# is wanted. Slots as in core.state.limits, on the server's clock. Returns for each: granted, what
# is used in all, ms until the oldest slot leaves.
GRANT = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + tonumber(t[2]) / 1000
local answer = {}
for i, key in ipairs(KEYS) do
  local window, limit = tonumber(ARGV[4*i-3]), tonumber(ARGV[4*i-2])
  local spent, wanted = tonumber(ARGV[4*i-1]), tonumber(ARGV[4*i])
  local width = window / 60
  local slot = math.floor(now / width)
  local used, total, oldest = {}, 0, nil
  local all = redis.call('HGETALL', key)
  for j = 1, #all, 2 do
    local s, n = tonumber(all[j]), tonumber(all[j+1])
    if s < slot - 60 then redis.call('HDEL', key, all[j])
    else used[s] = n; total = total + n end
  end
  for s = slot, slot - 60, -1 do
    if spent < 0 and used[s] and used[s] > 0 then
      local back = math.min(-spent, used[s])
      redis.call('HINCRBYFLOAT', key, s, -back)
      used[s] = used[s] - back; total = total - back; spent = spent + back
    end
    if used[s] and used[s] > 0 then oldest = s end
  end
  local granted = math.min(wanted, math.max(0, limit - total - math.max(0, spent)))
  local more = granted + math.max(0, spent)
  if more > 0 then redis.call('HINCRBYFLOAT', key, slot, more); total = total + more end
  redis.call('PEXPIRE', key, math.ceil(window * 2))
  answer[i] = {tostring(granted), tostring(total), tostring(((oldest or slot) + 61) * width - now)}
end
return answer
"""


class SharedState:
    """`run` keeps the connection; `reserve` is called before a request is planned; everything else
    follows from ledger and budgets.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        budgets: Budgets,
        *,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        try:
            import redis.asyncio as client
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise StartError(
                "PILOTFISH_REDIS_URL needs the package redis: pip install pilotfish[redis]"
            ) from None
        self.address = _address(url)
        options: dict[str, Any] = {
            "socket_timeout": ANSWER_S,
            "socket_connect_timeout": ANSWER_S,
            "retry": Retry(NoBackoff(), 0),
        }
        try:
            self._redis = client.from_url(url, **options)
        except ValueError:  # whose text may quote the password
            raise StartError(f"PILOTFISH_REDIS_URL cannot be read beyond {self.address}") from None
        self._errors: tuple[type[BaseException], ...] = (
            client.RedisError,
            OSError,
            asyncio.TimeoutError,
        )
        self._grant = self._redis.register_script(GRANT)
        self._cooldowns = SharedCooldowns(self._redis, ledger, PREFIX)
        self._held = SharedHolders(self._redis, ledger.holders, PREFIX)
        self._ledger, self._budgets = ledger, budgets
        self._clock, self.patience_s = clock, patience_s
        self._late_until = float("-inf")
        self._pending: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self._news = asyncio.Event()
        self.connected = False
        self.calls = 0  # script calls so far

    # ---- limits

    async def reserve(self, candidates: Sequence[Candidate], tokens: int) -> None:
        """Before a request is planned: gets grants for the limits that these services stand under.
        Returns at once without limits or with enough granted already, and after `patience_s` in any
        case."""
        needs = [need for c in candidates for need in self._budgets.meters_of(c, tokens)]
        if not needs or not self.connected:
            return
        now = self._clock()
        if now < self._late_until:
            return
        short = False
        for meter, need in dict(needs).items():
            pool = self._pool(meter)
            if pool.granted < need:
                pool.wanted += need - pool.granted
                short = True
        if not short:
            return
        done, _ = await asyncio.wait({self._exchange_soon()}, timeout=self.patience_s)
        if not done:
            self._late_until = now + LATE_S
            self._live(float("-inf"))

    # ---- who holds what

    async def find(self, ids: Sequence[str]) -> None:
        """Looks up who holds these, for a tenth of a second at most."""
        if self.connected:
            with contextlib.suppress(*self._errors):
                await self._held.find(ids)

    def _pool(self, meter: Meter) -> LimitPool:
        if meter.pool is None:
            meter.pool = LimitPool()
            meter.pool.spent = meter.used(self._clock())
        return meter.pool

    def _live(self, until: float) -> None:
        for meter in self._budgets.meters().values():
            if meter.pool is not None:
                meter.pool.live_until = until

    def _exchange_soon(self) -> asyncio.Task[None]:
        """One exchange for all grants that are wanted by now: requests of one turn of the loop
        share a call.
        """
        if self._pending is None:
            self._pending = asyncio.get_running_loop().create_task(
                self._exchange(), name="shared limits"
            )
            self._tasks.add(self._pending)
            self._pending.add_done_callback(self._tasks.discard)
        return self._pending

    async def _exchange(self) -> None:
        self._pending = None
        asked = [
            (m, p)
            for m in self._budgets.meters().values()
            if (p := m.pool) is not None and (p.wanted > 0 or p.spent or self._is_stale(m))
        ]
        if not asked:
            return
        arguments: list[float] = []
        for meter, pool in asked:
            arguments += (meter.window_s * 1000, meter.limit, pool.spent, pool.wanted)
        sent = [(pool.spent, pool.wanted) for _, pool in asked]
        for _, pool in asked:
            pool.spent = pool.wanted = 0.0
        self.calls += 1
        try:
            answers = await self._grant(
                keys=[f"{PREFIX}limit:{meter.name}" for meter, _ in asked], args=arguments
            )
        except self._errors as error:
            for (_, pool), (spent, _) in zip(asked, sent, strict=True):
                # to be reported when it is back; in the worst case twice, which is the safe side
                pool.spent += spent
            self._failed = error
            self._live(float("-inf"))
            self._news.set()
            return
        now = self._clock()
        for (meter, pool), (_, wanted), answer in zip(asked, sent, answers, strict=True):
            granted, total, room_ms = (float(x) for x in answer)
            pool.granted += granted
            pool.heard_at = now
            pool.room_at = now + room_ms / 1000 if granted < wanted else now
            pool.others = max(0.0, total - pool.granted - meter.used(now))
        self._late_until = float("-inf")
        if self.connected:
            self._live(float("inf"))

    def _is_stale(self, meter: Meter) -> bool:
        """Whether nothing was heard for long of a budget that nothing is taken from here: others
        may have spent it."""
        pool, long = meter.pool, meter.window_s > WINDOW_S
        return long and pool is not None and self._clock() - pool.heard_at > HEAR_S

    def _give_back(self, now: float) -> None:
        for meter in self._budgets.meters().values():
            pool = meter.pool
            if pool is not None and pool.granted > 0 and now - pool.heard_at > KEEP_GRANTS_S:
                pool.spent -= pool.granted
                pool.granted = 0.0

    # ---- the connection

    async def run(self) -> None:
        """Connects, and connects again, until cancelled."""
        pause = RECONNECT_S[0]
        silent = False
        try:
            while True:
                try:
                    async with self._redis.pubsub() as subscription:
                        await subscription.subscribe(self._cooldowns.channel)
                        await self._pull(self._clock())
                        if silent:
                            log.info("limits and cooldowns are shared again", redis=self.address)
                        self.connected, self._failed = True, None
                        pause, silent = RECONNECT_S[0], False
                        await self._serve(subscription)
                except self._errors as error:
                    if not silent:
                        log.warning(
                            "no answer from redis; limits and cooldowns are this proxy's own",
                            redis=self.address,
                            error=_text(error),
                        )
                    silent = True
                finally:
                    self.connected = False
                    self._live(float("-inf"))
                await asyncio.sleep(pause)
                pause = min(RECONNECT_S[1], pause * 2)
        finally:
            await self._close()

    async def _serve(self, subscription: Any) -> None:
        """Returns when the connection fails."""
        listener = asyncio.get_running_loop().create_task(
            self._listen(subscription), name="shared cooldowns"
        )
        pulled = self._clock()
        for meter in self._budgets.meters().values():
            self._pool(meter).live_until = float("inf")
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._news.wait()
                if self._failed is not None:
                    raise self._failed
                if listener.done():
                    listener.result()
                    raise ConnectionError("the subscription ended")
                now = self._clock()
                if self._news.is_set() or now - pulled > PULL_S or self._cooldowns.has_news(now):
                    self._news.clear()
                    pulled = now
                    await self._pull(now)
                if self._held.has_news:
                    await self._held.send()
                self._give_back(now)
                self._share_new()
                if any(
                    m.pool is not None and (m.pool.spent or m.pool.wanted or self._is_stale(m))
                    for m in self._budgets.meters().values()
                ):
                    await self._exchange_soon()
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def _pull(self, now: float) -> None:
        if await self._cooldowns.exchange(now):
            # It does not know what this proxy used in the last minute.
            for meter in self._budgets.meters().values():
                if meter.pool is not None:
                    meter.pool.granted, meter.pool.spent = 0.0, meter.used(now)

    def _share_new(self) -> None:
        """Shares limits of rules that have come into force since."""
        for meter in self._budgets.meters().values():
            if meter.pool is None:
                self._pool(meter).live_until = float("inf")

    async def _listen(self, subscription: Any) -> None:
        while True:
            message = await subscription.get_message(
                ignore_subscribe_messages=True, timeout=LISTEN_S
            )
            if message is not None and message["data"] != self._cooldowns.name:
                self._news.set()

    async def _close(self) -> None:
        """Gives back what was granted, and disconnects."""
        for meter in self._budgets.meters().values():
            if meter.pool is not None:
                meter.pool.spent -= meter.pool.granted
                meter.pool.granted = 0.0
        if self._failed is None:
            with contextlib.suppress(*self._errors):
                async with asyncio.timeout(ANSWER_S):
                    await self._exchange()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for meter in self._budgets.meters().values():
            meter.pool = None
        await self._redis.aclose()


def _address(url: str) -> str:
    """Host and port of the URL, which may hold a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix", "valkey", "valkeys"):
        raise StartError(
            f"PILOTFISH_REDIS_URL begins with {parts.scheme or 'nothing'!r}, "
            "expected redis://, rediss:// or unix://"
        )
    try:
        return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
    except ValueError:
        raise StartError("PILOTFISH_REDIS_URL has a port that is not a number") from None


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
