"""What the injector finds out about the cluster, and what it does where it cannot."""

import asyncio
import contextlib

import pytest

from pilotfish.injector.cluster import Cluster, RulesAccess, knows_native_sidecars
from pilotfish.injector.patch.settings import PodContext, Sidecar
from pilotfish.kube.watching import Pace


@pytest.mark.parametrize(
    ("version", "knows"),
    [
        ("1.28", False),
        ("v1.29.0-eks-1", True),
        ("1.31+", True),
        ("2.0", True),
        ("", False),
        ("unknown", False),
    ],
)
def test_native_sidecars_are_on_since_1_29(version, knows):
    assert knows_native_sidecars(version) is knows


def nodes(*versions):
    return {
        "columnDefinitions": [{"name": "Name"}, {"name": "Version"}],
        "rows": [{"cells": ["n", v]} for v in versions],
    }


@pytest.mark.parametrize(
    ("server", "kubelets", "native"),
    [
        ("29", ["v1.29.1", "v1.30.0"], True),
        ("30", ["v1.30.0", "v1.28.9"], False),
        ("28", ["v1.28.0"], False),
        ("31", [], True),
    ],
)
async def test_one_old_kubelet_is_enough_to_stay_classic(api, kube, server, kubelets, native):
    """Its nodes would run the proxy as an ordinary init container and wait for it to finish."""
    api.objects[""] = {"version": {"metadata": {}, "major": "1", "minor": server}}
    api.objects["/api/v1"] = {"nodes": {"metadata": {}, **nodes(*kubelets)}}
    cluster = Cluster(kube, lambda: 0.0)
    await cluster.look_at_versions()
    assert cluster.has_native_sidecars is native


async def test_nodes_that_may_not_be_read_leave_it_to_the_servers_version(api, kube):
    api.objects[""] = {"version": {"metadata": {}, "major": "1", "minor": "31"}}
    cluster = Cluster(kube, lambda: 0.0)
    await cluster.look_at_versions()
    assert cluster.has_native_sidecars


async def test_an_api_that_is_away_changes_nothing_that_was_known(api, kube):
    cluster = Cluster(kube, lambda: 0.0)
    cluster.has_native_sidecars = True
    api.refusals = [500]
    await cluster.look_at_versions()
    assert cluster.has_native_sidecars


async def at_once(_):
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def following(work):
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_limit_ranges_are_those_of_the_pods_namespace(api, kube):
    api.put(
        "/api/v1/limitranges",
        "small",
        metadata={"namespace": "shop", "managedFields": [{"manager": "kubectl"}]},
        spec={"limits": []},
    )
    cluster = Cluster(kube, lambda: 0.0)
    async with following(cluster.follow_limit_ranges(Pace(sleep=at_once))):
        await api.watching.wait()
        (found,) = cluster.context("shop").limit_ranges
        assert found["metadata"]["name"] == "small"
        assert "managedFields" not in found["metadata"]
        assert cluster.context("other").limit_ranges == []


async def test_namespaces_annotations_are_defaults_for_their_pods(api, kube):
    api.put(
        "/api/v1/namespaces", "shop", metadata={"annotations": {"pilotfish.dev/mode": "classic"}}
    )
    cluster = Cluster(kube, lambda: 0.0)
    async with following(cluster.follow_namespaces(Pace(sleep=at_once))):
        await api.watching.wait()
        assert cluster.context("shop").annotations == {"pilotfish.dev/mode": "classic"}
        assert cluster.context("new").annotations == {}


async def test_no_answer_about_access_in_time_is_no_answer(kube, monkeypatch):
    """The API server waits for us meanwhile."""
    monkeypatch.setattr("pilotfish.injector.cluster._ACCESS_WITHIN_S", 0.0)
    cluster = Cluster(kube, lambda: 0.0)
    sidecar, around = Sidecar(image="i", configmaps=("r",)), PodContext(namespace="shop")
    assert await cluster.look_at_rules({}, sidecar, around) == RulesAccess(None, ())


ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
MAPS = "/api/v1/namespaces/shop/configmaps"
SIDECAR = Sidecar(image="i", configmaps=("rules", "common/base"))
HERE = PodContext(namespace="shop")


async def test_rules_that_are_not_there_are_named(api, kube):
    api.reply = {ACCESS: {"status": {"allowed": True}}}
    api.put(MAPS, "rules")
    found = await Cluster(kube, lambda: 0.0).look_at_rules({}, SIDECAR, HERE)
    assert found == RulesAccess(True, ("common/base",))


async def test_a_configmap_that_is_made_next_is_not_called_missing_for_long(api, kube):
    now = [0.0]
    cluster = Cluster(kube, lambda: now[0])
    sidecar = Sidecar(image="i", configmaps=("rules",), config_source="volume")
    assert (await cluster.look_at_rules({}, sidecar, HERE)).missing == ("shop/rules",)
    api.put(MAPS, "rules")
    now[0] = 6.0
    assert (await cluster.look_at_rules({}, sidecar, HERE)).missing == ()


async def test_what_we_may_not_look_at_is_not_called_missing(api, kube):
    api.refuse_all = 403
    sidecar = Sidecar(image="i", configmaps=("rules",), config_source="volume")
    assert await Cluster(kube, lambda: 0.0).look_at_rules({}, sidecar, HERE) == RulesAccess()


async def test_to_watch_one_must_be_able_to_list_as_well(api, kube):
    """A watch begins with a list: an account that may only watch would never have rules."""
    api.reply = {ACCESS: lambda body: {"status": {"allowed": verb_of(body) == "watch"}}}
    sidecar = Sidecar(image="i", configmaps=("rules",))
    found = await Cluster(kube, lambda: 0.0).look_at_rules({}, sidecar, HERE)
    assert found.may_watch is False
    assert {verb_of(body) for body in api.bodies} == {"list", "watch"}


def verb_of(review):
    return review["spec"]["resourceAttributes"]["verb"]
