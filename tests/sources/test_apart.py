"""Large rules are compiled in another process, and are what they would be if they had been compiled
in this one.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pilotfish import providers
from pilotfish.core.rules.configmap_set import Offered
from pilotfish.errors import RuleError
from pilotfish.sources import chosen, kubernetes
from pilotfish.sources.apart import RULES_A_PIECE, NotReadError, RulesToCompile, judged_apart
from pilotfish.sources.files import read_files
from pilotfish.sources.judging import LARGE_BYTES, judged
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry.registry import Registry

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "rules.yaml"
HEAD = "providers: {p: {kind: ollama}}\nrules:\n"


def many(count):
    row = "- {{name: r{0}, request_model: m{0}, services: [{{provider: p, model: m{0}}}]}}\n"
    return HEAD + "".join(row.format(n) for n in range(count))


@pytest.fixture
def world(tmp_path):
    made = SimpleNamespace(path=tmp_path / "rules.yaml", adopted=[])
    made.store = RulesStore(
        made.adopted.append,
        Registry(),
        unmet=lambda snapshot: [],
        warnings=lambda snapshot: [],
        allow_inline_secrets=False,
    )
    made.source = chosen.RuleFiles((str(made.path),), made.store)
    return made


@pytest.fixture
def not_here(monkeypatch):
    """Whoever compiles in this process fails."""

    def never(*given):
        raise AssertionError("large rules were compiled beside the requests")

    monkeypatch.setattr("pilotfish.sources.store.judged", never)


async def test_what_comes_back_is_what_would_have_been_compiled_here():
    """Smart routing, globs and virtual models hold functions, which cannot be sent."""
    here = judged(read_files([str(EXAMPLE)]), True)
    there = await judged_apart(RulesToCompile([str(EXAMPLE)], (), True))
    assert (there.outlines, there.entries) == (here.outlines, here.entries)
    for field in ("version", "sources", "prices", "scenarios", "default_virtual_model", "notes"):
        assert getattr(there.snapshot, field) == getattr(here.snapshot, field)
    for mine, theirs in zip(here.snapshot.rules, there.snapshot.rules, strict=True):
        assert repr(mine.services) == repr(theirs.services)
        assert [op.text for b in mine.smart for op in b.ops] == [
            op.text for b in theirs.smart for op in b.ops
        ]
        assert (mine.name, mine.timeouts, mine.race, mine.hedge, mine.source) == (
            theirs.name,
            theirs.timeouts,
            theirs.race,
            theirs.hedge,
            theirs.source,
        )
    for index in ("exact", "virtual_models"):
        assert list(getattr(there.snapshot, index)) == list(getattr(here.snapshot, index))
    assert [r.name for r, _ in there.snapshot.globs] == [r.name for r, _ in here.snapshot.globs]


async def test_conditions_of_smart_routing_still_judge_requests():
    there = await judged_apart(RulesToCompile([str(EXAMPLE)], (), True))
    operations = [op for rule in there.snapshot.rules for b in rule.smart for op in b.ops]
    tokens = next(op for op in operations if op.text.startswith("token ge "))
    bound = int(tokens.made_of[2])
    assert tokens.test(SimpleNamespace(tokens=bound), 0.0)
    assert not tokens.test(SimpleNamespace(tokens=bound - 1), 0.0)


async def test_services_share_their_provider_and_providers_their_kind(tmp_path):
    (tmp_path / "r.yaml").write_text(many(3 * RULES_A_PIECE + 1))
    snapshot = (await judged_apart(RulesToCompile([str(tmp_path)], (), False))).snapshot
    assert [r.name for r in snapshot.rules] == [f"r{n}" for n in range(3 * RULES_A_PIECE + 1)]
    provider = snapshot.providers["p"]
    assert all(s.provider is provider for r in snapshot.rules for s in r.services)
    assert provider.kind is providers.all_kinds()["ollama"]
    assert snapshot.exact["m7"] == (snapshot.rules[7],)


async def test_every_problem_comes_back(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(many(2).replace("provider: p", "provider: q") + "weight: 1\n")
    with pytest.raises(RuleError) as there:
        await judged_apart(RulesToCompile([str(path)], (), False))
    with pytest.raises(RuleError) as here:
        judged(read_files([str(path)]), False)
    assert there.value.problems == here.value.problems
    assert len(there.value.problems) == 3


async def test_files_that_cannot_be_read_are_told_from_those_that_do_not_compile(tmp_path):
    with pytest.raises(NotReadError, match="No such file") as refused:
        await judged_apart(RulesToCompile([str(tmp_path / "gone.yaml")], (), False))
    assert not refused.value.may_help


async def test_a_process_that_was_ended_is_a_problem_that_says_so(tmp_path, monkeypatch):
    """As by the kernel, where the container's memory is used up."""
    killed = tmp_path / "python"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(killed))
    with pytest.raises(RuleError, match=r"ended \(signal 9\)") as refused:
        await judged_apart(RulesToCompile(["a.yaml"], (), False))
    assert refused.value.problems[0].source == "file:a.yaml"


