"""LiteLLM's config.yaml: groups, fallbacks, aliases, numbers."""

from __future__ import annotations

import pytest

from pilotfish import providers
from pilotfish.core.rules.importing import Known, imported

TACTICS = {
    **{name: frozenset[str]() for name in ("adaptive", "random", "least_busy", "cost_based")},
    "latency_based": frozenset({"latency_threshold_ms"}),
    "token_based": frozenset({"token_threshold"}),
}
KNOWN = Known(providers.all_kinds(), TACTICS)

GPT = {
    "model_name": "gpt",
    "litellm_params": {"model": "openai/gpt-4o", "api_key": "os.environ/KEY"},
}
CLAUDE = {"model_name": "claude", "litellm_params": {"model": "anthropic/claude-sonnet-4-5"}}


def made(*entries: dict[str, object], **more: object):
    return imported({"model_list": list(entries), **more}, KNOWN)


def services(result, i: int = 0):
    return [
        (s["provider"], s["model"], s.get("tier", 0)) for s in result.rules["rules"][i]["services"]
    ]


def test_one_group_over_two_accounts():
    second = {
        "model_name": "gpt",
        "litellm_params": {
            "model": "azure/my-gpt",
            "api_base": "https://n.openai.azure.com/",
            "api_key": "os.environ/AZ",
            "api_version": "2024-10-21",
            "weight": 3,
            "rpm": 60,
            "tpm": 9000,
            "order": 2,
        },
    }
    result = made(GPT, second)
    assert result.rules == {
        "providers": {
            "openai": {"kind": "openai", "token": {"env": "KEY"}},
            "azure": {
                "kind": "azure",
                "options": {"endpoint": "https://n.openai.azure.com", "api_version": "2024-10-21"},
                "token": {"env": "AZ"},
            },
        },
        "rules": [
            {
                "name": "gpt",
                "request_model": "gpt",
                "services": [
                    {"provider": "openai", "model": "gpt-4o"},
                    {
                        "provider": "azure",
                        "model": "my-gpt",
                        "weight": 3,
                        "tier": 1,
                        "limits": {"requests_per_minute": 60, "tokens_per_minute": 9000},
                    },
                ],
                "lb_tactic": {"type": "random"},
            }
        ],
    }
    assert result.lost == []


def test_the_same_account_is_one_provider():
    other = {
        "model_name": "mini",
        "litellm_params": {"model": "openai/gpt-4o-mini", "api_key": "os.environ/KEY"},
    }
    another = {
        "model_name": "mini",
        "litellm_params": {"model": "openai/gpt-4o-mini", "api_key": "os.environ/KEY2"},
    }
    assert list(made(GPT, other, another).rules["providers"]) == ["openai", "openai-2"]


def test_fallbacks_to_other_groups_become_later_tiers():
    tiered = {
        "model_name": "claude",
        "litellm_params": {"model": "bedrock/anthropic.claude-v2:0", "order": 2},
    }
    result = made(
        GPT, CLAUDE, tiered, router_settings={"fallbacks": [{"gpt": ["claude", "nobody"]}]}
    )
    assert services(result) == [
        ("openai", "gpt-4o", 0),
        ("anthropic", "claude-sonnet-4-5", 1),
        ("bedrock", "anthropic.claude-v2:0", 2),
    ]
    assert services(result, 1) == [
        ("anthropic", "claude-sonnet-4-5", 0),
        ("bedrock", "anthropic.claude-v2:0", 1),
    ]
    assert "fallbacks.gpt: unknown model group 'nobody'" in result.lost


def test_fallbacks_for_a_reason():
    settings = {
        "context_window_fallbacks": [{"gpt": ["claude"]}],
        "content_policy_fallbacks": [{"*": ["claude"]}],
    }
    result = made(GPT, CLAUDE, litellm_settings=settings)
    assert result.rules["rules"][0]["fallback_on"] == ["context_length", "content_policy"]
    assert len(services(result)) == 2
    assert any("serves after other failures too" in line for line in result.lost)


def test_default_fallbacks_are_everybodys():
    result = made(GPT, CLAUDE, litellm_settings={"default_fallbacks": ["claude"]})
    assert len(services(result)) == 2
    assert len(services(result, 1)) == 1


@pytest.mark.parametrize("target", ["gpt", {"model": "gpt", "hidden": True}])
def test_aliases_are_rules_of_their_own(target):
    result = made(GPT, router_settings={"model_group_alias": {"gpt-4": target, "x": "nobody"}})
    assert [r["request_model"] for r in result.rules["rules"]] == ["gpt", "gpt-4"]
    assert result.lost == ["router_settings.model_group_alias.x: unknown model group 'nobody'"]


@pytest.mark.parametrize(
    ("strategy", "tactic"),
    [
        (None, {"type": "random"}),
        ("least-busy", {"type": "least_busy"}),
        ("latency-based-routing", {"type": "latency_based", "params": {"latency_threshold_ms": 1}}),
        ("usage-based-routing-v2", {"type": "token_based", "params": {"token_threshold": 1}}),
        ("cost-based-routing", {"type": "cost_based"}),
        ("magic", {"type": "adaptive"}),
    ],
)
def test_strategies(strategy, tactic):
    """Nobody keeps his turn there: each request goes where least is."""
    assert (
        made(GPT, router_settings={"routing_strategy": strategy}).rules["rules"][0]["lb_tactic"]
        == tactic
    )


