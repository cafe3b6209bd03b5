"""Pods that run without the sidecar they should have."""

import json

import pytest

from pilotfish.injector.cluster import Cluster
from pilotfish.injector.patch.settings import Sidecar
from pilotfish.injector.watchdog import Watchdog
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.series import INJECTOR_ONLY, OUTDATED, UNINJECTED

ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
ENABLED = {"pilotfish.dev/inject": "enabled"}


@pytest.fixture
def watchdog(kube, api):
    api.objects["/api/v1/pods"] = {}
    api.objects["/api/v1/namespaces/shop/pods"] = {}
    registry = Registry(INJECTOR_ONLY)
    cluster = Cluster(kube, lambda: 0.0)
    cluster.namespaces["shop"] = {"metadata": {"name": "shop", "labels": ENABLED}}
    watchdog = Watchdog(kube, cluster, Sidecar(image="i", configmaps=("r",)), registry)
    watchdog.number = lambda series: [c.value for c in registry[series].children.values()]
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
    assert watchdog.number(UNINJECTED) == [2]


async def test_the_number_falls_when_pods_are_replaced(api, watchdog):
    run_pod(api, "missed")
    await watchdog.look()
    api.delete("/api/v1/namespaces/shop/pods", "missed")
    assert await watchdog.look() == 0
    assert watchdog.number(UNINJECTED) == [0]


async def test_a_replica_that_does_not_lead_reports_none(api, watchdog):
    run_pod(api, "missed")
    await watchdog.look()
    watchdog.rest()
    assert watchdog.number(UNINJECTED) == []


async def test_a_number_that_nobody_can_take_back_any_more_goes(api, watchdog):
    """A right that was taken away must not keep an alert firing for ever."""
    run_pod(api, "missed")
    await watchdog.look()
    watchdog.fail("403")
    watchdog.fail("403")
    assert watchdog.number(UNINJECTED) == [1]
    watchdog.fail("403")
    assert watchdog.number(UNINJECTED) == []
    await watchdog.look()
    assert watchdog.number(UNINJECTED) == [1]


async def test_who_may_not_watch_and_has_nothing_to_mount_is_not_missed(api, watchdog):
    """Injection would leave it alone, so no restart could help."""
    api.reply = {ACCESS: {"status": {"allowed": False}}}
    run_pod(api, "elsewhere", metadata={"annotations": {"pilotfish.dev/configmaps": "other/rules"}})
    run_pod(api, "mountable")
    assert await watchdog.look() == 1


@pytest.mark.parametrize(("word", "count"), [("true", 1), ("false", 0), ("disabled", 0)])
async def test_labels_in_other_words_count_as_they_inject(api, watchdog, word, count):
    labels = {"pilotfish.dev/inject": word}
    for path in ("/api/v1/pods", "/api/v1/namespaces/shop/pods"):
        api.put(
            path,
            "web",
            metadata={"namespace": "shop", "labels": labels},
            spec={"containers": [{"name": "app"}]},
        )
    assert await watchdog.look() == count


def status(image="i", version=""):
    text = json.dumps({"image": image, "version": version})
    return {"annotations": {"pilotfish.dev/status": text}}


async def test_sidecars_of_another_image_or_version_are_outdated(api, watchdog):
    both = ("pilotfish", "app")
    run_pod(api, "same", containers=both, metadata=status())
    run_pod(api, "older", containers=both, metadata=status(image="i:0.9"))
    run_pod(api, "older-build", containers=both, metadata=status(version="0.9"))
    own = status(image="mine")
    own["annotations"]["pilotfish.dev/image"] = "mine"
    run_pod(api, "its-own-choice", containers=both, metadata=own)
    run_pod(api, "done", containers=both, metadata=status(image="i:0.9"), phase="Succeeded")
    run_pod(api, "forged", metadata={"annotations": {"pilotfish.dev/status": "{}"}})
    await watchdog.look()
    assert watchdog.number(OUTDATED) == [2]
    api.delete("/api/v1/namespaces/shop/pods", "older")
    await watchdog.look()
    assert watchdog.number(OUTDATED) == [1]
