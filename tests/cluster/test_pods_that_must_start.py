"""Pods that an API server would refuse, or that would never run, for the sidecar's sake; and what
is made again when somebody deletes it.
"""

from __future__ import annotations

import base64

import pytest

from cluster.release import names, sidecar_of

pytestmark = pytest.mark.timeout(180)


async def limit_range(release, shop, **limits):
    await release.admin.request(
        "POST",
        f"/api/v1/namespaces/{shop}/limitranges",
        body={"metadata": {"name": "small"}, "spec": {"limits": [limits]}},
    )


def app(**resources):
    return {"containers": [{"name": "app", "image": "web:1", "resources": resources}]}


@pytest.fixture
async def shop(release):
    shop = await release.shop()
    await release.install()
    await release.injector()
    return shop


async def test_a_limit_range_for_whole_pods_does_not_refuse_a_pod_for_its_sidecar(release, shop):
    spec = app(limits={"cpu": "500m", "memory": "700Mi"})
    await limit_range(release, shop, type="Pod", max={"cpu": "1", "memory": "1Gi"})
    pod = await release.pod(shop, spec=spec)
    limits = sidecar_of(pod)["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "324Mi"}


async def test_where_it_leaves_no_room_the_pod_runs_without(release, shop):
    spec = app(limits={"cpu": "500m", "memory": "1000Mi"})
    await limit_range(release, shop, type="Pod", max={"memory": "1Gi"})
    assert names(await release.pod(shop, spec=spec)) == ["app"]


async def test_a_pod_may_have_volumes_of_the_sidecars_names(release, shop):
    volumes = [{"name": name, "emptyDir": {}} for name in ("pilotfish-state", "pilotfish-token")]
    pod = await release.pod(shop, spec={"volumes": volumes})
    mounts = {m["mountPath"]: m["name"] for m in sidecar_of(pod)["volumeMounts"]}
    assert mounts["/var/lib/pilotfish"] == "pilotfish-state-2"


async def test_an_opt_out_in_other_words_is_one(release, shop):
    for word, expected in (("false", ["app"]), ("true", ["pilotfish", "app"])):
        metadata = {"labels": {"pilotfish.dev/inject": word}}
        assert names(await release.pod(shop, f"says-{word}", metadata=metadata)) == expected


async def test_what_somebody_deletes_is_made_again(release, shop):
    """The Lease, and the Secret with everything that hangs on it."""
    own = f"/api/v1/namespaces/{release.namespace}/secrets/pf-pilotfish-injector-tls"
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases"
    before = (await release.secret())["ca.crt"]
    await release.admin.request("DELETE", f"{leases}/pf-pilotfish-injector")
    await release.admin.request("DELETE", own)
    holder = await release.eventually(
        f"{leases}/pf-pilotfish-injector", lambda lease: lease["spec"].get("holderIdentity")
    )
    assert holder == "a"
    bundle = await release.eventually(own, lambda s: (s.get("data") or {}).get("ca-bundle.crt"))
    assert base64.b64decode(bundle) != before
    name = f"pf-pilotfish-injector-{release.namespace}"
    await release.eventually(
        f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{name}",
        lambda c: all(w["clientConfig"].get("caBundle") == bundle for w in c["webhooks"]),
    )
    pods = [await release.pod(shop, f"after-{n}", dryRun="All") for n in range(5)]
    assert names(pods[-1]) == ["pilotfish", "app"]


async def test_a_native_sidecar_is_what_the_server_stores(release):
    """A server that does not know the field drops it, and the Pod would wait for ever."""
    if not release.plane.has_native_sidecars:
        pytest.skip("NOT TESTED: this API server is from before native sidecars")
    shop = await release.shop()
    await release.install()
    await release.injector()
    pod = await release.pod(shop)
    (sidecar,) = pod["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"]["path"].startswith("/healthz")


async def test_a_job_gets_a_sidecar_only_where_it_can_end_beside_it(release, shop):
    spec = {"restartPolicy": "Never"}
    pod = await release.pod(shop, "job", spec=spec)
    expected = ["pilotfish", "app"] if release.plane.has_native_sidecars else ["app"]
    assert names(pod) == expected
