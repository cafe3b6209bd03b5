"""The upstream side: connections that are kept and reused, and one request at a time on each.

A `Listener` sends a request through a `Pool` and hears: the head, the body as it comes, the end, or
how it was lost.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from pilotfish.http1 import proxies
from pilotfish.http1.origin import (
    Connect,
    Origin,
    is_local,
    reason,
    tls_context,
)
from pilotfish.http1.pending import Listener, PendingRequest
from pilotfish.http1.upstream import Upstream

# Vendors' front ends close idle connections after a minute or so; ours go first, so that a request
# seldom meets a closing one.
IDLE_S = 45.0
MAX_IDLE = 256


class Pool:
    """Connections to one origin; idle ones are used last in, first out. The origin's proxy is used
    if it has one.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        clock: Callable[[], float],
        connect: Connect = proxies.connect,
        max_idle: int = MAX_IDLE,
    ) -> None:
        self.origin = origin
        self.clock = clock
        self.made = 0  # connections ever made, for the test that counts them
        self.open: set[Upstream] = set()
        self.max_idle = max_idle
        self._connect = connect
        self._idle: deque[Upstream] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._context: ssl.SSLContext | None = None
        self._context_lock = asyncio.Lock()
        self.closed = False

    def send(
        self, request: Sequence[bytes], listener: Listener, connect_s: float, *, fresh: bool = False
    ) -> PendingRequest:
        """Sends a request on an idle connection, or on a new one (`fresh`: on a new one in any
        case). The pending cancels it, at any time.
        """
        pending = PendingRequest(request, listener, connect_s)
        idle = self._idle
        while idle and not fresh:
            upstream = idle.pop()
            if not upstream.closed:
                upstream.begin(pending, reused=True)
                return pending
        self._make(pending)
        return pending

    def _make(self, pending: PendingRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._open(pending))
        pending.task = task
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, pending: PendingRequest) -> None:
        where = f"{self.origin.host}:{self.origin.port}"
        try:
            async with asyncio.timeout(pending.connect_s):
                context = await self._tls()
                _, upstream = await self._connect(self._upstream, self.origin, context)
        except TimeoutError as e:
            if e.args:  # the system's own, which is earlier than ours
                pending.lost("connect", f"cannot connect to {where}: {reason(e)}")
            else:
                pending.lost(
                    "connect_timeout", f"no connection to {where} within {pending.connect_s:g} s"
                )
            return
        except (OSError, ValueError) as e:
            pending.lost(
                "local" if is_local(e) else "connect", f"cannot connect to {where}: {reason(e)}"
            )
            return
        except Exception:
            pending.lost(
                "connect", f"cannot connect to {where}: an error inside the proxy; its log has more"
            )
            raise  # the loop logs it
        pending.task = None
        self.made += 1
        if upstream.closed:
            pending.lost("reset", f"{where} closed the connection at once")
        elif pending.cancelled:
            upstream.release()
        else:
            upstream.begin(pending, reused=False)

    def _upstream(self) -> asyncio.Protocol:
        return cast(asyncio.Protocol, Upstream(self))  # it has the methods

    async def _tls(self) -> ssl.SSLContext | None:
        if self.origin.scheme != "https":
            return None
        async with self._context_lock:
            if self._context is None:
                # Reading all the system's authorities takes long enough to be felt by every stream
                # that is open.
                self._context = await asyncio.to_thread(tls_context, self.origin.ca_file)
        return self._context

    def opened(self, upstream: Upstream) -> None:
        """A connection was made."""
        self.open.add(upstream)

    def keep(self, upstream: Upstream) -> None:
        """This connection is idle."""
        if self.closed or len(self._idle) >= self.max_idle:
            upstream.close()
        else:
            self._idle.append(upstream)

    def forget(self, upstream: Upstream) -> None:
        """This connection is no more."""
        self.open.discard(upstream)
        if upstream in self._idle:
            self._idle.remove(upstream)

    def sweep(self, now: float) -> None:
        """Called about once a second: closes what has been idle too long (the oldest stand
        first).
        """
        idle = self._idle
        while idle and (idle[0].closed or now - idle[0].idle_since > IDLE_S):
            idle.popleft().close()

    def close(self) -> None:
        """Keeps no connection any more: idle ones close, those in use when their answer is
        complete. Requests under way go on.
        """
        self.closed = True
        while self._idle:
            self._idle.pop().close()
