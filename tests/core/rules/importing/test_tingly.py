"""tingly-box configurations of every date."""

from __future__ import annotations

import json

import pytest

from pilotfish import providers
from pilotfish.core.model.patterns import regex_finder
from pilotfish.core.rules.importing import Known, imported
from pilotfish.core.rules.importing.tingly import as_regex

TACTICS = {
    "adaptive": frozenset({"latency_weight"}),
    "random": frozenset(),
    "token_based": frozenset({"token_threshold"}),
    "round_robin": frozenset({"request_threshold"}),
    "latency_based": frozenset({"latency_threshold_ms", "comparison_mode"}),
}
KNOWN = Known(providers.all_kinds(), TACTICS)

PROVIDERS = [
    {
        "uuid": "u-1",
        "name": "OpenAI",
        "api_base": "https://api.openai.com/v1",
        "api_style": "openai",
        "token": "sk-hush",
        "enabled": True,
        "timeout": 1800,
    },
    {
        "uuid": "u-2",
        "name": "glm",
        "api_base": "https://open.bigmodel.cn/api/anthropic",
        "api_style": "anthropic",
        "token": "hush",
    },
]
SERVICES = [{"provider": "u-1", "model": "gpt-4o", "weight": 1, "active": True, "time_window": 300}]


def rule(**more: object) -> dict[str, object]:
    return {
        "uuid": "r-1",
        "scenario": "claude_code",
        "request_model": "tingly/cc",
        "services": SERVICES,
        "active": True,
        **more,
    }


def made(*rules: dict[str, object], **more: object):
    result = imported({"providers_v2": PROVIDERS, "rules": list(rules), **more}, KNOWN)
    assert "hush" not in json.dumps(result.rules) + "".join(result.lost)
    return result


def test_providers_and_their_kinds():
    result = made()
    assert result.rules["providers"] == {
        "OpenAI": {"kind": "openai", "token": {"env": "OPENAI_API_KEY"}},
        "glm": {
            "kind": "anthropic",
            "api_base": "https://open.bigmodel.cn/api/anthropic",
            "token": {"env": "GLM_API_KEY"},
        },
    }
    assert (
        "providers[0].token: a literal key: set environment variable OPENAI_API_KEY to it"
        in result.lost
    )


@pytest.mark.parametrize(
    ("base", "style", "kind"),
    [
        ("https://generativelanguage.googleapis.com/v1beta/openai", "openai", "gemini_openai"),
        ("https://generativelanguage.googleapis.com", "google", "google"),
        ("https://api.deepseek.com", "openai", "deepseek"),
        ("https://api.anthropic.com", "openai", "openai_compatible"),
        ("https://api.deepseek.com/anthropic", "anthropic", "anthropic"),
        ("http://localhost:11434/v1", "openai", "openai_compatible"),
        ("https://models.example/v1", "", "openai_compatible"),
    ],
)
def test_the_kind_follows_from_host_and_style(base, style, kind):
    result = imported(
        {"rules": [], "providers": {"p": {"api_base": base, "api_style": style, "token": "t"}}},
        KNOWN,
    )
    assert result.rules["providers"]["p"]["kind"] == kind


def test_everything_else_of_a_provider():
    given = {
        "name": "p",
        "api_base": "https://user:hush@x.example/v1/",
        "no_key_required": True,
        "enabled": False,
        "proxy_url": "socks5://user:hush@proxy:1080",
        "timeout": 60,
        "tags": ["a", 1],
        "models": ["m1"],
        "default_model_capacity": 4,
        "default_model": "m",
        "quota": 5,
    }
    result = imported({"rules": [], "providers": [given]}, KNOWN)
    assert result.rules["providers"]["p"] == {
        "kind": "openai_compatible",
        "api_base": "https://x.example/v1",
        "no_key_required": True,
        "enabled": False,
        "proxy_url": "socks5://proxy:1080",
        "timeout": 60,
        "tags": ["a", "1"],
        "default_model_capacity": 4,
        "default_model": "m",
    }
    assert [line.partition(":")[0] for line in result.lost] == [
        "providers[0].api_base",
        "providers[0].proxy_url",
        "providers[0].models",
        "providers[0].quota",
    ]


