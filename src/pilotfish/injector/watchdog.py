"""Counts Pods that should have the sidecar and have not: made while the injector was down, slow or
not trusted. They run, and nobody would know. Counts those whose sidecar is an older one, too. The
leader looks, only at namespaces and Pods that carry the label.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import structlog

from pilotfish.injector.cluster import Cluster
from pilotfish.injector.patch.annotations import choices_from
from pilotfish.injector.patch.pod import inject
from pilotfish.injector.patch.settings import (
    DISABLED,
    ENABLED,
    LABEL,
    STATUS,
    Injected,
    Sidecar,
)
from pilotfish.kube.client import Kube
from pilotfish.kube.watching import WatchTarget, listed
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.series import OUTDATED, UNINJECTED

# More names would not help who reads the log; the metric has the number.
_NAMED = 10
# What was counted is shown for so many failures in a row; older than that it is a guess.
_FAILURES = 3
log = structlog.get_logger()


class Watchdog:
    def __init__(self, kube: Kube, cluster: Cluster, sidecar: Sidecar, registry: Registry) -> None:
        self._kube, self._cluster, self._sidecar, self._registry = kube, cluster, sidecar, registry
        self._missed: set[str] = set()
        self._outdated: set[str] = set()
        self._failures = 0

    async def look(self) -> int:
        """The number of uninjected Pods. Raises `ApiError` or `Lost`."""
        missed, outdated = set[str](), set[str]()
        async for pod in self._pods():
            name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            if _is_over(pod):
                continue
            if STATUS in (pod["metadata"].get("annotations") or {}):
                if self._is_outdated(pod):
                    outdated.add(name)
            elif await self._should_have(pod):
                missed.add(name)
        self._failures = 0
        self._registry[UNINJECTED].gauge().set(len(missed))
        self._registry[OUTDATED].gauge().set(len(outdated))
        _tell("Pods that should have the sidecar run without it", missed - self._missed)
        _tell("Pods run with an older sidecar until they are restarted", outdated - self._outdated)
        self._missed, self._outdated = missed, outdated
        return len(missed)

    def rest(self) -> None:
        """Another replica looks now: two that report the same Pods would double them."""
        self._forget()
        self._missed, self._outdated = set(), set()

    def fail(self, why: str) -> None:
        """The Pods could not be counted. A number that nobody can take back any more goes."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._forget()
        log.warning("Pods could not be counted", error=why)

    def _forget(self) -> None:
        for series in (UNINJECTED, OUTDATED):
            self._registry[series].keep(lambda labels: False)

    async def _pods(self) -> AsyncIterator[dict[str, Any]]:
        """Each Pod that a label of its own or its namespace's selects, once."""
        selected = sorted(
            name
            for name, item in self._cluster.namespaces.items()
            if _labels(item).get(LABEL) in ENABLED
        )
        targets = [_target("/api/v1/pods", "in", ENABLED)]
        targets += [
            _target(f"/api/v1/namespaces/{name}/pods", "notin", (*ENABLED, *DISABLED))
            for name in selected
        ]
        for target in targets:
            pods, _ = await listed(self._kube, target)
            for pod in pods:
                yield pod

    async def _should_have(self, pod: dict[str, Any]) -> bool:
        """Asked of the very functions that inject: who would get the sidecar now should have it."""
        namespace = pod["metadata"]["namespace"]
        around = replace(
            self._cluster.context(namespace),
            labels=_labels(self._cluster.namespaces.get(namespace) or {}),
        )
        if not isinstance(inject(pod, self._sidecar, around), Injected):
            return False
        rules = await self._cluster.look_at_rules(pod, self._sidecar, around)
        if rules.may_watch is not False:
            return True
        return isinstance(inject(pod, self._sidecar, replace(around, may_watch=False)), Injected)

    def _is_outdated(self, pod: dict[str, Any]) -> bool:
        metadata = pod["metadata"]
        around = self._cluster.context(metadata["namespace"])
        try:
            status = json.loads(metadata["annotations"][STATUS])
            now = choices_from(pod, around.annotations, self._sidecar).sidecar
            return bool((status["image"], status["version"]) != (now.image, now.version))
        except (ValueError, TypeError, KeyError):
            return False  # not written by us


def _target(path: str, operator: str, values: tuple[str, ...]) -> WatchTarget:
    return WatchTarget(path, (("labelSelector", f"{LABEL} {operator} ({','.join(values)})"),))


def _is_over(pod: Mapping[str, Any]) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return bool(pod["metadata"].get("deletionTimestamp")) or phase in ("Succeeded", "Failed")


def _tell(what: str, pods: set[str]) -> None:
    if pods:
        log.warning(what, pods=sorted(pods)[:_NAMED], more=max(0, len(pods) - _NAMED))


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return (item.get("metadata") or {}).get("labels") or {}
