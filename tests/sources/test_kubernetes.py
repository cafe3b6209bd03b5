"""From ConfigMaps in a cluster to rules in force in the proxy's store."""

import asyncio

from kube.fake_api import fake_api
from pilotfish.sources.kubernetes import RulesFromCluster, watch_rules
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry import series
from pilotfish.telemetry.registry import Registry

MAPS = "/api/v1/namespaces/shop/configmaps"
EVENTS = "/api/v1/namespaces/shop/events"
GOOD = """
providers:
  local: {kind: openai_compatible, api_base: "http://127.0.0.1:1/v1", no_key_required: true}
rules: [{name: chat, request_model: "*", services: [{provider: local, model: m}]}]
"""


async def test_rules_come_into_force_and_a_bad_edit_is_told_and_changes_nothing(tmp_path):
    adopted = asyncio.Queue()
    registry = Registry()
    store = RulesStore(
        adopted.put_nowait,
        registry,
        unmet=lambda snapshot: [],
        warnings=lambda snapshot: [],
        allow_inline_secrets=False,
    )
    async with fake_api() as api:
        api.put(MAPS, "rules", data={"rules.yaml": GOOD, "README.md": "not rules"})
        asked = RulesFromCluster(
            ["rules"],
            "",
            namespace="shop",
            kubeconfig=api.write_kubeconfig(tmp_path),
            state_dir=str(tmp_path),
        )
        watching = asyncio.create_task(watch_rules(asked, store, registry))
        snapshot = await adopted.get()
        assert [rule.name for rule in snapshot.rules] == ["chat"]
        assert snapshot.sources[0].startswith("configmap:shop/rules@101")
        await api.watching.wait()
        changes = ({"rules.yaml": GOOD + "weight: 1"}, {"rules.yaml": "a: ["}, {"README.md": "x"})
        for refused, data in enumerate(changes, 1):
            api.put(MAPS, "rules", data=data)
            await api.until(lambda refused=refused: events(api).count("RulesRefused") == refused)
            assert store.problems
            assert store.snapshot is snapshot
        assert registry[series.RELOADS].counter("rejected").value == 3
        assert registry[series.SOURCE_CONNECTED].gauge().value == 1
        assert {cell.value for cell in registry[series.WATCH_RESTARTS].children.values()} == {0.0}
        assert ("connection",) in registry[series.WATCH_RESTARTS].children
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_configmap_that_was_emptied_while_the_container_was_down_removes_no_rules(tmp_path):
    """What was in force before the restart is, and the ConfigMap is a problem."""
    async with fake_api() as api:
        for restarted in (False, True):
            adopted = asyncio.Queue()
            store = RulesStore(
                adopted.put_nowait,
                Registry(),
                unmet=lambda snapshot: [],
                warnings=lambda snapshot: [],
                allow_inline_secrets=False,
            )
            api.put(MAPS, "rules", data={} if restarted else {"rules.yaml": GOOD})
            asked = RulesFromCluster(
                ["rules"],
                "",
                namespace="shop",
                kubeconfig=api.write_kubeconfig(tmp_path),
                state_dir=str(tmp_path),
            )
            watching = asyncio.create_task(watch_rules(asked, store, Registry()))
            assert [rule.name for rule in (await adopted.get()).rules] == ["chat"]
            await api.until(lambda told=restarted: ("RulesRefused" in events(api)) is told)
            assert bool(store.problems) is restarted
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def events(api):
    return [event["reason"] for event in api.objects.get(EVENTS, {}).values()]