def test_oauth():
    detail = {
        "access_token": "hush",
        "refresh_token": "hush",
        "provider_type": "claude_code",
        "user_id": "u",
        "expires_at": "2026-01-01T00:00:00Z",
        "extra_fields": {"token_url": "https://t", "secret_thing": "hush"},
    }
    result = imported(
        {
            "rules": [],
            "providers": [
                {
                    "name": "c",
                    "api_style": "anthropic",
                    "auth_type": "oauth",
                    "oauth_detail": detail,
                }
            ],
        },
        KNOWN,
    )
    assert result.rules["providers"]["c"] == {
        "kind": "anthropic",
        "auth_type": "oauth",
        "oauth_detail": {
            "access_token": {"env": "C_ACCESS_TOKEN"},
            "refresh_token": {"env": "C_REFRESH_TOKEN"},
            "provider_type": "claude_code",
            "user_id": "u",
            "expires_at": "2026-01-01T00:00:00Z",
            "extra_fields": {"token_url": "https://t"},
        },
    }
    assert "hush" not in json.dumps(result.rules) + "".join(result.lost)
    assert any("secret_thing" in line for line in result.lost)


def test_a_refresh_token_without_its_endpoint_is_told():
    detail = {"access_token": "a", "refresh_token": "r"}
    result = imported(
        {"rules": [], "providers": [{"name": "c", "auth_type": "oauth", "oauth_detail": detail}]},
        KNOWN,
    )
    assert any("needs the vendor's token_url" in line for line in result.lost)


def test_a_rule_with_its_services():
    services = [
        {
            "provider": "u-1",
            "model": "gpt-4o",
            "weight": 3,
            "active": False,
            "time_window": 0,
            "model_capacity": 8,
            "tier": 1,
            "stats": {"x": 1},
        },
        {"provider": "glm", "model": "glm-4.6", "weight": -2},
    ]
    result = made(rule(services=services, description="d", active=False, response_model="shown"))
    assert result.rules["rules"] == [
        {
            "name": "claude_code:tingly-cc",
            "scenario": "claude_code",
            "request_model": "tingly/cc",
            "response_model": "@requested",
            "description": "d",
            "active": False,
            "services": [
                {
                    "provider": "OpenAI",
                    "model": "gpt-4o",
                    "weight": 3,
                    "active": False,
                    "model_capacity": 8,
                    "tier": 1,
                },
                {"provider": "glm", "model": "glm-4.6", "weight": 0},
            ],
            "lb_tactic": {"type": "adaptive"},
        }
    ]


def test_a_rule_without_a_usable_service_is_left_out_and_told():
    result = made(rule(services=[{"provider": "gone", "model": "m"}, {"provider": "u-1"}]))
    assert "rules" not in result.rules
    assert result.lost[-3:] == [
        "rules[0].services[0]: provider 'gone' is not in this file",
        "rules[0].services[1]: names no model",
        "rules[0]: has no service that could be carried over: left out",
    ]


@pytest.mark.parametrize(
    ("scenario", "kept"),
    [("_global", None), ("claude_code:p1", None), ("", None), ("xcode", "xcode")],
)
def test_scenarios_that_exist_only_there(scenario, kept):
    assert made(rule(scenario=scenario)).rules["rules"][0].get("scenario") == kept


def test_two_rules_of_one_model_get_two_names():
    names = [r["name"] for r in made(rule(), rule()).rules["rules"]]
    assert names == ["claude_code:tingly-cc", "claude_code:tingly-cc-2"]


@pytest.mark.parametrize(
    ("given", "tactic"),
    [
        (
            {"type": "Token_Based", "params": {"token_threshold": 500}},
            {"type": "token_based", "params": {"token_threshold": 500}},
        ),
        (
            {"type": 0, "params": {"request_threshold": 5, "other": 1}},
            {"type": "round_robin", "params": {"request_threshold": 5}},
        ),
        (
            {"type": 4, "params": {"comparison_mode": "p95"}},
            {"type": "latency_based", "params": {"comparison_mode": "p95"}},
        ),
        (
            {"type": "tier", "params": {"within_tier_tactic": "round_robin"}},
            {"type": "round_robin"},
        ),
        ({"type": "priority"}, {"type": "random"}),
        ({"type": "magic"}, {"type": "adaptive"}),
        ({"type": 99}, {"type": "adaptive"}),
        (None, {"type": "adaptive"}),
    ],
)
def test_tactics_by_name_or_number(given, tactic):
    assert made(rule(lb_tactic=given)).rules["rules"][0]["lb_tactic"] == tactic


