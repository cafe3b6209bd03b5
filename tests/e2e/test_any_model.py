"""One rule for all models: what is asked for is what is sent, in every style, and shown so."""

from __future__ import annotations

import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor

RULES = """
providers:
  o: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
  g: {{kind: google, api_base: "{base}", no_key_required: true, models: [gemini-x]}}
rules:
  - {{name: gemini, request_model: "gemini-*", services: [{{provider: g}}]}}
  - {{name: all, request_model: "*", services: [{{provider: o, model: "@requested"}}]}}
"""


@pytest.fixture
async def asked(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        yield proxy, vendor


async def test_the_model_asked_for_is_the_one_that_is_sent(asked):
    proxy, vendor = asked
    for model in ("gpt-4o", "ft:gpt:acme/7"):
        answer = await proxy.chat(model)
        assert (answer.status, answer.headers["x-pilotfish-service"]) == (200, f"o/{model}")
        assert vendor.requests[-1].json["model"] == model
    translated = await proxy.chat("gemini-x")
    assert translated.status == 200
    assert "/models/gemini-x:" in vendor.requests[-1].path


async def test_a_model_off_the_allow_list_is_a_404_that_says_so(asked):
    proxy, vendor = asked
    answer = await proxy.chat("gemini-y")
    assert answer.status == 404
    assert "g/gemini-y is not allowed" in answer.json["error"]["message"]
    assert not vendor.requests


async def test_status_shows_each_model_and_metrics_only_configured_names(asked):
    proxy, _vendor = asked
    for model in ("made-up", "gemini-x"):
        await proxy.chat(model)
    await proxy.settled()
    shown = {s["model"]: s for s in (await proxy.status())["services"]}
    assert shown["made-up"]["window"]["requests"] == 1
    assert "@requested" in shown, "what takes any model is there before anybody asks"
    page = (await proxy.admin("/metrics")).text
    attempts = [line for line in page.splitlines() if line.startswith("pilotfish_attempts_total{")]
    counted = {line.partition(" ")[0] for line in attempts if line.endswith(" 1.0")}
    assert any('rule="all"' in line and 'model="other"' in line for line in counted)
    assert any('rule="gemini"' in line and 'model="gemini-x"' in line for line in counted)
    assert "made-up" not in page
