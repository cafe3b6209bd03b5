"""Converts a LiteLLM `config.yaml`: a rule for each model group, a provider for each different
account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilotfish.core.rules.importing.litellm_models import ACCOUNT_KEYS, Deployments
from pilotfish.core.rules.importing.writing import (
    Imported,
    Known,
    mapping,
    number,
    objects,
    text,
    unique,
)

SHUFFLE = "simple-shuffle"
# Strategy -> (tactic, parameters). With a threshold of 1 each request goes to the service with the
# lowest value, as LiteLLM does it.
STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    SHUFFLE: ("random", {}),
    "least-busy": ("least_busy", {}),
    "latency-based-routing": ("latency_based", {"latency_threshold_ms": 1}),
    "usage-based-routing": ("token_based", {"token_threshold": 1}),
    "usage-based-routing-v2": ("token_based", {"token_threshold": 1}),
    "cost-based-routing": ("cost_based", {}),
}
ROUTER_KEYS = (
    "routing_strategy", "num_retries", "timeout", "allowed_fails", "cooldown_time", "fallbacks",
    "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks",
    "model_group_alias",
)  # fmt: skip
SETTINGS_KEYS = (
    "num_retries",
    "request_timeout",
    "fallbacks",
    "default_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "allowed_fails",
    "drop_params",
)
ENTRY_KEYS = ("model_name", "litellm_params", "model_info", "rpm", "tpm")
PARAMS_KEYS = (
    *ACCOUNT_KEYS,
    "model",
    "rpm",
    "tpm",
    "weight",
    "order",
    "max_parallel_requests",
    "input_cost_per_token",
    "output_cost_per_token",
)
NUMBERS = (
    "rpm",
    "tpm",
    "weight",
    "order",
    "max_parallel_requests",
    "timeout",
    "input_cost_per_token",
    "output_cost_per_token",
)
INFO_KEYS = (
    "id",
    "mode",
    "base_model",
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "max_tokens",
)
TOP = ("model_list", "router_settings", "litellm_settings")


def from_litellm(data: Mapping[str, Any], known: Known) -> Imported:
    """The rules for a LiteLLM configuration. A model group becomes a rule with the group's name as
    `request_model`; fallbacks to other groups become further tiers.
    """
    result = Imported()
    groups = _groups(data, known, result)
    settings = _settings(data, result)
    tactic = _tactic(settings, known, result)
    if tactic["type"] == "random":
        for services in groups.values():
            _weigh_by_limits(services)
    rules: list[dict[str, Any]] = []
    for group in groups:
        rule: dict[str, Any] = {
            "name": unique(group, [r["name"] for r in rules], "rule"),
            "request_model": group,
        }
        rule |= {
            "services": [dict(service) for service in groups[group]],
            "lb_tactic": dict(tactic),
        }
        _fallbacks(group, rule, groups, settings, result)
        rules.append(rule)
    for alias, target in _aliases(settings):
        found = next((r for r in rules if r["request_model"] == target), None)
        if found is None:
            result.lose(
                f"router_settings.model_group_alias.{alias}", f"unknown model group {target!r}"
            )
        else:
            rules.append(
                {
                    **found,
                    "name": unique(alias, [r["name"] for r in rules], "rule"),
                    "request_model": alias,
                }
            )
    defaults = _defaults(settings)
    result.rules = {
        **({"defaults": defaults} if defaults else {}),
        "providers": result.rules.pop("providers", {}),
        "rules": rules,
        **result.rules,
    }
    result.lose_keys("router_settings", mapping(data.get("router_settings")), ROUTER_KEYS)
    result.lose_keys("litellm_settings", mapping(data.get("litellm_settings")), SETTINGS_KEYS)
    result.lose_keys("", data, TOP, "a setting of the program, not of its routing")
    return result


def _settings(data: Mapping[str, Any], result: Imported) -> dict[str, Any]:
    """`router_settings` over `litellm_settings`, which has the same keys for LiteLLM's library."""
    library, router = mapping(data.get("litellm_settings")), mapping(data.get("router_settings"))
    for key in SETTINGS_KEYS:
        if key in library and key in router and library[key] != router[key]:
            result.lose(f"litellm_settings.{key}", "router_settings has it as well, and wins")
    for name, settings in (("litellm_settings", library), ("router_settings", router)):
        result.lose_texts(
            name,
            settings,
            ("num_retries", "timeout", "request_timeout", "allowed_fails", "cooldown_time"),
        )
    if number(router.get("timeout")) or number(library.get("request_timeout")):
        named = (
            "router_settings.timeout"
            if number(router.get("timeout"))
            else "litellm_settings.request_timeout"
        )
        result.lose(
            named,
            (
                "it bounds a wait for the vendor there, and a stream from its first to its last "
                "byte here (timeouts.total_s)"
            ),
        )
    return {**library, **router}


def _weigh_by_limits(services: list[dict[str, Any]]) -> None:
    """Sets weights by the limits per minute if none are given, as LiteLLM's shuffle does."""
    if any("weight" in service for service in services):
        return
    for kind in ("requests_per_minute", "tokens_per_minute"):
        limits = [service.get("limits", {}).get(kind) for service in services]
        if len(services) > 1 and all(limits):
            for service, limit in zip(services, limits, strict=True):
                service["weight"] = limit
            return


