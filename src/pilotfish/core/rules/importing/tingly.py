"""Converts a tingly-box JSON configuration, of any version of its format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pilotfish.core.rules.importing.writing import (
    Imported,
    Known,
    kind_of_host,
    mapping,
    number,
    objects,
    same_base,
    text,
    unique,
    variable,
)

# Tactics by their numbers in the newest format. Older ones agree where they have a number.
TACTIC_NUMBERS = (
    "round_robin",
    "token_based",
    "hybrid",
    "random",
    "latency_based",
    "speed_based",
    "adaptive",
    "capacity_based",
    "tier",
)
# tingly-box keeps a session on its service for two hours from the first request.
AFFINITY_TTL_S = 7200
DEFAULT_TIMEOUT_S = 1800
_GLOB_PARTS = re.compile(r"(\*|\?|\[[^\[\]\\]{2,}\]|\[[^\[\]\\!^]\])")
FLAGS = ("unified", "separate", "smart")
TOP = ("rules", "providers", "providers_v2", "scenarios")
PROVIDER_KEYS = (
    "uuid", "name", "api_base", "api_style", "token", "no_key_required", "enabled", "proxy_url",
    "timeout", "tags", "models", "last_updated", "auth_type", "oauth_detail",
    "default_model_capacity", "default_model",
)  # fmt: skip
RULE_KEYS = (
    "uuid", "scenario", "request_model", "response_model", "description", "services",
    "current_service_index", "current_service_id", "lb_tactic", "active", "smart_enabled",
    "smart_routing", "smart_affinity",
)  # fmt: skip
SERVICE_KEYS = (
    "provider",
    "model",
    "weight",
    "active",
    "time_window",
    "model_capacity",
    "tier",
    "stats",
)


def from_tingly(data: Mapping[str, Any], known: Known) -> Imported:
    """The rules for a tingly-box configuration: providers, rules with services, tactics and smart
    routing, scenarios. Tokens become references to environment variables.
    """
    result = Imported()
    names = _providers(data, known, result)
    rules: list[dict[str, Any]] = []
    for i, rule in enumerate(objects(data.get("rules"))):
        made = _rule(f"rules[{i}]", rule, names, known, result, [r["name"] for r in rules])
        if made is not None:
            rules.append(made)
    if rules:
        result.rules["rules"] = rules
    _scenarios(data.get("scenarios"), result)
    result.lose_keys("", data, TOP, "a setting of the program, not of its routing")
    return result


def _providers(data: Mapping[str, Any], known: Known, result: Imported) -> dict[str, str]:
    """Adds the providers to `result`. Returns the names by which services refer to them (uuid or
    name) -> their names in the rules.
    """
    made: dict[str, Any] = {}
    names: dict[str, str] = {}
    listed = data.get("providers_v2") or data.get("providers")
    if isinstance(listed, Mapping):  # the oldest form: by name
        listed = [
            {"name": name, **provider}
            for name, provider in listed.items()
            if isinstance(provider, Mapping)
        ]
    for i, provider in enumerate(objects(listed)):
        path = f"providers[{i}]"
        name = unique(text(provider.get("name")), made, f"provider-{i + 1}")
        made[name] = _provider(path, name, provider, known, result)
        for alias in (provider.get("name"), provider.get("uuid")):
            if text(alias):
                names.setdefault(text(alias), name)
    if made:
        result.rules["providers"] = made
    return names


def _provider(
    path: str, name: str, given: Mapping[str, Any], known: Known, result: Imported
) -> dict[str, Any]:
    base = result.plain_url(f"{path}.api_base", text(given.get("api_base")))
    style = text(given.get("api_style")) or "openai"
    kind = _kind(base, style, known)
    made: dict[str, Any] = {"kind": kind}
    if base and not same_base(base, known.kinds[kind]):
        made["api_base"] = base.rstrip("/")
    _credentials(path, name, given, made, known, result)
    if given.get("enabled") is False:
        made["enabled"] = False
    if text(given.get("proxy_url")):
        made["proxy_url"] = result.plain_url(f"{path}.proxy_url", text(given["proxy_url"]))
    timeout = number(given.get("timeout"))
    if timeout and timeout != DEFAULT_TIMEOUT_S:
        made["timeout"] = timeout
    if isinstance(given.get("tags"), list):
        made["tags"] = [str(tag) for tag in given["tags"]]
    if number(given.get("default_model_capacity")):
        made["default_model_capacity"] = given["default_model_capacity"]
    if text(given.get("default_model")):
        made["default_model"] = text(given["default_model"])
    if given.get("models"):
        result.lose(
            f"{path}.models",
            (
                "a remembered list there, an allow-list here: left out, so that every model may be "
                "asked for"
            ),
        )
    result.lose_keys(path, given, PROVIDER_KEYS)
    return made


def _kind(base: str, style: str, known: Known) -> str:
    found = kind_of_host(base, known.kinds)
    if style == "google":
        return "google"
    if found in ("google", "gemini_openai"):
        return "gemini_openai"
    if style == "anthropic":
        return "anthropic"
    # The configured style counts if the kind of this host has another one.
    return found if found and known.kinds[found].style == "openai" else "openai_compatible"


def _credentials(
    path: str,
    name: str,
    given: Mapping[str, Any],
    made: dict[str, Any],
    known: Known,
    result: Imported,
) -> None:
    if given.get("auth_type") == "oauth":
        made["auth_type"] = "oauth"
        detail = mapping(given.get("oauth_detail"))
        oauth: dict[str, Any] = {}
        for field in ("access_token", "refresh_token"):
            if text(detail.get(field)):
                oauth[field] = {"env": variable(name, field.upper())}
                result.lose(
                    f"{path}.oauth_detail.{field}",
                    f"set environment variable {oauth[field]['env']} to it",
                )
        for field in ("provider_type", "user_id", "expires_at"):
            if text(detail.get(field)):
                oauth[field] = text(detail[field])
        extra = mapping(detail.get("extra_fields"))
        kept = {
            key: str(extra[key])
            for key in ("token_url", "client_id", "scope")
            if text(extra.get(key))
        }
        if kept:
            oauth["extra_fields"] = kept
        elif "refresh_token" in oauth:
            knows_url = any(
                oauth.get("provider_type", "").lower() in kind.oauth_endpoints
                for kind in known.kinds.values()
            )
            needed = "client_id" if knows_url else "token_url and client_id"
            result.lose(
                f"{path}.oauth_detail",
                f"to refresh the token, oauth_detail.extra_fields needs the vendor's {needed}",
            )
        result.lose_keys(f"{path}.oauth_detail.extra_fields", extra, kept)
        made["oauth_detail"] = oauth
    elif text(given.get("token")):
        made["token"] = {"env": variable(name)}
        result.lose(
            f"{path}.token", f"a literal key: set environment variable {made['token']['env']} to it"
        )
    else:
        made["no_key_required"] = True
    if given.get("no_key_required") is True:
        made["no_key_required"] = True


def _rule(
    path: str,
    given: Mapping[str, Any],
    names: dict[str, str],
    known: Known,
    result: Imported,
    taken: list[str],
) -> dict[str, Any] | None:
    services = _services(f"{path}.services", given.get("services"), names, result)
    if not services:
        result.lose(path, "has no service that could be carried over: left out")
        return None
    scenario, model = text(given.get("scenario")), text(given.get("request_model"))
    made: dict[str, Any] = {
        "name": unique(f"{scenario}:{model}" if scenario else model, taken, "rule")
    }
    if scenario.startswith("_") or ":" in scenario:
        result.lose(f"{path}.scenario", f"{scenario!r} is no scenario here: the rule holds for any")
    elif scenario:
        made["scenario"] = scenario
    made["request_model"] = model or "*"
    # tingly-box always shows the client the requested name, whatever `response_model` says.
    made["response_model"] = "@requested"
    if text(given.get("description")):
        made["description"] = text(given["description"])
    if given.get("active") is False:
        made["active"] = False
    made["services"] = services
    made["lb_tactic"] = _tactic(path, mapping(given.get("lb_tactic")), known, result)
    blocks = _blocks(f"{path}.smart_routing", given.get("smart_routing"), names, result)
    if blocks:
        made["smart_enabled"] = given.get("smart_enabled") is True
        made["smart_routing"] = blocks
    affinity = given.get("smart_affinity")
    if affinity:
        ttl = number(affinity)
        made["affinity"] = {"by": "user", "ttl_s": ttl or AFFINITY_TTL_S}
        result.lose(
            f"{path}.smart_affinity",
            "sessions are told apart by the request's user alone, not by header or address as well",
        )
    result.lose_keys(path, given, RULE_KEYS)
    return made


def _services(
    path: str, given: Any, names: dict[str, str], result: Imported
) -> list[dict[str, Any]]:
    made = []
    for i, service in enumerate(objects(given)):
        at = f"{path}[{i}]"
        provider, model = names.get(text(service.get("provider"))), text(service.get("model"))
        if provider is None or not model:
            result.lose(
                at,
                f"provider {text(service.get('provider'))!r} is not in this file"
                if model
                else "names no model",
            )
            continue
        one: dict[str, Any] = {"provider": provider, "model": model}
        weight = number(service.get("weight"))
        if weight is not None and weight != 1:
            one["weight"] = max(0, weight)
        if service.get("active") is False:
            one["active"] = False
        for key in ("time_window", "model_capacity", "tier"):
            value = number(service.get(key))
            if value and value > 0:
                one[key] = value
        result.lose_keys(at, service, SERVICE_KEYS)
        made.append(one)
    return made


def _tactic(path: str, given: Mapping[str, Any], known: Known, result: Imported) -> dict[str, Any]:
    named, params = given.get("type"), dict(mapping(given.get("params")))
    if isinstance(named, int) and not isinstance(named, bool):
        named = TACTIC_NUMBERS[named] if 0 <= named < len(TACTIC_NUMBERS) else ""
    name = text(named).lower()
    if name in ("tier", "priority"):
        # Every rule has tiers here; the tactic is the one within a tier.
        name = text(params.pop("within_tier_tactic", "")) or "random"
    if name not in known.tactics:
        if name:
            result.lose(f"{path}.lb_tactic.type", f"unknown tactic {name!r}: adaptive instead")
        return {"type": "adaptive"}
    kept = {
        key: value
        for key, value in params.items()
        if key in known.tactics[name] and isinstance(value, int | float | str)
    }
    result.lose_keys(f"{path}.lb_tactic.params", params, kept)
    return {"type": name, "params": kept} if kept else {"type": name}


def _blocks(path: str, given: Any, names: dict[str, str], result: Imported) -> list[dict[str, Any]]:
    made = []
    for i, block in enumerate(objects(given)):
        at = f"{path}[{i}]"
        services = _services(f"{at}.services", block.get("services"), names, result)
        ops = []
        for j, op in enumerate(objects(block.get("ops"))):
            one = {"position": text(op.get("position")), "operation": text(op.get("operation"))}
            if text(op.get("value")):
                one["value"] = text(op["value"])
            if one["position"] == "user" and one["operation"] == "contains":
                # The old format means the last turn; the newer one calls that latest_user.
                one["position"] = "latest_user"
            if one["operation"] == "regex":
                one["value"] = as_regex(one.get("value", ""))
                result.lose(
                    f"{at}.ops[{j}]",
                    (
                        "a glob over the whole text there: written as the regular expression "
                        f"{one['value']!r}"
                    ),
                )
            ops.append(one)
        if services and ops:
            made.append(
                {"description": text(block.get("description")), "ops": ops, "services": services}
            )
        else:
            result.lose(at, "has no services or no conditions that could be carried over: left out")
    return made


def as_regex(glob: str) -> str:
    """The regular expression for a glob over the whole text, line breaks included. tingly-box calls
    such globs regular expressions.
    """

    def written(part: str) -> str:
        if part in ("*", "?"):
            return ".*" if part == "*" else "."
        if _GLOB_PARTS.fullmatch(part):
            members = part[1:-1]
            return f"[^{members[1:]}]" if members[0] in "!^" else part
        return re.escape(part)

    return f"(?s)^{''.join(map(written, _GLOB_PARTS.split(glob)))}$"


def _scenarios(given: Any, result: Imported) -> None:
    made: dict[str, Any] = {}
    for i, scenario in enumerate(objects(given)):
        name = text(scenario.get("scenario"))
        flags = mapping(scenario.get("flags"))
        kept = {flag: flags[flag] for flag in FLAGS if isinstance(flags.get(flag), bool)}
        if not name or name.startswith("_"):
            result.lose(f"scenarios[{i}]", f"{name!r} is no scenario here")
            continue
        entry: dict[str, Any] = {"flags": kept} if kept else {}
        if mapping(scenario.get("extensions")):
            entry["extensions"] = dict(scenario["extensions"])
        made[name] = entry
        result.lose_keys(f"scenarios[{i}].flags", flags, FLAGS)
    if made:
        result.rules["scenarios"] = made
