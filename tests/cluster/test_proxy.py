"""`pilotfish proxy` as a process on a real API server, with the rights of a sidecar and traffic all
the while.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import subprocess
import time
from pathlib import Path

import aiohttp
import pytest

from cluster.control_plane import free_port
from cluster.processes import give_account, program, token_of, write_rules
from pilotfish.simulated import SimulatedVendor

pytestmark = pytest.mark.timeout(180)
ROLE = [
    {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["rules"],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]


class Proxy:
    """The process, its rules ConfigMap, and a client that never stops asking."""

    def __init__(self, plane, admin, namespace, folder, vendor):
        self.plane, self.admin, self.namespace, self.folder, self.vendor = (
            plane,
            admin,
            namespace,
            folder,
            vendor,
        )
        self.listen, self.admin_listen = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.token = folder / "token"
        self.answers = []
        self.http = aiohttp.ClientSession()

    async def prepare(self):
        await give_account(self.admin, self.namespace, ROLE)
        self.token.write_text(await token_of(self.admin, self.namespace, "web"))

    def start(self):
        kubeconfig = self.plane.write_kubeconfig(self.folder / "kubeconfig", self.token.read_text())
        settings = {
            "CONFIGMAPS": "rules",
            "NAMESPACE": self.namespace,
            "LISTEN": self.listen,
            "ADMIN_LISTEN": self.admin_listen,
        }
        settings |= {"STATE_DIR": str(self.folder), "DRAIN_SECONDS": "1"}
        command, environment = program(
            "proxy",
            KUBECONFIG=str(kubeconfig),
            **{f"PILOTFISH_{k}": v for k, v in settings.items()},
        )
        with (self.folder / "proxy.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def end(self, *, killed=False):
        self.process.kill() if killed else self.process.terminate()
        self.process.wait(timeout=20)

    async def write(self, description, text=""):
        rules = f"""
providers:
  local: {{kind: openai_compatible, api_base: "{self.vendor.base}/v1", no_key_required: true}}
rules:
  - {{name: "{description}", request_model: "*", services: [{{provider: local, model: sim-n3}}]}}
{text}"""
        await write_rules(self.admin, self.namespace, rules)

    async def status(self):
        async with self.http.get(f"http://{self.admin_listen}/status") as answer:
            return await answer.json()

    async def metric(self, name):
        async with self.http.get(f"http://{self.admin_listen}/metrics") as answer:
            found = re.search(rf"^{re.escape(name)} (\S+)$", await answer.text(), re.MULTILINE)
        return float(found[1]) if found else None

    async def until(self, is_so, seconds=30):
        """Asks for the status until it is as wanted."""
        status = None
        async with asyncio.timeout(seconds):
            with contextlib.suppress(TimeoutError):
                while True:
                    with contextlib.suppress(aiohttp.ClientError):
                        status = await self.status()
                        if is_so(status["rules"]):
                            return status
                    await asyncio.sleep(0.002)
        raise AssertionError(
            f"never as wanted; last: {status}\n{(self.folder / 'proxy.log').read_text()[-3000:]}"
        )

    async def ask(self):
        body = {"model": "any", "messages": [{"role": "user", "content": "hello"}]}
        async with self.http.post(f"http://{self.listen}/v1/chat/completions", json=body) as answer:
            self.answers.append(answer.status)
            await answer.read()

    @contextlib.asynccontextmanager
    async def traffic(self):
        async def forever():
            while True:
                await self.ask()

        tasks = [asyncio.create_task(forever()) for _ in range(2)]
        try:
            yield
        finally:
            failed = [task.exception() for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert not failed, failed


@pytest.fixture
async def proxy(plane, admin, namespace, tmp_path):
    async with SimulatedVendor() as vendor:
        proxy = Proxy(plane, admin, namespace, tmp_path, vendor)
        await proxy.prepare()
        await proxy.write("first")
        proxy.start()
        try:
            await proxy.until(lambda rules: rules["names"] == ["first"])
            yield proxy
        finally:
            proxy.end()
            await proxy.http.close()


async def test_an_edit_is_in_force_in_under_a_second(proxy, capsys):
    took = []
    for number in range(20):
        began = time.perf_counter()
        await proxy.write(f"edit-{number}")
        await proxy.until(lambda rules, number=number: rules["names"] == [f"edit-{number}"])
        took.append(time.perf_counter() - began)
    with capsys.disabled():
        print(
            "\nkubectl apply to /status of a running proxy, 20 edits: median "
            f"{statistics.median(took) * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms"
        )
    assert statistics.median(took) < 1.0


async def test_a_bad_edit_changes_nothing_and_shows_in_event_status_and_metric(proxy):
    await proxy.ask()
    await proxy.write("bad", "rulez: []")
    status = await proxy.until(lambda rules: rules["problems"])
    assert status["rules"]["names"] == ["first"]
    assert status["ready"] is True
    (problem,) = status["rules"]["problems"]
    assert problem["path"] == "rulez"
    assert problem["source"].startswith(f"configmap:{proxy.namespace}/rules@")
    assert await proxy.metric("pilotfish_config_last_reload_successful") == 0
    assert await proxy.metric('pilotfish_config_reloads_total{result="rejected"}') == 1
    events = f"/api/v1/namespaces/{proxy.namespace}/events"
    async with asyncio.timeout(10):
        while True:
            found = [
                e
                for e in (await proxy.admin.request("GET", events))["items"]
                if e["reason"] == "RulesRefused"
            ]
            if found:
                break
    assert "rulez" in found[0]["message"]
    assert found[0]["involvedObject"]["name"] == "rules"
    await proxy.ask()
    assert set(proxy.answers) == {200}


async def test_traffic_never_stops_while_the_api_server_dies_and_comes_back(proxy):
    async with proxy.traffic():
        proxy.plane.kill_api_server()
        await asyncio.to_thread(proxy.plane.start_api_server)
        await proxy.write("after")
        await proxy.until(lambda rules: rules["names"] == ["after"])
    assert len(proxy.answers) > 100
    assert set(proxy.answers) == {200}
    assert await proxy.metric('pilotfish_watch_restarts_total{reason="connection"}') >= 1
    assert await proxy.metric("pilotfish_config_source_connected") == 1


async def test_a_proxy_that_restarts_while_the_api_server_is_away_serves_the_last_good_rules(proxy):
    proxy.plane.kill_api_server()
    try:
        proxy.end(killed=True)
        proxy.start()
        await proxy.until(lambda rules: rules["names"] == ["first"])
        await proxy.ask()
        assert proxy.answers == [200]
        assert await proxy.metric("pilotfish_config_source_connected") == 0
    finally:
        await asyncio.to_thread(proxy.plane.start_api_server)
    await proxy.write("after")
    await proxy.until(lambda rules: rules["names"] == ["after"])


async def test_what_watching_costs(proxy, capsys):
    await proxy.ask()
    resident = resident_mib(proxy.process.pid)
    with capsys.disabled():
        print(f"\na proxy that watches ConfigMaps: {resident:.0f} MiB resident")
    assert resident < 110


def resident_mib(pid):
    return (
        int(
            re.search(
                r"^Rss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE
            )[1]
        )
        / 1024
    )