async def test_a_large_file_is_in_force_without_having_been_compiled_here(world, not_here):
    world.path.write_text(many(LARGE_BYTES // 50))
    await world.source.read()
    assert len(world.adopted[0].rules) == LARGE_BYTES // 50
    world.path.write_text(world.path.read_text() + "weight: 1\n")
    await world.source.read()
    assert [p.path for p in world.store.problems] == ["weight"]
    assert len(world.adopted) == 1


async def test_where_no_process_can_be_started_rules_are_compiled_here(world, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    world.path.write_text(many(LARGE_BYTES // 50))
    await world.source.read()
    assert len(world.adopted[0].rules) == LARGE_BYTES // 50


async def test_a_large_configmap_is_compiled_apart_too(world, not_here):
    text = many(LARGE_BYTES // 50)
    offered = [Offered("configmap:shop/rules@1", {"metadata": {}, "data": {"r.yaml": text}})]
    apply = kubernetes._offer_to(world.store)
    assert await apply(offered) == []
    assert len(world.adopted[0].rules) == LARGE_BYTES // 50
    offered[0].configmap["data"]["r.yaml"] = text + "weight: 1\n"
    assert [p.path for p in await apply(offered)] == ["weight"]
    assert world.store.problems


async def test_nothing_is_left_of_a_question_that_nobody_waits_for(tmp_path, monkeypatch):
    started, start = asyncio.Queue(), asyncio.create_subprocess_exec

    async def remembered(program, *given, **more):
        process = await start("sleep", "60", **more)
        started.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", remembered)
    asking = asyncio.create_task(judged_apart(RulesToCompile(["a.yaml"], (), False)))
    process = await started.get()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert process.returncode == -9


MEASURED = """
import asyncio, os, resource, sys
from pilotfish.sources.apart import RulesToCompile, judged_apart

found = asyncio.run(judged_apart(RulesToCompile([sys.argv[1]], (), False)))
here = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
there = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(len(found.snapshot.rules), here >> 20, there >> 20)
"""


def test_as_many_rules_as_a_configmap_holds_stay_below_a_sidecars_default_limit(tmp_path):
    """Both processes together, in MiB; the limit is 512, and the proxy has more to hold than rules."""
    path = tmp_path / "rules.yaml"
    name = "a-rule-of-a-team-with-a-name-that-says-what-it-is-for"
    row = f"  - name: {name}-{{0}}\n    request_model: model-{{0}}\n    services:\n"
    row += "      - {{provider: p, model: m{0}, weight: 3}}\n"
    path.write_text(HEAD + "".join(row.format(n) for n in range(5850)))
    assert 850_000 < path.stat().st_size < 1024 * 1024
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    rules, here, there = map(int, done.stdout.split())
    assert rules == 5850
    assert here < 120
    assert there < 200
