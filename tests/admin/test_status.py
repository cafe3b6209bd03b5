"""`GET /status`: every service that a request can reach is there, once for each rule."""

import asyncio
from dataclasses import replace

import yaml

from harness import proxied, until
from pilotfish.admin.status import SERVICES_A_PIECE, status_of
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers:
  v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}
rules:
  - name: r
    request_model: m
    services: [{{provider: v, model: small}}]
    smart_routing:
      - ops: [{{position: token, operation: ge, value: "1000"}}]
        services: [{{provider: v, model: large}}, {{provider: v, model: small, weight: 0}}]
"""


async def test_services_of_smart_routing_blocks_are_there_too(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        await proxy.chat("m", "a long story " * 1000)
        status = await proxy.status()
    assert [(s["model"], s["outcomes"].get("served", 0)) for s in status["services"]] == [
        ("small", 0),
        ("large", 1),
    ]
    assert status["access_log"] == {"enabled": True, "sample": 1.0}


async def test_a_request_that_hangs_is_seen_before_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("pilotfish.admin.in_flight.LATE_S", 0.0)
    gate = asyncio.Event()
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        vendor.on("chat", Fault.hold(gate))
        asked = asyncio.create_task(proxy.chat("m"))
        await vendor.until_requests(1)
        status = await proxy.status()
        gate.set()
        assert (await asked).status == 200
        after = await proxy.status()
    (late,) = status["late"]["requests"]
    assert (late["rule"], late["attempts"][0]["service"]) == ("r", "v/small")
    small = next(s for s in status["services"] if s["model"] == "small")
    assert small["oldest_in_flight_s"] >= 0
    assert after["late"] == {"count": 0, "requests": []}
    assert all(s["oldest_in_flight_s"] is None for s in after["services"])


async def test_traffic_and_its_history_are_those_of_the_requests_that_are_over(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        before = (await proxy.status())["traffic"]
        assert (before["requests_per_second"], before["error_share"]) == (0.0, None)
        await proxy.chat("m", stream=True)
        vendor.always(Fault.status(500))
        await proxy.chat("m", stream=True)
        traffic = (await proxy.status())["traffic"]
        history = (await proxy.admin("/history")).json
    assert traffic["requests_per_second"] > 0
    assert 0 < traffic["error_share"] <= 0.5
    assert traffic["ttft_p50_ms"] > 0
    assert history["step_s"] == 5.0
    assert history.keys() - {"step_s", "most"} == traffic.keys()


async def test_what_the_last_change_changed_is_told_by_name(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        assert (await proxy.status())["rules"]["changes"] is None
        text = RULES.format(base=vendor.base).replace("weight: 0", "weight: 2")
        proxy.rules.write_text(text + "prices: {v/small: {input: 1, output: 2}}\n")

        async def changed():
            return (await proxy.status())["rules"]["changes"] is not None

        await until(changed)
        changes = (await proxy.status())["rules"]["changes"]
    assert changes == {"added": ["price v/small"], "removed": [], "changed": ["rule r"]}


async def test_a_service_says_since_when_its_state_is_what_it_is(tmp_path):
    """Out since it went out, on trial since its time out was over, serving since it came back."""
    rules = RULES.replace("rules:\n", "defaults: {{cooldown: {{base_delay_s: 2}}}}\nrules:\n", 1)
    rules = rules.replace("request_model: m", "request_model: m\n    retries: {{max_retries: 0}}")
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules.format(base=vendor.base)) as proxy,
    ):
        assert (await proxy.service("v", "small"))["since"] is None
        health = proxy.app.ledger.services["v", "small"].health
        vendor.script(Fault(code=429, kind="", retry_after="60"))
        assert (await proxy.chat("m")).status == 429
        cooling = await proxy.service("v", "small")
        health.until -= 60
        probing = await proxy.service("v", "small")
        assert (await proxy.chat("m")).status == 200
        serving = await proxy.service("v", "small")
    assert [s["state"] for s in (cooling, probing, serving)] == ["cooling", "probing", "serving"]
    assert cooling["since"] < cooling["until"]
    assert probing["since"] == probing["until"]
    assert serving["since"] >= cooling["since"]
    assert serving["until"] is None


async def test_whose_account_it_is_is_shown_and_no_token(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCESS", "hush-access")
    detail = "{access_token: {env: ACCESS}, user_id: ada, provider_type: codex}"
    rules = f"""
providers: {{v: {{kind: openai, auth_type: oauth, oauth_detail: {detail}}}}}
rules: [{{name: r, services: [{{provider: v, model: m}}]}}]
"""
    async with proxied(tmp_path, rules) as proxy:
        answer = await proxy.admin("/status")
    (service,) = answer.json["services"]
    (credential,) = service["credentials"]
    assert (credential["user_id"], credential["provider_type"]) == ("ada", "codex")
    assert "hush" not in answer.text


async def test_windows_races_and_scenarios_say_all_they_know(tmp_path):
    rules = """
providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true, tags: [gpu]}}}}
scenarios: {{claude_code: {{flags: {{smart: true}}, extensions: {{colour: blue}}}}}}
rules: [{{name: r, request_model: m, services: [{{provider: v, model: a}}]}}]
virtual_models: {{fast: {{providers: [{{name: v, model: a}}, {{name: v, model: b}}]}}}}
"""
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules.format(base=vendor.base)) as proxy,
    ):
        await proxy.chat("fast")
        await proxy.chat("m")
        await proxy.settled()
        status = await proxy.status()
        told = await proxy.admin(
            "/explain?path=/v1/chat/completions", {"model": "m", "messages": []}
        )
    (service,) = [s for s in status["services"] if s["rule"] == "r"]
    window = service["window"]
    assert window["started_at"] <= service["last_used"]
    assert window["total_tokens"] == window["input_tokens"] + window["output_tokens"]
    assert window["cost_tokens"] == window["total_tokens"] > 0
    assert {"cache_hits", "cache_misses", "length_s"} <= set(window)
    (race,) = status["races"]
    assert {one["races_total"] for one in race["services"]} == {1}
    assert all(one["last_updated"] and one["latency_ms"] >= 0 for one in race["services"])
    assert status["scenarios"] == [
        {"name": "claude_code", "flags": {"smart": True}, "extensions": {"colour": "blue"}}
    ]
    assert told.json["candidates"][0]["tags"] == ["gpu"]


async def test_of_many_services_all_are_told_and_requests_pass_in_between(tmp_path):
    rules = yaml.safe_load(RULES.format(base="http://127.0.0.1:9"))
    rules["rules"] = [
        {"name": f"r{n}", "request_model": f"m{n}", "services": [{"provider": "v", "model": "m"}]}
        for n in range(5 * SERVICES_A_PIECE)
    ]
    async with proxied(tmp_path, yaml.safe_dump(rules)) as proxy:
        turns, engine = 0, proxy.app.engine

        async def turn():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        status = await status_of(engine, proxy.app.store)
        assert turns >= 5
        assert len(status["services"]) == 5 * SERVICES_A_PIECE

        snapshot = engine.snapshot
        asked = asyncio.create_task(status_of(engine, proxy.app.store))
        await asyncio.sleep(0)  # it has begun
        engine.adopt(replace(snapshot, rules=snapshot.rules[:3]))
        assert [s["rule"] for s in (await asked)["services"]] == ["r0", "r1", "r2"]
        turning.cancel()
