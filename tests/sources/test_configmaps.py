"""The source of rules: whole sets are offered, and nothing that goes wrong takes good rules out of
force.
"""

import asyncio
import json
from contextlib import asynccontextmanager

from kube.fake_api import BREAK
from pilotfish.core.rules.configmap_set import wanted_from
from pilotfish.errors import Problem
from pilotfish.kube.events import EventWriter
from pilotfish.kube.watching import Pace
from pilotfish.sources.configmaps import ConfigMapSource
from pilotfish.sources.last_good import LastGood

MAPS = "/api/v1/namespaces/shop/configmaps"
EVENTS = "/api/v1/namespaces/shop/events"


async def at_once(seconds):
    await asyncio.sleep(0)


class Engine:
    """Stands in for the compiler: refuses a ConfigMap with `bad` in it, keeps what it was
    offered.
    """

    def __init__(self):
        self.heard = asyncio.Queue()
        self.in_force = None
        self.bug = None
        self.connected_now = False
        self.restarts = asyncio.Queue()
        self.live = asyncio.Event()

    async def apply(self, offered):
        if self.bug:
            raise self.bug
        problems = [
            Problem(f"{o.source}: rules.yaml", "rules[0]", "unknown key 'bad'")
            for o in offered
            if "bad" in o.configmap.get("data", {})
        ]
        if not problems:
            self.in_force = [o.source for o in offered]
        self.heard.put_nowait((("refused" if problems else "applied"), [o.source for o in offered]))
        return problems

    def refuse(self, problems):
        self.heard.put_nowait(("missing", [repr(p) for p in problems]))

    def restarted(self, reason):
        self.restarts.put_nowait(reason)

    def connected(self, is_connected):
        self.connected_now = is_connected
        (self.live.set if is_connected else self.live.clear)()


@asynccontextmanager
async def running(kube, configmaps, *, selector="pilotfish.dev/config=true", state_dir=None):
    engine = Engine()
    source = ConfigMapSource(
        kube,
        wanted_from(configmaps, selector, "shop"),
        offer=engine.apply,
        refuse=engine.refuse,
        observer=engine,
        events=EventWriter(kube, "pod-1", random=lambda: 0.0, sleep=at_once),
        last_good=LastGood(state_dir) if state_dir else None,
        pace=lambda: Pace(sleep=at_once),
    )
    task = asyncio.create_task(source.run())
    try:
        yield engine
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def events(api, count):
    """The Events written, once there are as many."""
    await api.until(lambda: len(api.objects.get(EVENTS, {})) >= count)
    return [(e["reason"], e["message"]) for e in api.objects[EVENTS].values()]


async def test_rules_load_and_an_edit_is_offered(api, kube):
    api.put(MAPS, "rules", data={"rules.yaml": "a"})
    async with running(kube, ["rules"]) as engine:
        assert await engine.heard.get() == ("applied", ["configmap:shop/rules@101"])
        await engine.live.wait()
        api.put(MAPS, "rules", data={"rules.yaml": "b"})
        assert await engine.heard.get() == ("applied", ["configmap:shop/rules@102"])
        told = await events(api, 2)
        assert [reason for reason, _ in told] == ["RulesApplied", "RulesApplied"]


async def test_a_bad_edit_is_told_on_the_configmap_and_the_good_rules_stay(api, kube, tmp_path):
    api.put(MAPS, "rules", data={"rules.yaml": "a"})
    async with running(kube, ["rules"], state_dir=tmp_path) as engine:
        await engine.heard.get()
        await engine.live.wait()
        api.put(MAPS, "rules", data={"bad": "x"})
        assert (await engine.heard.get())[0] == "refused"
        told = dict(await events(api, 2))
        assert "rules[0]: unknown key 'bad'" in told["RulesRefused"]
        assert engine.in_force == ["configmap:shop/rules@101"]
        kept = json.loads((tmp_path / "last-good-rules.json").read_text())
        assert [c["source"] for c in kept["configmaps"]] == ["configmap:shop/rules@101"]


async def test_several_configmaps_are_offered_together_in_the_order_of_the_settings(api, kube):
    api.put(MAPS, "b-first")
    api.put("/api/v1/namespaces/common/configmaps", "base")
    async with running(kube, ["b-first", "common/base"]) as engine:
        assert await engine.heard.get() == (
            "applied",
            ["configmap:shop/b-first@101", "configmap:common/base@102"],
        )


async def test_a_problem_in_one_is_not_told_on_the_other(api, kube):
    api.put(MAPS, "good")
    api.put(MAPS, "wrong", data={"bad": "x"})
    async with running(kube, ["good", "wrong"]) as engine:
        assert (await engine.heard.get())[0] == "refused"
        await events(api, 1)
        assert [e["involvedObject"]["name"] for e in api.objects[EVENTS].values()] == ["wrong"]


