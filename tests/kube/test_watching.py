"""The three generators: what each of the ways in which a watch ends leads to."""

from contextlib import aclosing

import pytest

from kube.fake_api import BREAK, END
from pilotfish.kube.client import ApiError
from pilotfish.kube.watching import (
    Changed,
    Listed,
    Live,
    Pace,
    Restarted,
    WatchTarget,
    listed,
    watched,
)

MAPS = "/api/v1/namespaces/shop/configmaps"
RULES = WatchTarget(MAPS, (("fieldSelector", "metadata.name=rules"),))


class Pauses:
    """Stands in for time: notes each pause and lets it be over."""

    def __init__(self):
        self.taken = []

    async def __call__(self, seconds):
        self.taken.append(seconds)

    def pace(self):
        return Pace(random=lambda: 1.0, sleep=self)


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
async def story(api, kube, pauses):
    """Happenings one after the other, over ConfigMaps of which one is wanted."""
    api.put(MAPS, "rules", data={"a": "1"})
    api.put(MAPS, "kube-root-ca.crt", data={})
    async with aclosing(watched(kube, RULES, pauses.pace())) as happenings:
        yield lambda: anext(happenings)


def watches(api):
    return [query for method, _, query in api.requests if query.get("watch")]


async def test_list_then_watch_from_the_lists_version(api, story):
    first = await story()
    assert [o["metadata"]["name"] for o in first.objects] == ["rules"]
    assert await story() == Live()
    api.put(MAPS, "kube-root-ca.crt", data={"not": "ours"})
    api.put(MAPS, "rules", data={"a": "2"})
    changed = await story()
    assert isinstance(changed, Changed)
    assert changed.object["data"] == {"a": "2"}
    (query,) = watches(api)
    assert query["resourceVersion"] == "102"
    assert query["allowWatchBookmarks"] == "true"
    assert 200 <= int(query["timeoutSeconds"]) < 300, (
        "load balancers drop what is open for 5 minutes"
    )


async def test_the_servers_timeout_resumes_where_the_watch_was_without_a_list(api, story):
    await story(), await story()
    api.put(MAPS, "rules", data={"a": "2"})
    await story()
    api.send(END)
    assert await story() == Restarted("timeout", live=True)
    assert await story() == Live()
    assert [q["resourceVersion"] for q in watches(api)] == ["102", "103"]
    assert sum(isinstance(r, tuple) and not r[2].get("watch") for r in api.requests) == 1


async def test_a_bookmark_moves_the_version_and_is_not_told(api, story):
    await story(), await story()
    api.version = 500
    api.bookmark()
    api.send(END)
    await story(), await story()
    assert watches(api)[1]["resourceVersion"] == "500"


async def test_a_broken_connection_is_told_and_what_was_missed_arrives(api, story):
    await story(), await story()
    api.send(BREAK)
    broken = await story()
    assert (broken.reason, broken.live) == ("connection", False)
    api.put(MAPS, "rules", data={"a": "missed"})
    assert await story() == Live()
    assert (await story()).object["data"] == {"a": "missed"}


async def test_an_expired_version_is_listed_anew_at_once(api, story, pauses):
    await story(), await story()
    api.oldest = 1000
    api.version = 1001
    api.send(END)
    assert (await story()).reason == "timeout"
    assert await story() == Live()
    before = len(pauses.taken)
    assert (await story()).reason == "expired"
    assert isinstance(await story(), Listed)
    assert len(pauses.taken) == before
    assert await story() == Live()


async def test_a_server_that_says_expired_again_and_again_is_given_time(api, story, pauses):
    await story(), await story()
    api.oldest = 10**6
    api.send(END)
    for _ in range(12):
        await story()
    assert pauses.taken[-1] > pauses.taken[0]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "unauthorized"), (403, "forbidden"), (500, "error"), (429, "error")],
)
async def test_a_list_that_is_refused_is_tried_again_with_longer_pauses(
    api, kube, pauses, status, reason
):
    api.put(MAPS, "rules", data={})
    api.refusals = [status] * 3
    async with aclosing(watched(kube, RULES, pauses.pace())) as happenings:
        told = [await anext(happenings) for _ in range(4)]
    assert [t.reason for t in told[:3]] == [reason] * 3
    assert isinstance(told[3], Listed)
    assert pauses.taken == [0.2, 0.4, 0.8]


async def test_an_event_that_is_not_readable_ends_the_watch_and_not_us(api, story):
    await story(), await story()
    api.send(b'{"type": "ADD')
    assert (await story()).reason == "error"
    assert await story() == Live()


async def test_an_error_event_other_than_expired_resumes(api, story):
    await story(), await story()
    api.send({"type": "ERROR", "object": {"code": 500, "message": "etcdserver: leader changed"}})
    told = await story()
    assert told.reason == "error"
    assert "leader changed" in told.message


async def test_long_collections_come_in_pages(api, kube):
    api.page_size = 2
    for n in range(5):
        api.put(MAPS, f"m{n}")
    objects, version = await listed(kube, WatchTarget(MAPS))
    assert [o["metadata"]["name"] for o in objects] == ["m0", "m1", "m2", "m3", "m4"]
    assert version == "105"


async def test_a_collection_that_is_not_there_is_an_error_of_the_list(kube):
    with pytest.raises(ApiError) as missing:
        await listed(kube, RULES)
    assert missing.value.status == 404


async def test_pauses_grow_to_their_ceiling_and_are_never_the_same_for_two():
    low, high = Pauses(), Pauses()
    calm, late = Pace(random=lambda: 0.0, sleep=low), Pace(random=lambda: 1.0, sleep=high)
    for _ in range(10):
        await calm.pause()
        await late.pause()
    assert high.taken[-1] == 20.0
    assert low.taken[-1] == 10.0