def test_smart_routing():
    blocks = [
        {
            "description": "long",
            "ops": [{"uuid": "o", "position": "token", "operation": "ge", "value": "60000"}],
            "services": SERVICES,
        },
        {
            "description": "glob",
            "ops": [{"position": "user", "operation": "regex", "value": "*x*"}],
            "services": SERVICES,
        },
        {"description": "nothing", "ops": [], "services": SERVICES},
    ]
    result = made(rule(smart_enabled=True, smart_routing=blocks))
    got = result.rules["rules"][0]
    assert got["smart_enabled"] is True
    assert got["smart_routing"][0] == {
        "description": "long",
        "ops": [{"position": "token", "operation": "ge", "value": "60000"}],
        "services": [{"provider": "OpenAI", "model": "gpt-4o", "time_window": 300}],
    }
    assert [block["description"] for block in got["smart_routing"]] == ["long", "glob"]
    assert got["smart_routing"][1]["ops"] == [
        {"position": "user", "operation": "regex", "value": "(?s)^.*x.*$"}
    ]
    assert any("written as the regular expression '(?s)^.*x.*$'" in line for line in result.lost)
    assert made(rule(smart_routing=blocks)).rules["rules"][0]["smart_enabled"] is False


@pytest.mark.parametrize(("given", "ttl"), [(True, 7200), (1800, 1800)])
def test_affinity(given, ttl):
    assert made(rule(smart_affinity=given)).rules["rules"][0]["affinity"] == {
        "by": "user",
        "ttl_s": ttl,
    }


def test_scenarios_with_their_flags():
    given = [
        {
            "scenario": "claude_code",
            "flags": {"unified": True, "smart": False, "recording": True},
            "extensions": {"a": 1},
        },
        {"scenario": "_global", "flags": {}},
    ]
    result = made(scenarios=given)
    assert result.rules["scenarios"] == {
        "claude_code": {"flags": {"unified": True, "smart": False}, "extensions": {"a": 1}}
    }
    assert any(line.startswith("scenarios[0].flags.recording") for line in result.lost)


def test_settings_of_the_program_are_named_without_their_values():
    result = made(jwt_secret="hush", model_token="hush", debug=True)
    assert [line for line in result.lost if "setting of the program" in line] == [
        "debug: a setting of the program, not of its routing",
        "jwt_secret: a setting of the program, not of its routing",
        "model_token: a setting of the program, not of its routing",
    ]


def test_scenarios_without_anything_in_them():
    assert made(scenarios=[{"scenario": "xcode"}]).rules["scenarios"] == {"xcode": {}}


def test_providers_without_a_name_or_an_oauth_without_tokens():
    result = imported({"rules": [], "providers": [{"auth_type": "oauth"}]}, KNOWN)
    assert result.rules["providers"] == {
        "provider-1": {"kind": "openai_compatible", "auth_type": "oauth", "oauth_detail": {}}
    }


def test_unknown_flags_of_a_rule_are_told():
    assert any(
        line.startswith("rules[0].flags") for line in made(rule(flags={"thinking_mode": "on"})).lost
    )


@pytest.mark.parametrize(
    ("glob", "matches", "others"),
    [
        ("*deploy*", ["deploy", "please\ndeploy it"], ["depl oy"]),
        ("a.b", ["a.b"], ["axb", "a.b.c"]),
        ("v?[0-9]*", ["vx1", "v.9z"], ["vx", "vv"]),
        ("[!a]bc", ["xbc"], ["abc", "bc"]),
        ("[", ["["], ["x"]),
        ("[!]", ["[!]"], ["x"]),
        ("", [""], ["x"]),
    ],
)
def test_what_was_called_a_regular_expression_and_is_a_glob_becomes_one(glob, matches, others):
    found = regex_finder(as_regex(glob))
    assert all(found(text) for text in matches)
    assert not any(found(text) for text in others)


def test_the_january_form_of_contains_looks_at_the_last_turn():
    blocks = [
        {
            "description": "x",
            "ops": [{"position": "user", "operation": "contains", "value": "x"}],
            "services": SERVICES,
        }
    ]
    got = made(rule(smart_enabled=True, smart_routing=blocks)).rules["rules"][0]["smart_routing"][0]
    assert got["ops"] == [{"position": "latest_user", "operation": "contains", "value": "x"}]
