"""One leader among replicas, by a Lease (coordination.k8s.io/v1).

As client-go does it, no two clocks are compared: a holder is given up when its record has not
changed for the lease's duration by our own clock. Every write carries the version that was read, so
of two that try one gets a conflict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from pilotfish.kube.client import ApiError, Kube, Lost

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    namespace: str
    name: str
    duration_s: float = 15.0
    renew_s: float = 4.0


class Leadership:
    """`is_leading` is true only while nobody else can be: it ends by itself when renewing fails for
    too long.
    """

    def __init__(
        self,
        kube: Kube,
        settings: LeaseSettings,
        identity: str,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._kube, self._settings, self._identity = kube, settings, identity
        self._clock, self._now, self._sleep = clock, now, sleep
        self._renewed_at = -1e9
        self._seen: tuple[str, float] = ("", 0.0)  # the record's version, and when we first saw it

    @property
    def is_leading(self) -> bool:
        return self._clock() < self._renewed_at + self._settings.duration_s * 2 / 3

    async def run(self) -> None:
        """Tries to lead, and renews, until cancelled; then lets go, so that the next one need not
        wait.
        """
        try:
            while True:
                await self.step()
                await self._sleep(self._settings.renew_s)
        finally:
            if self.is_leading:
                self._renewed_at = -1e9
                await asyncio.shield(self._release())

    async def step(self) -> None:
        was_leading = self.is_leading
        began = self._clock()
        try:
            if await self._acquire():
                self._renewed_at = began
        except (ApiError, Lost) as wrong:
            log.warning(
                "the lease could not be read or written",
                lease=self._settings.name,
                error=str(wrong),
            )
        if self.is_leading and not was_leading:
            log.info("leading", lease=self._settings.name, identity=self._identity)

    async def _acquire(self) -> bool:
        try:
            lease = await self._kube.request("GET", self._path)
        except ApiError as wrong:
            if wrong.status != 404:
                raise
            return await self._write(
                "POST",
                {"metadata": {"name": self._settings.name, "namespace": self._settings.namespace}},
                taken=True,
            )
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._is_over(lease):
            return False
        return await self._write("PUT", lease, taken=holder != self._identity)

    def _is_over(self, lease: dict[str, Any]) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if self._seen[0] != version:
            self._seen = (version, self._clock())
            return False
        duration = float(
            (lease.get("spec") or {}).get("leaseDurationSeconds") or self._settings.duration_s
        )
        return self._clock() > self._seen[1] + duration

    async def _write(
        self, method: str, lease: dict[str, Any], *, taken: bool, holder: str | None = None
    ) -> bool:
        """Writes us (or nobody) into the Lease. False where someone else was quicker."""
        stamp = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict(lease.get("spec") or {})
        spec |= {"holderIdentity": self._identity if holder is None else holder, "renewTime": stamp}
        spec["leaseDurationSeconds"] = max(1, round(self._settings.duration_s))
        if taken:
            spec |= {
                "acquireTime": stamp,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1,
            }
        body = {**lease, "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
        path = self._path if method == "PUT" else self._path.rpartition("/")[0]
        try:
            await self._kube.request(method, path, body=body)
        except ApiError as wrong:
            if wrong.status == 409:
                return False
            raise
        return True

    async def _release(self) -> None:
        try:
            lease = await self._kube.request("GET", self._path)
            if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                await self._write("PUT", lease, taken=False, holder="")
        except (ApiError, Lost) as wrong:
            log.info(
                "the lease was not given back; it runs out by itself",
                lease=self._settings.name,
                error=str(wrong),
            )

    @property
    def _path(self) -> str:
        of, name = self._settings.namespace, self._settings.name
        return f"/apis/coordination.k8s.io/v1/namespaces/{of}/leases/{name}"
