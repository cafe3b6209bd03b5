"""Where the settings say that rules come from: files, or ConfigMaps of a cluster."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import Protocol

import structlog

from pilotfish.errors import StartError
from pilotfish.settings import Settings
from pilotfish.sources.files import (
    Fingerprint,
    fingerprint,
    load_files,
    size_of,
    watch_files,
)
from pilotfish.sources.judging import LARGE_BYTES
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry.registry import Registry

log = structlog.get_logger(__name__)


class RulesSource(Protocol):
    """`read` offers the rules as they are now, where that can be done at once; `follow` offers them
    whenever they change, until it is cancelled.
    """

    name: str

    async def read(self) -> None: ...
    async def follow(self) -> None: ...


class RuleFiles:
    name = "files"

    def __init__(self, paths: tuple[str, ...], store: RulesStore) -> None:
        self._paths, self._store = paths, store
        self._seen: Fingerprint | None = None
        self._loading = asyncio.Lock()

    async def read(self) -> None:
        seen = fingerprint(self._paths)
        self._seen = seen if await self._load(seen) else None

    async def follow(self) -> None:
        await watch_files(self._paths, self._load, self._seen)

    async def _load(self, seen: Fingerprint) -> bool:
        store = self._store
        async with self._loading:
            if size_of(seen) >= LARGE_BYTES:
                from pilotfish.sources import apart

                try:
                    return await apart.load_files(self._paths, store)
                except OSError as e:
                    log.warning("no_process_for_large_rules", error=str(e))
            return load_files(self._paths, store.apply, store.reject, store.connected)


class RulesOfCluster:
    name = "configmaps"

    def __init__(self, settings: Settings, store: RulesStore, registry: Registry) -> None:
        self._settings, self._store, self._registry = settings, store, registry

    async def read(self) -> None:
        """Nothing is at hand before the cluster has answered. The Kubernetes client is imported,
        which only those pay for whose rules come from there, and which takes a seventh of a second:
        now, while nobody waits.
        """
        import_module("pilotfish.sources.kubernetes")

    async def follow(self) -> None:
        from pilotfish.sources.kubernetes import RulesFromCluster, watch_rules

        s = self._settings
        asked = RulesFromCluster(
            s.configmaps, s.configmap_selector, s.namespace, s.kubeconfig, s.state_dir
        )
        await watch_rules(asked, self._store, self._registry)


def source_of_rules(settings: Settings, store: RulesStore, registry: Registry) -> RulesSource:
    """Raises StartError where neither files nor a cluster are in sight."""
    if settings.config:
        return RuleFiles(settings.config, store)
    environ = os.environ
    if not (
        settings.kubeconfig or environ.get("KUBECONFIG") or environ.get("KUBERNETES_SERVICE_HOST")
    ):
        raise StartError(
            "nowhere to read rules from: set PILOTFISH_CONFIG (or --config PATH),"
            " or PILOTFISH_CONFIGMAPS with KUBECONFIG, or run in a cluster"
        )
    return RulesOfCluster(settings, store, registry)
