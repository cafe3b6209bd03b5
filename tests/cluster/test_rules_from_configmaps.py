"""The promise to operators, against a real API server, as an account that may do no more than a
sidecar must.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time

import pytest

from cluster.processes import give_account, token_of, write_rules
from pilotfish.core.rules.configmap_set import wanted_from
from pilotfish.errors import Problem
from pilotfish.kube.client import ApiError, Kube
from pilotfish.kube.configuration import ClusterAccess
from pilotfish.kube.events import EventWriter
from pilotfish.sources.configmaps import ConfigMapSource
from pilotfish.sources.last_good import LastGood

pytestmark = pytest.mark.timeout(180)
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Sidecar:
    """A sidecar's source of rules with its own token folder; `bad` in a document stands for what
    the compiler refuses.
    """

    def __init__(self, plane, admin, namespace, folder, monkeypatch):
        self.plane, self.admin, self.namespace, self.folder = plane, admin, namespace, folder
        self.heard = asyncio.Queue()
        self.in_force = ""
        self.reasons = asyncio.Queue()
        self.live = asyncio.Event()
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(plane.port))
        (folder / "ca.crt").write_bytes((plane.folder / "ca.crt").read_bytes())
        (folder / "namespace").write_text(namespace)

    async def new_account(self, *, may_write_events=True):
        """Makes (or remakes) the account, which ends every token it ever had, and mounts a new
        one.
        """
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        with contextlib.suppress(ApiError):
            await self.admin.request("DELETE", f"{accounts}/web")
        rules = [
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": ["rules"],
                "verbs": ["get", "list", "watch"],
            }
        ]
        if may_write_events:
            rules.append({"apiGroups": [""], "resources": ["events"], "verbs": ["create"]})
        await give_account(self.admin, self.namespace, rules)
        (self.folder / "token").write_text(await token_of(self.admin, self.namespace, "web"))

    async def write(self, text):
        await write_rules(self.admin, self.namespace, text)

    async def offer(self, offered):
        (only,) = offered
        text = only.configmap["data"]["rules.yaml"]
        problems = [Problem(only.source, "rules[0]", "unknown key 'bad'")] if "bad" in text else []
        if not problems:
            self.in_force = text
        self.heard.put_nowait(text)
        return problems

    def restarted(self, reason):
        self.reasons.put_nowait(reason)

    def connected(self, is_connected):
        (self.live.set if is_connected else self.live.clear)()

    @contextlib.asynccontextmanager
    async def running(self, state_dir=None):
        kube = Kube.at(ClusterAccess(token_dir=self.folder))
        source = ConfigMapSource(
            kube,
            wanted_from(["rules"], "", self.namespace),
            offer=self.offer,
            refuse=lambda problems: self.heard.put_nowait(problems),
            observer=self,
            events=EventWriter(kube, "pod-1", random=lambda: 0.0),
            last_good=LastGood(state_dir) if state_dir else None,
        )
        task = asyncio.create_task(source.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await kube.close()

    async def events(self, reason):
        """The messages of the Events with this reason, once there is one."""
        path = f"/api/v1/namespaces/{self.namespace}/events"
        async with asyncio.timeout(10):
            while True:
                items = (await self.admin.request("GET", path))["items"]
                if found := [e["message"] for e in items if e["reason"] == reason]:
                    return found


@pytest.fixture
async def sidecar(plane, admin, namespace, tmp_path, monkeypatch):
    folder = tmp_path / "token"
    folder.mkdir()
    return Sidecar(plane, admin, namespace, folder, monkeypatch)


async def test_an_edit_is_in_force_in_under_a_second(sidecar, capsys):
    await sidecar.new_account()
    await sidecar.write("edit -1")
    async with sidecar.running():
        assert await sidecar.heard.get() == "edit -1"
        await sidecar.live.wait()
        took = []
        for number in range(20):
            began = time.perf_counter()
            await sidecar.write(f"edit {number}")
            assert await sidecar.heard.get() == f"edit {number}"
            took.append(time.perf_counter() - began)
    with capsys.disabled():
        print(
            f"\nedit to force, 20 edits: median {statistics.median(took) * 1000:.0f} ms, worst "
            f"{max(took) * 1000:.0f} ms"
        )
    assert statistics.median(took) < 1.0


async def test_a_bad_edit_changes_nothing_and_is_told_in_an_event(sidecar):
    await sidecar.new_account()
    await sidecar.write("good")
    async with sidecar.running():
        await sidecar.heard.get()
        await sidecar.live.wait()
        await sidecar.write("bad")
        assert await sidecar.heard.get() == "bad"
        assert sidecar.in_force == "good"
        (message,) = await sidecar.events("RulesRefused")
        assert "rules[0]: unknown key 'bad'" in message
        assert len(await sidecar.events("RulesApplied")) == 1


async def test_an_account_that_may_not_write_events_serves_all_the_same(sidecar):
    await sidecar.new_account(may_write_events=False)
    await sidecar.write("one")
    async with sidecar.running():
        assert await sidecar.heard.get() == "one"
        await sidecar.live.wait()
        await sidecar.write("two")
        assert await sidecar.heard.get() == "two"


async def test_an_api_server_that_dies_and_comes_back_brings_the_next_edit(sidecar):
    """Its watch caches are new, so the version we resume from may be too old: a list must
    follow.
    """
    await sidecar.new_account()
    await sidecar.write("before")
    async with sidecar.running():
        await sidecar.heard.get()
        await sidecar.live.wait()
        sidecar.plane.kill_api_server()
        await asyncio.to_thread(sidecar.plane.start_api_server)
        await sidecar.live.wait()
        assert sidecar.in_force == "before"
        await sidecar.write("after")
        assert await sidecar.heard.get() == "after"
        assert await sidecar.reasons.get() == "connection"


async def test_a_token_that_was_rotated_is_taken_up(sidecar):
    await sidecar.new_account()
    await sidecar.write("before")
    async with sidecar.running():
        await sidecar.heard.get()
        await sidecar.live.wait()
        await sidecar.new_account()  # the token that the sidecar holds is void now
        sidecar.plane.kill_api_server()
        await asyncio.to_thread(sidecar.plane.start_api_server)
        await sidecar.write("after")
        assert await sidecar.heard.get() == "after"


async def test_the_last_good_rules_serve_a_restart_while_the_api_server_is_away(sidecar, tmp_path):
    await sidecar.new_account()
    await sidecar.write("good")
    state = tmp_path / "state"
    state.mkdir()
    async with sidecar.running(state):
        await sidecar.heard.get()
    sidecar.plane.kill_api_server()
    try:
        async with sidecar.running(state):
            assert await sidecar.heard.get() == "good"
    finally:
        await asyncio.to_thread(sidecar.plane.start_api_server)


async def test_an_account_that_may_not_watch_is_told_apart(sidecar):
    await sidecar.new_account()
    await sidecar.write("good")
    await sidecar.admin.request("DELETE", f"{RBAC}/namespaces/{sidecar.namespace}/rolebindings/web")
    async with sidecar.running(), asyncio.timeout(20):
        while await sidecar.reasons.get() != "forbidden":
            pass
