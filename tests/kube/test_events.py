"""Events on a rules ConfigMap: one for a verdict, whoever of the fleet comes first."""

from datetime import UTC, datetime

from pilotfish.errors import Problem
from pilotfish.kube.events import EventWriter, event_for

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
CONFIGMAP = {
    "metadata": {"name": "rules", "namespace": "shop", "uid": "u1", "resourceVersion": "7"}
}
EVENTS = "/api/v1/namespaces/shop/events"


def writer(kube, instance):
    async def at_once(_):
        pass

    return EventWriter(kube, instance, random=lambda: 0.0, now=lambda: NOON, sleep=at_once)


async def test_of_a_fleet_one_writes(api, kube):
    for instance in ("a", "b", "c"):
        await writer(kube, instance).tell(CONFIGMAP, [])
    assert [e["source"]["host"] for e in api.objects[EVENTS].values()] == ["a"]


async def test_the_same_verdict_is_told_once(api, kube):
    one = writer(kube, "a")
    await one.tell(CONFIGMAP, [])
    await one.tell(CONFIGMAP, [])
    assert len(api.requests) == 1


async def test_one_refusal_does_not_end_them_for_ever(api, kube):
    """The right may be given later, or was away while a release was upgraded."""
    one = writer(kube, "a")
    api.refusals = [403]
    await one.tell(CONFIGMAP, [])
    later = {"metadata": {**CONFIGMAP["metadata"], "resourceVersion": "8"}}
    await one.tell(later, [])
    assert [e["involvedObject"]["resourceVersion"] for e in api.objects[EVENTS].values()] == ["8"]


async def test_an_api_that_is_away_is_not_fatal(api, kube):
    api.refusals = [500]
    await writer(kube, "a").tell(CONFIGMAP, [])
    await kube.close()


def test_a_refusal_names_the_problems_and_a_long_one_is_cut_where_the_server_would_refuse_it():
    problems = [Problem("configmap:shop/rules@7", f"rules[{n}]", "x" * 50) for n in range(100)]
    event = event_for(CONFIGMAP, problems, "a", NOON)
    assert event["type"] == "Warning"
    assert "rules[0]" in event["message"]
    assert len(event["message"]) == 1024
    assert event["involvedObject"]["resourceVersion"] == "7"
    assert event["metadata"]["name"] != event_for(CONFIGMAP, [], "a", NOON)["metadata"]["name"]
