"""From the proxy's settings to a running source of rules: what `App` starts where rules come from
ConfigMaps.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from pilotfish.core.rules.configmap_set import Offered, size_of, wanted_from
from pilotfish.errors import Problem, RuleError
from pilotfish.kube.client import Kube
from pilotfish.kube.configuration import ClusterAccess, own_namespace
from pilotfish.kube.events import EventWriter
from pilotfish.kube.watching import RESTART_REASONS
from pilotfish.sources.configmaps import ConfigMapSource, Offer
from pilotfish.sources.judging import LARGE_BYTES, read_configmaps
from pilotfish.sources.last_good import LastGood
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry import series
from pilotfish.telemetry.registry import Registry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RulesFromCluster:
    """What the settings say. `namespace` and `kubeconfig` empty: the Pod's own; `state_dir` empty:
    nothing outlives a restart.
    """

    configmaps: Sequence[str]
    selector: str
    namespace: str = ""
    kubeconfig: str = ""
    state_dir: str = ""


async def watch_rules(asked: RulesFromCluster, store: RulesStore, registry: Registry) -> None:
    """Keeps the store's rules as the ConfigMaps are, until cancelled."""
    access = ClusterAccess(kubeconfig=asked.kubeconfig or os.environ.get("KUBECONFIG", ""))
    kube = Kube.at(access)
    source = ConfigMapSource(
        kube,
        wanted_from(asked.configmaps, asked.selector, asked.namespace or own_namespace(access)),
        offer=_offer_to(store),
        refuse=store.reject,
        observer=_Meter(store, registry),
        events=EventWriter(kube, socket.gethostname(), random=random.random),
        last_good=LastGood(Path(asked.state_dir)) if asked.state_dir else None,
    )
    try:
        await source.run()
    finally:
        await kube.close()


def _offer_to(store: RulesStore) -> Offer:
    async def apply(offered: list[Offered]) -> list[Problem]:
        try:
            if sum(map(size_of, offered)) < LARGE_BYTES:
                in_force = store.apply(read_configmaps(offered))
            else:
                in_force = await _apply_large(offered, store)
        except RuleError as wrong:
            store.reject(wrong.problems)
            return wrong.problems
        return [] if in_force else list(store.problems)

    return apply


async def _apply_large(offered: list[Offered], store: RulesStore) -> bool:
    """Raises RuleError."""
    from pilotfish.sources import apart

    try:
        asked = apart.RulesToCompile((), offered, store.allow_inline_secrets)
        return await apart.apply_apart(asked, store)
    except OSError as e:
        log.warning("no_process_for_large_rules", error=str(e))
        return store.apply(read_configmaps(offered))


class _Meter:
    """The watches' metrics."""

    def __init__(self, store: RulesStore, registry: Registry) -> None:
        self._store, self._registry = store, registry
        for reason in RESTART_REASONS:
            registry[series.WATCH_RESTARTS].counter(reason)

    def restarted(self, reason: str) -> None:
        self._registry[series.WATCH_RESTARTS].counter(reason).inc()

    def connected(self, is_connected: bool) -> None:
        self._store.connected(is_connected)
