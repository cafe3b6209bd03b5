"""Counts Pods that should have the sidecar and have not: made while the injector was down, slow or
not trusted. They run, and nobody would know. The leader looks, only at namespaces and Pods that
carry the label."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import structlog

from pilotfish.injector.cluster import Cluster
from pilotfish.injector.patch.pod import inject
from pilotfish.injector.patch.settings import LABEL, Injected, Sidecar
from pilotfish.kube.client import Kube
from pilotfish.kube.watching import WatchTarget, listed
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.series import UNINJECTED

# More names would not help who reads the log; the metric has the number.
_NAMED = 10
log = structlog.get_logger()


class Watchdog:
    def __init__(self, kube: Kube, cluster: Cluster, sidecar: Sidecar, registry: Registry) -> None:
        self._kube, self._cluster, self._sidecar, self._registry = kube, cluster, sidecar, registry
        self._known: set[str] = set()

    async def look(self) -> int:
        """The number of uninjected Pods. Raises `ApiError` or `Lost`; the metric then keeps its
        last value.
        """
        missed = {name async for name in self._missed()}
        self._registry[UNINJECTED].gauge().set(len(missed))
        if new := sorted(missed - self._known):
            log.warning(
                "Pods that should have the sidecar run without it",
                pods=new[:_NAMED],
                more=max(0, len(new) - _NAMED),
            )
        self._known = missed
        return len(missed)

    def rest(self) -> None:
        """Another replica looks now: two that report the same Pods would double them."""
        self._registry[UNINJECTED].gauge().set(0)
        self._known = set()

    async def _missed(self) -> AsyncIterator[str]:
        selected = [
            name
            for name, item in self._cluster.namespaces.items()
            if _labels(item).get(LABEL) == "enabled"
        ]
        targets = [WatchTarget("/api/v1/pods", (("labelSelector", f"{LABEL}=enabled"),))]
        targets += [
            WatchTarget(
                f"/api/v1/namespaces/{name}/pods", (("labelSelector", f"{LABEL}!=disabled"),)
            )
            for name in sorted(selected)
        ]
        for target in targets:
            pods, _ = await listed(self._kube, target)
            for pod in pods:
                if self._should_have(pod):
                    yield f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"

    def _should_have(self, pod: dict[str, Any]) -> bool:
        """Asked of the very function that injects: who would get the sidecar now should have it."""
        if pod["metadata"].get("deletionTimestamp") or (pod.get("status") or {}).get("phase") in (
            "Succeeded",
            "Failed",
        ):
            return False
        namespace = pod["metadata"]["namespace"]
        around = replace(
            self._cluster.context(namespace),
            labels=_labels(self._cluster.namespaces.get(namespace) or {}),
        )
        return isinstance(inject(pod, self._sidecar, around), Injected)


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return (item.get("metadata") or {}).get("labels") or {}