def _groups(
    data: Mapping[str, Any], known: Known, result: Imported
) -> dict[str, list[dict[str, Any]]]:
    """Model group -> its services. Adds providers and prices to `result`."""
    deployments = Deployments(known, result)
    groups: dict[str, list[dict[str, Any]]] = {}
    prices: dict[str, Any] = {}
    for i, entry in enumerate(objects(data.get("model_list"))):
        path, params, info = (
            f"model_list[{i}]",
            mapping(entry.get("litellm_params")),
            mapping(entry.get("model_info")),
        )
        group = text(entry.get("model_name"))
        if not group:
            result.lose(path, "has no model_name: left out")
            continue
        found = deployments.service(path, params)
        if found is None:
            continue
        if "*" in found["model"]:
            provider = found["provider"]
            result.lose(
                path,
                f"any model of a vendor: ask for `{provider}/MODEL` instead, which needs no rule",
            )
            continue
        service: dict[str, Any] = dict(found)
        weight, order = number(params.get("weight")), number(params.get("order"))
        if weight is not None:
            service["weight"] = max(0, weight)
        if order is not None and order > 1:
            service["tier"] = int(order) - 1
        limits = {
            "requests_per_minute": number(params.get("rpm")) or number(entry.get("rpm")),
            "tokens_per_minute": number(params.get("tpm")) or number(entry.get("tpm")),
            "concurrency": number(params.get("max_parallel_requests")),
        }
        if any(limits.values()):
            service["limits"] = {kind: value for kind, value in limits.items() if value}
        price = _price({**params, **info})
        if price:
            prices[f"{service['provider']}/{service['model']}"] = price
        groups.setdefault(group, []).append(service)
        result.lose_texts(path, entry, ("rpm", "tpm"))
        result.lose_texts(f"{path}.litellm_params", params, NUMBERS)
        result.lose_keys(path, entry, ENTRY_KEYS)
        result.lose_keys(f"{path}.litellm_params", params, PARAMS_KEYS)
        result.lose_keys(f"{path}.model_info", info, INFO_KEYS)
    if deployments.providers:
        result.rules["providers"] = deployments.providers
    if prices:
        result.rules["prices"] = prices
    return groups


def _price(costs: Mapping[str, Any]) -> dict[str, float]:
    """A price in dollars per million tokens from LiteLLM's dollars per token."""
    named = {
        "input": "input_cost_per_token",
        "output": "output_cost_per_token",
        "cached_input": "cache_read_input_token_cost",
    }
    found = {kind: number(costs.get(key)) for kind, key in named.items()}
    return {kind: round(value * 1e6, 6) for kind, value in found.items() if value is not None}


def _tactic(settings: Mapping[str, Any], known: Known, result: Imported) -> dict[str, Any]:
    strategy = text(settings.get("routing_strategy")) or SHUFFLE
    name, params = STRATEGIES.get(strategy, ("", {}))
    if name not in known.tactics:
        result.lose(
            "router_settings.routing_strategy", f"{strategy!r} is not known: adaptive instead"
        )
        return {"type": "adaptive"}
    kept = {key: value for key, value in params.items() if key in known.tactics[name]}
    return {"type": name, "params": kept} if kept else {"type": name}


def _fallbacks(
    group: str,
    rule: dict[str, Any],
    groups: dict[str, list[dict[str, Any]]],
    settings: Mapping[str, Any],
    result: Imported,
) -> None:
    """Adds the services of the groups that this one falls back to, each group as a further tier."""
    seen = {group}
    reasons = []
    sources = (
        ("fallbacks", ""),
        ("default_fallbacks", ""),
        ("context_window_fallbacks", "context_length"),
        ("content_policy_fallbacks", "content_policy"),
    )
    for key, reason in sources:
        for target in _targets(settings.get(key), group):
            if target not in groups:
                result.lose(f"{key}.{group}", f"unknown model group {target!r}")
                continue
            if reason and reason not in reasons:
                reasons.append(reason)
            if target in seen:
                continue
            seen.add(target)
            if reason:
                result.lose(
                    f"{key}.{group}",
                    f"{target!r} serves after other failures too, not only for {reason}",
                )
            tier = max(service.get("tier", 0) for service in rule["services"]) + 1
            lowest = min(service.get("tier", 0) for service in groups[target])
            rule["services"] += [
                {**s, "tier": tier + s.get("tier", 0) - lowest} for s in groups[target]
            ]
    if reasons:
        rule["fallback_on"] = reasons


def _targets(given: Any, group: str) -> Iterator[str]:
    """The groups that `group` falls back to, from `[{group: [a, b]}, {"*": [c]}]`, or from the
    plain list of `default_fallbacks`.
    """
    for entry in given if isinstance(given, list) else []:
        if isinstance(entry, str):
            yield entry
        for name, targets in mapping(entry).items():
            if name in (group, "*") and isinstance(targets, list):
                yield from (target for target in targets if isinstance(target, str))


def _aliases(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for alias, target in mapping(settings.get("model_group_alias")).items():
        yield str(alias), text(target) or text(mapping(target).get("model"))


def _defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    retries, timeout = (
        number(settings.get("num_retries")),
        number(settings.get("timeout")) or number(settings.get("request_timeout")),
    )
    fails, cooldown = number(settings.get("allowed_fails")), number(settings.get("cooldown_time"))
    if timeout:
        defaults["timeouts"] = {"total_s": timeout}
    if retries is not None:
        defaults["retries"] = {"max_retries": int(retries)}
    health: dict[str, Any] = {}
    if fails is not None:
        # LiteLLM takes a deployment out at the first failure after the allowed ones.
        health["consecutive_error_threshold"] = int(fails) + 1
    if cooldown:
        health["recovery_timeout_seconds"] = cooldown
    if health:
        defaults["health"] = health
    return defaults