def limited(model: str, **params: object):
    return {"model_name": "gpt", "litellm_params": {"model": model, **params}}


@pytest.mark.parametrize(
    ("first", "second", "weights"),
    [
        ({"rpm": 60, "tpm": 9000}, {"rpm": 6}, [60, 6]),
        ({"tpm": "9000"}, {"tpm": 1000}, [9000, 1000]),
        ({"rpm": 60}, {}, [None, None]),
        ({"rpm": 60, "weight": 1}, {"rpm": 6}, [1, None]),
    ],
)
def test_without_weights_the_shuffle_goes_by_the_limits(first, second, weights):
    rules = made(limited("openai/a", **first), limited("openai/b", **second)).rules["rules"]
    assert [service.get("weight") for service in rules[0]["services"]] == weights
    least_busy = made(
        limited("openai/a", rpm=60),
        limited("openai/b", rpm=6),
        router_settings={"routing_strategy": "least-busy"},
    )
    assert not any("weight" in service for service in least_busy.rules["rules"][0]["services"])


def test_what_is_no_number_is_told():
    result = made(
        limited("openai/a", rpm="os.environ/RPM", weight="2", timeout="soon"),
        router_settings={"num_retries": "os.environ/N"},
    )
    assert result.rules["rules"][0]["services"] == [
        {"provider": "openai", "model": "a", "weight": 2.0}
    ]
    assert [line.partition(":")[0] for line in result.lost] == [
        "model_list[0].litellm_params.rpm",
        "model_list[0].litellm_params.timeout",
        "router_settings.num_retries",
    ]


def test_of_a_setting_given_twice_the_one_that_does_not_count_is_told():
    result = made(
        GPT,
        CLAUDE,
        litellm_settings={"fallbacks": [{"claude": ["gpt"]}], "num_retries": 2},
        router_settings={"fallbacks": [{"gpt": ["claude"]}], "num_retries": 2},
    )
    assert services(result, 1) == [("anthropic", "claude-sonnet-4-5", 0)]
    assert result.lost == ["litellm_settings.fallbacks: router_settings has it as well, and wins"]


def test_rules_share_nothing_that_is_changed_in_one_of_them():
    rules = made(GPT, CLAUDE).rules["rules"]
    assert rules[0]["lb_tactic"] == rules[1]["lb_tactic"]
    assert rules[0]["lb_tactic"] is not rules[1]["lb_tactic"]


def test_numbers_become_defaults():
    settings = {"num_retries": 3, "timeout": 30, "allowed_fails": 2, "cooldown_time": 45}
    assert made(GPT, router_settings=settings).rules["defaults"] == {
        "timeouts": {"total_s": 30},
        "retries": {"max_retries": 3},
        "health": {"consecutive_error_threshold": 3, "recovery_timeout_seconds": 45},
    }
    library = made(GPT, litellm_settings={"request_timeout": 600})
    assert library.rules["defaults"] == {"timeouts": {"total_s": 600}}
    assert library.lost == [
        "litellm_settings.request_timeout: it bounds a wait for the vendor there, and a stream from its first to its last byte here "
        "(timeouts.total_s)"
    ]


def test_costs_per_token_become_prices_per_million():
    priced = {
        **GPT,
        "model_info": {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05, "id": "x"},
    }
    assert made(priced).rules["prices"] == {"openai/gpt-4o": {"input": 2.5, "output": 10.0}}


def test_a_wildcard_needs_no_rule():
    result = made({"model_name": "openai/*", "litellm_params": {"model": "openai/*"}})
    assert result.rules["rules"] == []
    assert result.lost == [
        "model_list[0]: any model of a vendor: ask for `openai/MODEL` instead, which needs no rule"
    ]


def test_what_has_no_counterpart_is_named_without_its_value():
    result = made(
        {
            **GPT,
            "litellm_params": {**GPT["litellm_params"], "mock_response": "hush"},
            "model_info": {"access_groups": ["a"]},
        },
        router_settings={"redis_password": "hush"},
        litellm_settings={"callbacks": ["langfuse"], "drop_params": True},
        general_settings={"master_key": "hush"},
    )
    assert "hush" not in "".join(result.lost)
    assert [line.partition(":")[0] for line in result.lost] == [
        "model_list[0].litellm_params.mock_response",
        "model_list[0].model_info.access_groups",
        "router_settings.redis_password",
        "litellm_settings.callbacks",
        "general_settings",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"model_name": "x"},
        {"litellm_params": {"model": "openai/x"}},
        {"model_name": "x", "litellm_params": {"model": "cohere/command"}},
    ],
)
def test_an_entry_that_cannot_be_carried_over_is_left_out(entry):
    assert [line.partition(":")[0] for line in made(entry, GPT).lost] == ["model_list[0]"]
    assert made(entry, GPT).rules["rules"][0]["name"] == "gpt"
    assert len(made(entry, GPT).rules["rules"]) == 1
