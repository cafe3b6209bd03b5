"""Configurations of others, as their users have them: imported, checked, and then asked through the
running proxy.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from harness import proxied
from pilotfish.cli import main
from pilotfish.simulated import Fault, SimulatedVendor

LITELLM = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: azure/gpt-4o-eu, api_base: "{azure}/", api_key: os.environ/AZURE_KEY, api_version: "2024-10-21", rpm: 900}}
    model_info: {{base_model: azure/gpt-4o, mode: chat}}
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "{openai}", api_key: os.environ/OPENAI_KEY, rpm: 100, stream_timeout: 20}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{anthropic}", api_key: os.environ/ANTHROPIC_KEY, max_tokens: 4096}}
  - model_name: local
    litellm_params: {{model: hosted_vllm/llama-3, api_base: "{local}", input_cost_per_token: 3e-06}}
  - model_name: "anthropic/*"
    litellm_params: {{model: "anthropic/*"}}
  - model_name: rank
    litellm_params: {{model: cohere/rerank-english-v3.0, api_key: os.environ/COHERE_KEY}}
litellm_settings:
  drop_params: true
  success_callback: [langfuse]
  context_window_fallbacks: [{{gpt-4o: [claude]}}]
  cache_params: {{type: redis, password: hush-redis}}
router_settings:
  routing_strategy: simple-shuffle
  model_group_alias: {{gpt-4: gpt-4o, hidden: {{model: claude, hidden: true}}}}
  num_retries: 0
  allowed_fails: 3
  cooldown_time: 30
  fallbacks: [{{gpt-4o: [local, nowhere]}}]
general_settings: {{master_key: sk-hush-master, database_url: "postgresql://user:hush@db/x"}}
"""
KEYS = {"AZURE_KEY": "azure", "OPENAI_KEY": "openai", "ANTHROPIC_KEY": "anthropic"}
LOST = [
    "model_list[1].litellm_params.stream_timeout: has no counterpart",
    "model_list[2].litellm_params.max_tokens: has no counterpart",
    "model_list[4]: any model of a vendor: ask for `anthropic-2/MODEL` instead, which needs no rule",
    "model_list[5]: no kind of provider is known for model 'cohere/rerank-english-v3.0'",
    "fallbacks.gpt-4o: unknown model group 'nowhere'",
    "context_window_fallbacks.gpt-4o: 'claude' serves after other failures too, not only for context_length",
    "litellm_settings.cache_params: has no counterpart",
    "litellm_settings.success_callback: has no counterpart",
    "general_settings: a setting of the program, not of its routing",
]


@pytest.fixture
async def vendors(monkeypatch):
    async with AsyncExitStack() as stack:
        named = {}
        for name in ("azure", "openai", "anthropic", "local"):
            key = f"hush-{name}" if name != "local" else None
            named[name] = await stack.enter_async_context(SimulatedVendor(key=key))
        for variable, name in KEYS.items():
            monkeypatch.setenv(variable, f"hush-{name}")
        yield named


def imported(tmp_path, capsys, name: str, text: str) -> tuple[str, list[str]]:
    """The rules file and what was said not to be carried over; the file is one that `pilotfish
    check` has nothing against.
    """
    (tmp_path / name).write_text(text)
    assert main(["import", str(tmp_path / name)]) == 0
    out, err = capsys.readouterr()
    (tmp_path / "imported.yaml").write_text(out)
    assert main(["check", str(tmp_path / "imported.yaml")]) == 0
    assert "good: " in capsys.readouterr().err
    assert "&" not in out, "no anchors: people will change one rule and not the other"
    return out, [line.removeprefix("not carried over: ") for line in err.splitlines()]


def asked(vendors: dict[str, SimulatedVendor]) -> dict[str, int]:
    found = {
        name: sum(r.method == "POST" for r in vendor.requests) for name, vendor in vendors.items()
    }
    for vendor in vendors.values():
        vendor.requests.clear()
    return {name: count for name, count in found.items() if count}


