"""The shared Secret: two replicas, one authority, and a rotation in which no moment is without
trust.
"""

import asyncio
import base64
from datetime import UTC, datetime

import pytest

from pilotfish.injector import pki
from pilotfish.injector.certificate_rotation import Lifetimes, Step
from pilotfish.injector.certificates import Keeper, SharedCertificates, follow_secret
from pilotfish.injector.tls import Tls
from pilotfish.injector.trust import Trust
from pilotfish.kube.client import ApiError
from pilotfish.kube.watching import Pace

SECRETS = "/api/v1/namespaces/pilotfish/secrets"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
LIVES = Lifetimes(authority_s=9000, leaf_s=1000, settle_s=60)
SHARED = SharedCertificates(
    "pilotfish", "tls", ("injector.pilotfish.svc", "127.0.0.1"), "injector", LIVES
)


class Clock:
    def __init__(self):
        self.now = datetime.now(UTC).timestamp()

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keeper(api, kube, clock):
    api.objects[SECRETS] = {}
    api.put(
        WEBHOOKS,
        "injector",
        webhooks=[
            {"name": "a", "clientConfig": {}},
            {"name": "b", "clientConfig": {"caBundle": "b2xk"}},
        ],
    )
    return Keeper(kube, SHARED, clock)


def secret(api, key):
    return base64.b64decode(api.objects[SECRETS]["tls"]["data"][key])


def trusted(api):
    bundles = {
        base64.b64decode(w["clientConfig"]["caBundle"])
        for w in api.objects[WEBHOOKS]["injector"]["webhooks"]
    }
    assert len(bundles) == 1
    return bundles.pop()


def assert_trusted(api):
    """What is served is signed by an authority that every webhook trusts."""
    certificates = [b"-----BEGIN" + c for c in trusted(api).split(b"-----BEGIN")[1:]]
    assert any(pki.is_signed_by(secret(api, "tls.crt"), c) for c in certificates)


async def test_at_first_everything_is_made_and_trusted(api, keeper):
    assert await keeper.step() is Step.CREATE
    assert pki.covers(secret(api, "tls.crt"), SHARED.names)
    assert_trusted(api)
    assert await keeper.step() is Step.NOTHING


async def test_an_empty_secret_made_by_the_chart_is_filled(api, keeper):
    api.put(SECRETS, "tls", type="Opaque", data=None)
    assert await keeper.step() is Step.CREATE
    assert_trusted(api)


async def test_a_second_leader_takes_the_authority_of_the_first(api, kube, keeper, clock):
    await keeper.step()
    before = secret(api, "ca.crt")
    assert await Keeper(kube, SHARED, clock).step() is Step.NOTHING
    assert secret(api, "ca.crt") == before


async def test_of_two_that_begin_at_once_one_is_told_so(api, kube, keeper, clock):
    """Both read nothing; the Secret's version lets one write through."""
    api.put(SECRETS, "tls")
    results = await asyncio.gather(
        *(Keeper(kube, SHARED, clock).step() for _ in range(2)), return_exceptions=True
    )
    assert [
        r
        for r in results
        if r is Step.CREATE or (isinstance(r, ApiError) and r.status == 409) or r is Step.NOTHING
    ] == results
    await keeper.step()
    assert_trusted(api)


async def test_an_authority_is_replaced_with_the_old_one_trusted_meanwhile(api, keeper, clock):
    await keeper.step()
    first = secret(api, "ca.crt")
    steps = []
    for _ in range(int(9000 / 50)):
        clock.now += 50
        steps.append(await keeper.step())
        assert_trusted(api)
    assert steps.count(Step.ANNOUNCE) == steps.count(Step.SWITCH) == 1
    assert Step.CREATE not in steps
    assert steps.count(Step.RENEW) > 10
    assert secret(api, "ca.crt") != first
    assert "next-ca.crt" not in api.objects[SECRETS]["tls"]["data"]


async def test_an_upgrade_that_drops_the_bundle_is_mended(api, keeper):
    await keeper.step()
    bundle = trusted(api)
    api.put(WEBHOOKS, "injector", webhooks=[{"name": "a", "clientConfig": {}}])
    assert await keeper.step() is Step.NOTHING
    assert trusted(api) == bundle


async def test_webhooks_that_are_not_there_are_no_error(api, keeper):
    api.objects[WEBHOOKS].clear()
    assert await keeper.step() is Step.CREATE


@pytest.mark.parametrize("broken", ["ca.crt", "tls.crt", "tls.key", "ca-bundle.crt"])
async def test_a_secret_that_someone_damaged_is_made_anew(api, keeper, broken):
    await keeper.step()
    data = api.objects[SECRETS]["tls"]["data"]
    data[broken] = (
        base64.b64encode(b"nonsense").decode()
        if broken.endswith("crt") and "bundle" not in broken
        else ""
    )
    assert await keeper.step() in (Step.CREATE, Step.RENEW)
    assert_trusted(api)


async def test_every_replica_serves_what_the_secret_holds(api, kube, keeper, clock):
    tls = Tls()
    following = asyncio.create_task(
        follow_secret(kube, SHARED, tls, Trust(()), Pace(), asyncio.Event())
    )
    await api.watching.wait()
    await keeper.step()
    await tls.installed.wait()
    assert tls.expires_at == pki.expiry(secret(api, "tls.crt")).timestamp()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
