"""The chart installed on a real API server, its injector a process on loopback: what an operator
sees from install to uninstall.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import ssl
import subprocess
from pathlib import Path

import pytest

from chart.rendering import CHART, VARIANTS, helms, manifests, template
from cluster.control_plane import free_port
from cluster.processes import run_test_pod
from cluster.release import MUTATING, Release, names, sidecar_of
from pilotfish.kube.client import ApiError

pytestmark = pytest.mark.timeout(240)


def pytest_generate_tests(metafunc):
    if "helm" in metafunc.fixturenames:
        found = helms()
        metafunc.parametrize(
            "helm", found or [""], ids=[path.split("/")[-2] for path in found] or ["none"]
        )


async def test_install_test_upgrade_uninstall(plane, admin, helm, tmp_path):
    if not helm:
        pytest.skip("NOT TESTED: no helm")
    release = Release(plane, admin, helm, tmp_path)
    try:
        await release.install()
        await release.injector()
        # Ready, and not before: `helm install --wait` ends then, and the next Pod shall have its sidecar.
        assert all(w["clientConfig"].get("caBundle") for w in await release.webhooks())
        kubelet = asyncio.create_task(run_test_pod(plane, admin, release.namespace, tmp_path))
        told = await release.helm("test", "pf", "--timeout", "60s")
        assert "Succeeded" in told
        assert "gets the sidecar" in await kubelet
        before = await release.secret()
        await release.helm(
            "upgrade", "pf", str(CHART), values=["injector.replicas=3", "injector.timeoutSeconds=7"]
        )
        assert await release.secret() == before, "an upgrade must not make new certificates"
        name = f"{MUTATING}/pf-pilotfish-injector-{release.namespace}"
        bundle = base64.b64encode(before["ca-bundle.crt"]).decode()
        await release.eventually(
            name,
            lambda c: all(
                w["clientConfig"].get("caBundle") == bundle and w["timeoutSeconds"] == 7
                for w in c["webhooks"]
            ),
        )
    finally:
        await release.close()
    for path in (
        f"{MUTATING}/pf-pilotfish-injector-{release.namespace}",
        f"/api/v1/namespaces/{release.namespace}/secrets/pf-pilotfish-injector-tls",
    ):
        with pytest.raises(ApiError) as gone:
            await admin.request("GET", path)
        assert gone.value.status == 404


async def test_an_upgrade_from_the_release_before_keeps_rules_certificates_and_pods(release):
    """With the values as they were written for it."""
    before = Path(__file__).parents[1] / "fixtures" / "chart" / "pilotfish-0.1.0.tgz"
    shop = await release.shop()
    values = [
        "injector.replicas=3",
        "rules.enabled=true",
        "rules.files.rules\\.yaml=rules: []",
        f"rules.namespaces={{{shop}}}",
        f"rbac.namespaces={{{shop}}}",
    ]
    await release.install(*values, chart=before)
    await release.injector(f"old-{release.namespace}")
    pod = await release.pod(shop)
    secret = await release.secret()
    rules = f"/api/v1/namespaces/{shop}/configmaps/pilotfish-rules"
    written = await release.admin.request("GET", rules)
    await release.helm("upgrade", "pf", str(CHART), values=values)
    assert await release.secret() == secret
    assert (await release.admin.request("GET", rules))["data"] == written["data"]
    assert await release.admin.request("GET", f"/api/v1/namespaces/{shop}/pods/web") == pod
    (deployment,) = (
        await release.admin.request(
            "GET", f"/apis/apps/v1/namespaces/{release.namespace}/deployments"
        )
    )["items"]
    assert deployment["spec"]["replicas"] == 3
    assert "pilotfish" in names(await release.pod(shop, "after"))


async def test_a_deployments_pods_get_the_sidecar_and_the_rules_they_may_watch(release):
    shop = await release.shop()
    await release.install(f"rbac.namespaces={{{shop}}}")
    await release.injector()
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "web:1"}]},
    }
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    await release.admin.request(
        "POST", f"/apis/apps/v1/namespaces/{shop}/deployments", body=deployment
    )
    (pod,) = await release.eventually(f"/api/v1/namespaces/{shop}/pods", lambda pods: pods["items"])
    assert names(pod) == ["pilotfish", "app"]
    is_native = sidecar_of(pod).get("restartPolicy") == "Always"
    assert is_native is release.plane.has_native_sidecars
    env = {e["name"]: e.get("value") for e in sidecar_of(pod)["env"]}
    assert env["PILOTFISH_CONFIGMAPS"] == "pilotfish-rules"
    app = {e["name"]: e.get("value") for e in pod["spec"]["containers"][-1]["env"]}
    assert app["OPENAI_BASE_URL"] == "http://127.0.0.1:14000/v1"
    mounted = {m["mountPath"] for m in sidecar_of(pod)["volumeMounts"]}
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in mounted


async def test_without_the_right_to_watch_rules_come_by_volume(release):
    shop = await release.shop()
    await release.install()
    await release.injector()
    pod = await release.pod(shop)
    env = {e["name"]: e.get("value") for e in sidecar_of(pod)["env"]}
    assert env["PILOTFISH_CONFIG"] == "/etc/pilotfish/rules/pilotfish-rules"


async def test_bad_rules_are_refused_in_the_words_of_check(release):
    shop = await release.shop()
    await release.install()
    await release.injector()
    maps = f"/api/v1/namespaces/{shop}/configmaps"
    rules = {
        "metadata": {"name": "rules", "labels": {"pilotfish.dev/config": "true"}},
        "data": {"rules.yaml": "rules: [{name: a, weight: 1}]"},
    }
    with pytest.raises(ApiError, match="weight") as refused:
        await release.admin.request("POST", maps, body=rules)
    assert f"configmap:{shop}/rules" in str(refused.value)
    unlabelled = {**rules, "metadata": {"name": "rules"}}
    assert await release.admin.request("POST", maps, body=unlabelled), (
        "what is not labelled is none of our business"
    )


def uninjected(metrics):
    """The number of Pods; None before anyone has counted."""
    found = re.search(r"^pilotfish_uninjected_pods (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else None


@contextlib.asynccontextmanager
async def deaf_server(port):
    """Takes connections and never says a word."""
    taken = []

    async def take(_, writer):
        taken.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in taken:
            writer.transport.abort()


@pytest.mark.parametrize("trouble", ["down", "deaf"])
async def test_an_injector_in_trouble_never_keeps_a_pod_from_starting_and_is_counted(
    release, trouble
):
    """Down: nobody listens. Deaf: a connection is taken and nothing is ever said."""
    shop = await release.shop()
    await release.install("injector.timeoutSeconds=1")
    injector = await release.injector()
    assert "pilotfish" in names(await release.pod(shop, "before"))
    injector.end()
    async with deaf_server(release.port) if trouble == "deaf" else contextlib.nullcontext():
        assert names(await release.pod(shop, "missed")) == ["app"]
    again = await release.injector("again")
    await again.until("/metrics", lambda text: uninjected(text) == 1)
    assert f"{shop}/missed" in again.log.read_text()
    await release.admin.request("DELETE", f"/api/v1/namespaces/{shop}/pods/missed")
    await again.until("/metrics", lambda text: uninjected(text) == 0)


async def test_the_releases_own_namespace_is_left_alone(release):
    await release.install()
    await release.injector()
    await release.eventually(
        f"/api/v1/namespaces/{release.namespace}/serviceaccounts/default", lambda account: account
    )
    body = {
        "metadata": {"name": "own", "labels": {"pilotfish.dev/inject": "enabled"}},
        "spec": {"containers": [{"name": "app", "image": "i"}]},
    }
    pod = await release.admin.request(
        "POST", f"/api/v1/namespaces/{release.namespace}/pods", query=[("dryRun", "All")], body=body
    )
    assert names(pod) == ["app"]


async def test_certificates_rotate_while_a_thousand_admissions_run(release, capsys):
    """failurePolicy Fail: a single handshake that fails would be a Pod that is refused."""
    shop = await release.shop()
    await release.install("injector.failurePolicy=Fail", "injector.timeoutSeconds=10")
    lives = {"AUTHORITY_SECONDS": "15", "CERTIFICATE_SECONDS": "4", "AUTHORITY_SETTLE_SECONDS": "2"}
    await release.injector(**lives)
    first = (await release.secret())["ca.crt"]
    calls, certificates, authorities = 0, set(), {first}
    async with asyncio.timeout(120):
        while calls < 1000 or len(authorities) < 3:
            pods = await asyncio.gather(
                *(release.pod(shop, f"p{n}", dryRun="All") for n in range(10))
            )
            assert all("pilotfish" in names(pod) for pod in pods)
            calls += len(pods)
            if calls % 100 == 0:
                secret = await release.secret()
                certificates.add(secret["tls.crt"])
                authorities.add(secret["ca.crt"])
    with capsys.disabled():
        print(
            f"\n{calls} admissions over {len(certificates)} certificates of {len(authorities)} "
            "authorities, none failed"
        )
    assert len(certificates) > 3


async def test_two_replicas_agree_on_one_authority_and_survive_the_leaders_death(release):
    await release.install()
    lives = {"LEASE_SECONDS": "3", "CERTIFICATE_SECONDS": "20"}
    first = await release.injector("a", **lives)
    second = await release.injector("b", port=free_port(), **lives)
    context = ssl.create_default_context(cadata=(await release.secret())["ca-bundle.crt"].decode())
    seen = {await served(port, context) for port in (first.port, second.port)}
    assert len(seen) == 1
    lease = (
        f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases/pf-pilotfish-injector"
    )
    assert (await release.admin.request("GET", lease))["spec"]["holderIdentity"] == "a"
    first.end(killed=True)
    await release.eventually(lease, lambda found: found["spec"]["holderIdentity"] == "b")
    path = f"/api/v1/namespaces/{release.namespace}/secrets/pf-pilotfish-injector-tls"
    before = base64.b64encode((await release.secret())["tls.crt"]).decode()
    await release.eventually(path, lambda secret: secret["data"]["tls.crt"] != before)
    await served(second.port, context)


async def served(port, context):
    """The certificate shown there, verified."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    seen = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return seen


@pytest.mark.parametrize("variant", VARIANTS, ids=[v.stem for v in VARIANTS])
async def test_every_variant_passes_the_servers_own_dry_run(
    plane, any_helm, kubectl, variant, tmp_path
):
    """As for the server's own version. Kinds of projects that are not installed here are left out:
    cert-manager, the Prometheus operator, the Gateway API.
    """
    version = ".".join(map(str, (*plane.version, 0)))
    text = template(any_helm, variant, "--kube-version", version, "--no-hooks", namespace="default")
    foreign = ("cert-manager.io", "monitoring.coreos.com", "gateway.networking.k8s.io")
    known = [m for m in manifests(text) if not m["apiVersion"].startswith(foreign)]
    for manifest in known:
        if manifest["metadata"].get("namespace"):
            manifest["metadata"]["namespace"] = "default"
    path = tmp_path / "manifests.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": known}))
    command = [
        kubectl,
        "--kubeconfig",
        str(plane.admin_kubeconfig),
        "create",
        "--dry-run=server",
        "--validate=strict" if plane.version >= (1, 25) else "--validate=true",
        "-f",
        str(path),
    ]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
