"""A conversation in which one vendor thinks and calls, and the next turn goes to another one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from answers_wire import next_turn
from harness import proxied
from pilotfish.simulated import Profile, SimulatedVendor
from planted import PROVIDER_KEY

RULES = """
providers:
  anthropic: {{kind: anthropic, api_base: {base}, token: {{env: E2E_KEY}}}}
  google: {{kind: google, api_base: {base}/v1beta, token: {{env: E2E_KEY}}}}
  responses: {{kind: openai, api_base: {base}/v1, token: {{env: E2E_KEY}}, options: {{api: responses}}}}
"""
TOOL = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
MESSAGES: dict[str, Any] = {
    "max_tokens": 4096,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [TOOL],
    "messages": [{"role": "user", "content": "call:clock({})"}],
}
INPUT: dict[str, Any] = {
    "input": [{"type": "message", "role": "user", "content": "call:clock({})"}],
    "tools": [{"type": "function", "name": "clock", "parameters": TOOL["input_schema"]}],
    "reasoning": {"effort": "low"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
}


@pytest.mark.parametrize(
    ("style", "path", "first", "before", "after"),
    [
        ("anthropic", "/v1/messages", MESSAGES, "google/gemini-3-pro", "anthropic/claude-opus-4-5"),
        (
            "openai_responses",
            "/v1/responses",
            INPUT,
            "anthropic/claude-opus-4-5",
            "responses/gpt-5",
        ),
    ],
)
async def test_the_next_vendor_gets_all_but_what_the_one_before_has_signed(
    style, path, first, before, after, tmp_path, monkeypatch
):
    monkeypatch.setenv("E2E_KEY", PROVIDER_KEY)
    async with (
        SimulatedVendor(key=PROVIDER_KEY, profile=Profile(chunks=8)) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        answer = await proxy.post(path, first | {"model": before})
        assert b"thought 1" in answer.body
        again = json.loads(next_turn(style, first, answer.json)) | {"model": after}
        assert b"pilotfish:" in json.dumps(again).encode()
        answer = await proxy.post(path, again)
        assert answer.status == 200
        body = vendor.requests[-1].body
        assert b"pilotfish:" not in body
        assert b"clock" in body
