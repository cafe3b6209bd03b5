"""Rules that change while requests run: in force within a second, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import orjson
import pytest

from harness import Proxy, process, proxied, until
from pilotfish.simulated import Fault

RULES = """
providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}
rules: [{{name: {name}, request_model: m, services: [{{provider: v, model: {model}}}]}}]
"""


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, RULES.format(base=vendor.base, name="r", model="sim-n2")) as proxy:
        yield proxy


async def version(proxy: Proxy) -> str:
    return (await proxy.status())["rules"]["version"]


async def applied(proxy: Proxy, name: str) -> bool:
    return (await proxy.status())["rules"]["names"] == [name]


async def test_a_change_is_in_force_within_a_second(proxy, vendor):
    assert (await proxy.chat("m")).headers["x-pilotfish-service"] == "v/sim-n2"
    began = time.monotonic()
    proxy.rules.write_text(RULES.format(base=vendor.base, name="s", model="sim-n3"))

    async def served_by_the_new() -> bool:
        return (await proxy.chat("m")).headers["x-pilotfish-service"] == "v/sim-n3"

    await until(served_by_the_new)
    assert time.monotonic() - began < 1.0
    assert (await proxy.chat("m")).headers["x-pilotfish-rule"] == "s"
    rules = (await proxy.status())["rules"]
    assert (rules["names"], rules["problems"]) == (["s"], [])
    assert await proxy.metric("pilotfish_config_reloads_total", result="applied") == 2
    assert await proxy.metric("pilotfish_config_info", version=rules["version"]) == 1
    assert await proxy.metric("pilotfish_config_info") == 1


async def test_a_bad_change_changes_nothing_and_is_told_everywhere(proxy, vendor, capfd):
    before = await version(proxy)
    good = proxy.rules.read_text()
    proxy.rules.write_text(good.replace("kind: openai", "kind: opnai"))

    async def rejected() -> bool:
        return await proxy.metric("pilotfish_config_reloads_total", result="rejected") == 1

    await until(rejected)
    assert await version(proxy) == before
    problem = (await proxy.status())["rules"]["problems"][0]
    assert (problem["path"], "'opnai'" in problem["message"]) == ("providers.v.kind", True)
    assert await proxy.metric("pilotfish_config_last_reload_successful") == 0
    assert await proxy.metric("pilotfish_config_problems") == 1
    said = capfd.readouterr()
    assert "rules_rejected" in said.out + said.err
    assert (await proxy.admin("/readyz")).status == 200
    assert (await proxy.chat("m")).status == 200

    proxy.rules.write_text(good + "# mended\n")

    async def mended() -> bool:
        return await proxy.metric("pilotfish_config_last_reload_successful") == 1

    await until(mended)
    assert (await proxy.status())["rules"]["problems"] == []


async def test_requests_under_way_go_on_by_the_rules_they_began_with(proxy, vendor):
    gate = asyncio.Event()
    vendor.script(Fault.hold(gate, percent=50))
    asking = asyncio.create_task(proxy.chat("m", stream=True))
    await vendor.until_requests(1)
    proxy.rules.write_text("providers: {}\nrules: []\nallow_empty: true\n")

    async def gone() -> bool:
        return (await proxy.status())["rules"]["names"] == []

    await until(gone)
    assert (await proxy.chat("m")).status == 404
    gate.set()
    answer = await asking
    assert (answer.status, answer.events[-1], answer.headers["x-pilotfish-rule"]) == (
        200,
        "[DONE]",
        "r",
    )


async def test_no_connection_is_dropped_by_a_reload(proxy, vendor):
    await proxy.chat("m")
    proxy.rules.write_text(RULES.format(base=vendor.base, name="s", model="sim-n3"))
    await until(lambda: applied(proxy, "s"))
    await proxy.chat("m")
    assert (vendor.connections_made, len(vendor.requests)) == (1, 2)


async def test_what_stays_keeps_its_health_and_its_statistics(proxy, vendor):
    vendor.script(Fault.status(429, retry_after=60))
    await proxy.chat("m")
    proxy.rules.write_text(
        proxy.rules.read_text().replace("request_model: m", "request_model: 'm*'")
    )

    async def globbed() -> bool:
        return (await proxy.chat("mm")).status == 429

    await until(globbed)
    shown = await proxy.service("v", "sim-n2")
    assert (shown["state"], shown["trips"]) == ("cooling", 1)
    assert len(vendor.requests) == 1


async def test_counters_never_go_down_and_series_come_and_go_with_their_services(proxy, vendor):
    for _ in range(3):
        await proxy.chat("m")
    assert await proxy.metric("pilotfish_requests_total", rule="r") == 3
    both = f"""
