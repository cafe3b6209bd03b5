"""The injector as a whole, against a fake API server: from start to the last call. The cluster
tests do the same against a real one.
"""

import asyncio
import base64
import ssl

import aiohttp
import pytest

from kube.fake_api import END
from pilotfish.injector.app import Injector
from pilotfish.injector.settings import read_settings, read_sidecar
from pilotfish.kube.lease import Leadership

SECRETS = "/api/v1/namespaces/pilotfish/secrets"
WEBHOOKS = [
    f"/apis/admissionregistration.k8s.io/v1/{kind}"
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
]
LEASES = "/apis/coordination.k8s.io/v1/namespaces/pilotfish/leases"


@pytest.fixture
async def injector(api, tmp_path, monkeypatch):
    for path in (SECRETS, LEASES, "/api/v1/namespaces", "/api/v1/limitranges", *WEBHOOKS):
        api.objects[path] = {}
    webhooks = [{"name": "pod.inject.pilotfish.dev", "clientConfig": {}}]
    api.put(WEBHOOKS[0], "pilotfish-injector", webhooks=webhooks)
    given = {
        "INJECTOR_LISTEN": "127.0.0.1:0",
        "ADMIN_LISTEN": "127.0.0.1:0",
        "NAMESPACE": "pilotfish",
        "DRAIN_SECONDS": "0",
    }
    given |= {"CERTIFICATE_NAMES": "127.0.0.1", "SIDECAR_CONFIGMAPS": "rules"}
    monkeypatch.setenv("KUBECONFIG", api.write_kubeconfig(tmp_path))
    for name, value in given.items():
        monkeypatch.setenv(f"PILOTFISH_{name}", value)
    injector = Injector(read_settings(), read_sidecar(), lambda source, configmap: [])
    task = asyncio.create_task(injector.run())
    await injector.ready.wait()
    yield injector
    injector.stop.set()
    api.send(END)
    await task


async def test_it_makes_its_certificate_serves_with_it_and_says_so(api, injector):
    bundle = api.objects[SECRETS]["pilotfish-injector-tls"]["data"]["ca-bundle.crt"]
    context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
    pod = {
        "metadata": {"labels": {"pilotfish.dev/inject": "enabled"}},
        "spec": {"containers": [{"name": "app"}]},
    }
    request = {
        "uid": "1",
        "kind": {"kind": "Pod"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": pod,
    }
    async with aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{injector.ports['admission']}/mutate"
        async with session.post(
            url, json={"apiVersion": "admission.k8s.io/v1", "request": request}, ssl=context
        ) as answer:
            assert "patch" in (await answer.json())["response"]
        admin = f"http://127.0.0.1:{injector.ports['admin']}"
        for path in ("/healthz", "/readyz"):
            async with session.get(admin + path) as answer:
                assert answer.status == 200
        async with session.get(admin + "/metrics") as answer:
            text = await answer.text()
    (counted,) = [
        line
        for line in text.splitlines()
        if line.startswith("pilotfish_injections_total{") and not line.endswith(" 0.0")
    ]
    assert 'result="injected"' in counted
    assert 'reason="classic"' in counted
    assert float(counted.split()[1]) == 1
    assert "pilotfish_webhook_certificate_expiry_timestamp_seconds" in text
    assert "pilotfish_uninjected_pods" in text


async def test_it_is_ready_when_its_webhooks_trust_it_and_not_before(api, injector):
    """`helm install --wait` ends then, and Pods made after it have their sidecar."""
    assert injector.trust.established.is_set()
    assert trusted(api) == bundle(api)


async def test_a_stopping_one_gives_its_lease_back(api, injector):
    assert api.objects[LEASES]["pilotfish-injector"]["spec"]["holderIdentity"]
    injector.stop.set()
    await api.until(
        lambda: api.objects[LEASES]["pilotfish-injector"]["spec"]["holderIdentity"] == ""
    )


def bundle(api):
    return api.objects[SECRETS]["pilotfish-injector-tls"]["data"]["ca-bundle.crt"]


def trusted(api):
    (webhook,) = api.objects[WEBHOOKS[0]]["pilotfish-injector"]["webhooks"]
    return webhook["clientConfig"].get("caBundle")


async def test_a_deleted_secret_is_made_again_and_trusted(api, injector):
    await api.until(lambda: trusted(api) == bundle(api))
    before = bundle(api)
    api.delete(SECRETS, "pilotfish-injector-tls")
    await api.until(lambda: "pilotfish-injector-tls" in api.objects[SECRETS])
    await api.until(lambda: trusted(api) not in (None, before) and trusted(api) == bundle(api))


async def test_a_bundle_that_an_upgrade_takes_away_is_put_back(api, injector):
    await api.until(lambda: trusted(api) == bundle(api))
    webhooks = [{"name": "pod.inject.pilotfish.dev", "clientConfig": {}}]
    api.put(WEBHOOKS[0], "pilotfish-injector", webhooks=webhooks)
    await api.until(lambda: trusted(api) == bundle(api))


async def test_while_nothing_changes_the_api_server_is_asked_for_nothing(
    api, injector, monkeypatch
):
    """A look at the Secret and the webhooks each second is 250,000 requests a day."""
    turns, enough = 0, asyncio.Event()

    def is_leading(_):
        nonlocal turns
        turns += 1
        if turns % 50 == 0:
            enough.set()
        return True

    monkeypatch.setattr("pilotfish.injector.app._LEADER_EVERY_S", 0.001)
    monkeypatch.setattr(Leadership, "is_leading", property(is_leading))
    await api.until(lambda: trusted(api) == bundle(api))
    for _ in range(20):  # its own writes are changes too, which it looks at once
        api.requests.clear()
        enough.clear()
        await enough.wait()
        about = [path for _, path, _ in api.requests if path.startswith((SECRETS, *WEBHOOKS))]
        if not about:
            return
    raise AssertionError(f"in each of 20 times 50 turns it asked, last for {about}")
