"""One leader: who dies is replaced, who is slow steps down, and two never win the same write."""

import asyncio

import pytest

from pilotfish.kube.lease import Leadership, LeaseSettings

LEASES = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
SETTINGS = LeaseSettings("shop", "injector", duration_s=15, renew_s=4)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def replica(kube, identity, clock, stepped=None):
    async def sleep(_):
        if stepped:
            stepped.set()
            await asyncio.Event().wait()

    return Leadership(kube, SETTINGS, identity, clock=clock, sleep=sleep)


def holder(api):
    return api.objects[LEASES]["injector"]["spec"]["holderIdentity"]


async def test_the_first_one_leads_and_the_second_waits(api, kube, clock):
    first, second = replica(kube, "a", clock), replica(kube, "b", clock)
    await first.step()
    await second.step()
    assert (first.is_leading, second.is_leading) == (True, False)
    assert holder(api) == "a"


async def test_an_empty_lease_made_by_the_chart_is_taken(api, kube, clock):
    api.put(LEASES, "injector")
    first = replica(kube, "a", clock)
    await first.step()
    assert first.is_leading


async def test_a_leader_that_dies_is_replaced_after_the_leases_time(api, kube, clock):
    first, second = replica(kube, "a", clock), replica(kube, "b", clock)
    await first.step()
    await second.step()
    clock.now += 14
    await second.step()
    assert not second.is_leading
    clock.now += 2
    assert not first.is_leading, "it steps down by itself before another may lead"
    await second.step()
    assert second.is_leading
    assert api.objects[LEASES]["injector"]["spec"]["leaseTransitions"] == 2


async def test_a_leader_that_renews_is_never_replaced(api, kube, clock):
    first, second = replica(kube, "a", clock), replica(kube, "b", clock)
    for _ in range(20):
        await first.step()
        await second.step()
        clock.now += 4
    assert holder(api) == "a"


async def test_of_two_that_try_at_once_one_wins(api, kube, clock):
    api.put(LEASES, "injector")
    replicas = [replica(kube, name, clock) for name in "abcd"]
    await asyncio.gather(*(r.step() for r in replicas))
    assert sum(r.is_leading for r in replicas) == 1


async def test_an_api_that_is_away_ends_leading_in_time(api, kube, clock):
    first = replica(kube, "a", clock)
    await first.step()
    api.refusals = [500] * 3
    for _ in range(3):
        clock.now += 4
        await first.step()
    assert not first.is_leading


async def test_who_leaves_lets_go(api, kube, clock):
    stepped = asyncio.Event()
    task = asyncio.create_task(replica(kube, "a", clock, stepped).run())
    await stepped.wait()
    assert holder(api) == "a"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert holder(api) == ""
    second = replica(kube, "b", clock)
    await second.step()
    assert second.is_leading