providers: {{v: {{kind: openai, api_base: {vendor.base}/v1, no_key_required: true}}}}
rules:
  - {{name: r, request_model: m, services: [{{provider: v, model: sim-n2}}]}}
  - {{name: t, request_model: t, services: [{{provider: v, model: sim-n9}}]}}
"""
    proxy.rules.write_text(both)

    async def there() -> bool:
        return (await proxy.status())["rules"]["names"] == ["r", "t"]

    await until(there)
    assert await proxy.metric("pilotfish_requests_total", rule="r") == 3
    assert await proxy.metric("pilotfish_attempts_total", model="sim-n2") == 3
    assert await proxy.series(
        "pilotfish_attempts_total", rule="t", provider="v", model="sim-n9", outcome="served"
    ) == [0]
    assert await proxy.series(
        "pilotfish_service_state", provider="v", model="sim-n9", state="serving"
    ) == [1]
    assert await proxy.series(
        "gen_ai_server_request_duration_seconds_count",
        gen_ai_request_model="t",
        gen_ai_provider_name="v",
    ) == [0]

    proxy.rules.write_text(
        RULES.format(base=vendor.base, name="t", model="sim-n9").replace(
            "request_model: m", "request_model: t"
        )
    )
    await until(lambda: applied(proxy, "t"))
    page = (await proxy.admin("/metrics")).text
    assert "sim-n2" not in page
    assert 'rule="r"' not in page
    assert "sim-n9" in page


async def test_a_folder_is_watched_as_mounted_configmaps_change_by_a_swapped_link(tmp_path, vendor):
    """Kubernetes writes a new folder and swaps the link `..data` to it."""

    def write(number: int, model: str) -> Path:
        folder = tmp_path / "volume" / f"..{number}"
        folder.mkdir(parents=True)
        (folder / "rules.yaml").write_text(RULES.format(base=vendor.base, name="r", model=model))
        return folder

    link, volume = tmp_path / "volume" / "..data", tmp_path / "volume"
    link.parent.mkdir()
    link.symlink_to(write(1, "sim-n2"))
    (volume / "rules.yaml").symlink_to(link / "rules.yaml")
    async with proxied(tmp_path, "{}", paths=(str(volume),)) as proxy:
        assert (await proxy.chat("m")).headers["x-pilotfish-service"] == "v/sim-n2"
        (volume / "..new").symlink_to(write(2, "sim-n3"))
        os.replace(volume / "..new", link)

        async def swapped() -> bool:
            return (await proxy.chat("m")).headers["x-pilotfish-service"] == "v/sim-n3"

        await until(swapped)


async def test_sighup_reads_the_rules_again_and_ends_nothing(tmp_path, vendor):
    """Servers are asked so to read their configuration; whoever does it out of habit must not lose
    the proxy.
    """
    async with process(tmp_path, RULES.format(base=vendor.base, name="r", model="sim-n2")) as proxy:
        proxy.child.send_signal(signal.SIGHUP)
        assert proxy.child.stderr is not None
        assert orjson.loads(await proxy.child.stderr.readline())["event"] == "reading_again"
        proxy.child.send_signal(signal.SIGTERM)
        assert await proxy.child.wait() == 0
