"""Pods that run without the sidecar they should have."""

import pytest

from pilotfish.injector.cluster import Cluster
from pilotfish.injector.patch.settings import Sidecar
from pilotfish.injector.watchdog import Watchdog
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.series import INJECTOR_ONLY, UNINJECTED

ENABLED = {"pilotfish.dev/inject": "enabled"}


@pytest.fixture
def watchdog(kube, api):
    api.objects["/api/v1/pods"] = {}
    api.objects["/api/v1/namespaces/shop/pods"] = {}
    registry = Registry(INJECTOR_ONLY)
    cluster = Cluster(kube, lambda: 0.0)
    cluster.namespaces["shop"] = {"metadata": {"name": "shop", "labels": ENABLED}}
    watchdog = Watchdog(kube, cluster, Sidecar(image="i", configmaps=("r",)), registry)
    watchdog.gauge = registry[UNINJECTED].gauge()
    return watchdog


def run_pod(api, name, *, labels=None, phase="Running", containers=("app",), metadata=None, **spec):
    """A Pod of the namespace shop; the fake API has one collection for the namespace and one for
    the cluster.
    """
    path = "/api/v1/pods" if labels else "/api/v1/namespaces/shop/pods"
    content = {
        "spec": {"containers": [{"name": c} for c in containers], **spec},
        "status": {"phase": phase},
    }
    api.put(
        path,
        name,
        metadata={"namespace": "shop", "labels": labels or {}, **(metadata or {})},
        **content,
    )


async def test_only_pods_that_would_get_it_now_are_counted(api, watchdog):
    run_pod(api, "missed")
    run_pod(api, "missed-by-label", labels=ENABLED)
    run_pod(api, "has-it", containers=("pilotfish", "app"))
    run_pod(api, "node-agent", hostNetwork=True)
    run_pod(api, "done", phase="Succeeded")
    run_pod(api, "going", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert await watchdog.look() == 2
    assert watchdog.gauge.value == 2


async def test_the_number_falls_when_pods_are_replaced(api, watchdog):
    run_pod(api, "missed")
    await watchdog.look()
    api.delete("/api/v1/namespaces/shop/pods", "missed")
    assert await watchdog.look() == 0
    assert watchdog.gauge.value == 0


async def test_a_replica_that_does_not_lead_reports_none(api, watchdog):
    run_pod(api, "missed")
    await watchdog.look()
    watchdog.rest()
    assert watchdog.gauge.value == 0