async def test_a_configmap_that_is_not_there_yet_is_a_problem_and_its_coming_is_seen(api, kube):
    api.objects[MAPS] = {}
    async with running(kube, ["rules"]) as engine:
        assert await engine.heard.get() == ("missing", ["configmap:shop/rules: .: not found"])
        await engine.live.wait()
        api.put(MAPS, "rules")
        verdict, _ = await engine.heard.get()
        assert verdict == "applied"


async def test_a_deleted_configmap_leaves_its_rules_in_force(api, kube):
    api.put(MAPS, "rules")
    async with running(kube, ["rules"]) as engine:
        await engine.heard.get()
        await engine.live.wait()
        api.delete(MAPS, "rules")
        assert (await engine.heard.get())[0] == "missing"
        assert engine.in_force == ["configmap:shop/rules@101"]
        api.put(MAPS, "rules")
        assert (await engine.heard.get())[0] == "applied"


async def test_a_selector_takes_what_is_labelled_now(api, kube):
    label = {"labels": {"pilotfish.dev/config": "true"}}
    api.put(MAPS, "z", metadata=label)
    api.put(MAPS, "other")
    async with running(kube, []) as engine:
        assert await engine.heard.get() == ("applied", ["configmap:shop/z@101"])
        await engine.live.wait()
        api.put(MAPS, "a", metadata=label)
        assert await engine.heard.get() == (
            "applied",
            ["configmap:shop/a@103", "configmap:shop/z@101"],
        )
        api.delete(MAPS, "z")
        assert await engine.heard.get() == ("applied", ["configmap:shop/a@103"])


async def test_the_api_away_is_seen_and_nothing_else_changes(api, kube):
    api.put(MAPS, "rules")
    async with running(kube, ["rules"]) as engine:
        await engine.heard.get()
        await engine.live.wait()
        api.refusals = [503, 503]
        api.send(BREAK)
        assert await engine.restarts.get() == "connection"
        await engine.live.wait()
        assert engine.heard.empty(), "what is known already is not offered again"


async def test_the_last_good_rules_serve_a_restart_while_the_api_is_away(api, kube, tmp_path):
    api.put(MAPS, "rules", data={"rules.yaml": "a"})
    async with running(kube, ["rules"], state_dir=tmp_path) as engine:
        await engine.heard.get()
    api.refuse_all = 503
    async with running(kube, ["rules"], state_dir=tmp_path) as engine:
        assert await engine.heard.get() == ("applied", ["configmap:shop/rules@101"])
        assert not engine.connected_now
        api.refuse_all = 0
        await engine.live.wait()
        api.put(MAPS, "rules", data={"rules.yaml": "b"})
        assert await engine.heard.get() == ("applied", ["configmap:shop/rules@102"])


async def test_without_a_state_folder_a_restart_waits_for_the_api(api, kube):
    api.put(MAPS, "rules")
    api.refusals = [503] * 5
    async with running(kube, ["rules"]) as engine:
        while (await engine.heard.get())[0] != "applied":
            assert engine.in_force is None
        assert engine.restarts.qsize() == 5


async def test_a_configmap_that_may_not_be_read_is_a_problem_that_is_shown(api, kube):
    api.put(MAPS, "rules")
    api.refuse_all = 403
    async with running(kube, ["rules"]) as engine:
        verdict, (problem,) = await engine.heard.get()
        assert verdict == "missing"
        assert problem.startswith("configmap:shop/rules: .: cannot be read: 403: refused with 403")
        api.refuse_all = 0
        while (await engine.heard.get())[0] != "applied":
            assert engine.in_force is None


async def test_a_bug_in_judging_does_not_end_the_watch(api, kube):
    api.put(MAPS, "rules")
    async with running(kube, ["rules"]) as engine:
        await engine.heard.get()
        await engine.live.wait()
        engine.bug = RuntimeError("a bug")
        api.put(MAPS, "rules", data={"rules.yaml": "b"})
        verdict, (problem,) = await engine.heard.get()
        assert verdict == "missing"
        assert "could not be judged: RuntimeError: a bug" in problem
        engine.bug = None
        api.put(MAPS, "rules", data={"rules.yaml": "c"})
        assert await engine.heard.get() == ("applied", ["configmap:shop/rules@104"])


async def test_who_may_not_write_events_goes_on_and_tries_with_the_next_verdict(api, kube):
    """A right that is given later needs no restart."""
    api.put(MAPS, "rules")
    async with running(kube, ["rules"]) as engine:
        await engine.heard.get()
        await engine.live.wait()
        await events(api, 1)
        api.refusals = [403]
        for text in "bc":
            api.put(MAPS, "rules", data={"rules.yaml": text})
            assert (await engine.heard.get())[0] == "applied"
        told = await events(api, 2)
        assert len(told) == 2
