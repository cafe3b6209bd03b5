"""What the rules set in requests reaches the vendor, and is shown by `/explain`."""

from __future__ import annotations

from harness import proxied
from pilotfish.simulated import SimulatedVendor

RULES = """
providers:
  o: {{kind: openai, api_base: "{base}/v1", no_key_required: true, request: {{defaults: {{temperature: 0.2}}}}}}
  c: {{kind: anthropic, api_base: "{base}", no_key_required: true}}
rules:
  - name: r
    request_model: r
    services:
      - {{provider: o, model: gpt, request: {{overrides: {{max_tokens: 9}}, system_prompt: Rule.}}}}
  - {{name: plain, request_model: plain, services: [{{provider: c, model: claude-sonnet-4-0}}]}}
  - {{name: t, request_model: t, services: [{{provider: c, model: claude-sonnet-4-0, request: {{thinking: {{budget_tokens: 2000}}}}}}]}}
"""
BODY = {"model": "r", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 99}


async def test_settings_reach_the_vendor_in_both_styles_and_nobody_else(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        assert (await proxy.chat("r", max_tokens=99)).status == 200
        sent = vendor.requests[-1].json
        assert sent["messages"][0] == {"role": "system", "content": "Rule."}
        assert (sent["temperature"], sent["max_completion_tokens"]) == (0.2, 9)
        assert "max_tokens" not in sent
        answer = await proxy.chat("t")
        assert answer.status == 200
        assert vendor.requests[-1].json["thinking"]["budget_tokens"] == 2000
        assert "x-pilotfish-dropped" not in answer.headers
        await proxy.chat("plain")
        assert "thinking" not in vendor.requests[-1].json
        told = await proxy.admin("/explain?path=/v1/chat/completions", BODY)
    (candidate,) = told.json["candidates"]
    assert candidate["request"] == {
        "messages": [{"role": "system", "content": "Rule."}, *BODY["messages"]],
        "temperature": 0.2,
        "max_completion_tokens": 9,
        "max_tokens": None,
    }