async def test_litellm(tmp_path, capsys, vendors):
    bases = {name: vendor.base for name, vendor in vendors.items()}
    bases |= {name: bases[name].removesuffix("/v1") for name in ("azure", "anthropic")}
    rules, lost = imported(tmp_path, capsys, "config.yaml", LITELLM.format(**bases))
    assert lost == LOST
    async with proxied(tmp_path, rules) as proxy:
        served = Counter(
            [(await proxy.chat("gpt-4")).headers["x-pilotfish-service"] for _ in range(60)]
        )
        assert sum(served.values()) == 60
        assert served["azure/gpt-4o-eu"] > 2 * served["openai_compatible/gpt-4o"], (
            "nine to one, by requests per minute"
        )
        asked(vendors)
        for name in ("azure", "openai"):
            vendors[name].script(*[Fault.status(503)] * 3)
        assert (await proxy.chat("gpt-4o")).headers["x-pilotfish-service"] == "vllm/llama-3"
        assert asked(vendors) == {"azure": 1, "openai": 1, "local": 1}
        answer = await proxy.post(
            "/v1/messages",
            {"model": "hidden", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
        )
        assert (answer.status, answer.headers["x-pilotfish-service"]) == (
            200,
            "anthropic/claude-sonnet-4-5",
        )
        assert await proxy.metric("pilotfish_cost_usd_total", provider="vllm") > 0
        assert (await proxy.chat("unheard-of")).status == 404


def tingly(bases: dict[str, str]) -> dict[str, Any]:
    def provider(uuid: str, name: str, base: str, style: str, **more: Any) -> dict[str, Any]:
        return {
            "uuid": uuid,
            "name": name,
            "api_base": base,
            "api_style": style,
            "enabled": True,
            "timeout": 1800,
            **more,
        }

    long = {
        "uuid": "o",
        "position": "token",
        "operation": "ge",
        "value": "2000",
        "meta": {"type": "int"},
    }
    word = {"uuid": "p", "position": "context_user", "operation": "regex", "value": "*deploy*"}
    return {
        "providers_v2": [
            provider("p-1", "My OpenAI", bases["openai"], "openai", token="hush-openai", models=["gpt-4o"]),
            provider("p-2", "claude", bases["anthropic"], "anthropic", token="hush-anthropic", proxy_url=""),
            provider("p-3", "box", bases["local"], "openai", token="", no_key_required=True),
            provider("p-4", "off", bases["azure"], "openai", token="hush-off", enabled=False),
        ],
        "rules": [
            {
                "uuid": "r-1", "scenario": "openai", "request_model": "auto", "response_model": "", "active": True, "smart_enabled": True,
                "services": [
                    {"provider": "p-1", "model": "gpt-4o", "weight": 1, "active": True, "time_window": 300},
                    {"provider": "p-4", "model": "gpt-4o", "weight": 1, "active": True},
                    {"provider": "gone", "model": "x"},
                ],
                "lb_tactic": {"type": "round_robin", "params": {"request_threshold": 1}},
                "smart_routing": [
                    {"description": "long", "ops": [long], "services": [{"provider": "p-2", "model": "claude-sonnet-4-5", "active": True}]},
                    {"description": "ops", "ops": [word], "services": [{"provider": "p-3", "model": "qwen3", "active": True}]},
                ],
            },
            {
                "uuid": "r-2", "scenario": "claude_code", "request_model": "tingly/cc", "active": True, "smart_affinity": True,
                "services": [{"provider": "p-2", "model": "claude-sonnet-4-5"}], "lb_tactic": {"type": 0},
            },
        ],
        "scenarios": [{"scenario": "claude_code", "flags": {"unified": False, "separate": True, "smart": True, "recording": True}}],
        "jwt_secret": "hush-jwt", "server_port": 12580,
    }  # fmt: skip


TINGLY_LOST = [
    "providers[0].token: a literal key: set environment variable MY_OPENAI_API_KEY to it",
    "providers[0].models: a remembered list there, an allow-list here: left out, so that every model may be asked for",
    "providers[1].token: a literal key: set environment variable CLAUDE_API_KEY to it",
    "providers[3].token: a literal key: set environment variable OFF_API_KEY to it",
    "rules[0].services[2]: provider 'gone' is not in this file",
    "rules[0].smart_routing[1].ops[0]: a glob over the whole text there: written as the regular expression '(?s)^.*deploy.*$'",
    "rules[1].smart_affinity: sessions are told apart by the request's user alone, not by header or address as well",
    "scenarios[0].flags.recording: has no counterpart",
    "jwt_secret: a setting of the program, not of its routing",
    "server_port: a setting of the program, not of its routing",
]


async def test_tingly_box(tmp_path, capsys, vendors, monkeypatch):
    bases = {name: vendor.base for name, vendor in vendors.items()}
    bases["anthropic"] = bases["anthropic"].removesuffix("/v1")
    rules, lost = imported(tmp_path, capsys, "config.json", json.dumps(tingly(bases)))
    assert lost == TINGLY_LOST
    for name, value in (("MY_OPENAI", "openai"), ("CLAUDE", "anthropic"), ("OFF", "off")):
        monkeypatch.setenv(f"{name}_API_KEY", f"hush-{value}")
    async with proxied(tmp_path, rules) as proxy:
        for text, service in (
            ("hello", "My OpenAI/gpt-4o"),
            ("line one\nplease deploy it\nnow", "box/qwen3"),
            ("word " * 4000, "claude/claude-sonnet-4-5"),
        ):
            answer = await proxy.chat("auto", text)
            assert (answer.status, answer.headers["x-pilotfish-service"]) == (200, service)
            assert answer.json["model"] == "auto", (
                "there the client always sees the name that it asked for"
            )
        body = {
            "model": "tingly/cc",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "x"}],
        }
        assert (await proxy.post("/claude_code/v1/messages", body)).status == 200
        assert (await proxy.post("/v1/messages", body)).status == 404, "the rule is its scenario's"
    assert asked(vendors) == {"openai": 1, "local": 1, "anthropic": 2}
