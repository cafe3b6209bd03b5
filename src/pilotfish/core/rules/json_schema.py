"""The JSON Schema of the rules file (`pilotfish schema`), and the reference in docs/rules.md, both
generated from the models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pilotfish.core.model.conditions import POSITIONS
from pilotfish.core.model.provider import OP_OF_STYLE, Option, ProviderKind
from pilotfish.core.model.tactic import Tactic
from pilotfish.core.rules.schema.document import RulesFile

_JSON_TYPES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
}


def json_schema(
    kinds: Mapping[str, ProviderKind] | None = None,
    tactics: Mapping[str, type[Tactic[Any]]] | None = None,
) -> dict[str, Any]:
    """The schema, draft 2020-12. `kinds` and `tactics` add their names, options and parameters."""
    schema = _plain(RulesFile.model_json_schema())
    definitions = schema["$defs"]
    definitions["OpSpec"]["oneOf"] = [
        _op(position, list(operations)) for position, operations in POSITIONS.items()
    ]
    definitions["ProviderSpec"]["properties"]["api_style"]["enum"] = [*OP_OF_STYLE, None]
    if kinds:
        provider = definitions["ProviderSpec"]
        provider["properties"]["kind"]["enum"] = sorted(kinds)
        provider["allOf"] = [_options(name, kind) for name, kind in sorted(kinds.items())]
    if tactics:
        tactic = definitions["TacticSpec"]
        tactic["properties"]["type"]["enum"] = sorted(tactics)
        tactic["allOf"] = [_params(name, cls) for name, cls in sorted(tactics.items())]
        for field in ("lb_tactic", "tactic"):
            for arm in _arms(definitions["RuleSpec"]["properties"][field]):
                if arm.get("type") == "string":
                    arm["enum"] = sorted(tactics)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Pilotfish rules",
    }


def _plain(node: Any) -> Any:
    """A schema without generated titles and without defaults that mean absent."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _names(value) if key in ("properties", "$defs") else _plain(value)
        for key, value in node.items()
        if not _is_generated(key, value)
    }


def _names(entries: dict[str, Any]) -> dict[str, Any]:
    """A map from names to schemas, whose keys are kept: a property may be called `title`."""
    return {name: _plain(value) for name, value in entries.items()}


def _is_generated(key: str, value: Any) -> bool:
    """Whether an entry is a generated title, or a default that means absent."""
    return (key == "title" and isinstance(value, str)) or (
        key == "default" and value in (None, {}, []) and value is not False
    )


def _arms(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all alternatives inside it."""
    yield node
    for word in ("anyOf", "oneOf"):
        for arm in node.get(word, ()):
            yield from _arms(arm)


def _op(position: str, operations: list[str]) -> dict[str, Any]:
    return {"properties": {"position": {"const": position}, "operation": {"enum": operations}}}


def _options(name: str, kind: ProviderKind) -> dict[str, Any]:
    options: dict[str, Any] = {
        "properties": {key: _option(option) for key, option in kind.options.items()},
        "additionalProperties": False,
    }
    required = [key for key, option in kind.options.items() if option.required]
    then: dict[str, Any] = {
        "properties": {"options": {**options, **({"required": required} if required else {})}}
    }
    if required:
        then["required"] = ["options"]
    return {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": then}


def _option(option: Option) -> dict[str, Any]:
    if option.secret:
        typed: dict[str, Any] = {"anyOf": [{"$ref": "#/$defs/SecretSource"}, {"type": "string"}]}
    else:
        typed = {"type": _JSON_TYPES[option.type]}
    if option.choices:
        typed["enum"] = list(option.choices)
    return {**typed, **({"description": option.help} if option.help else {})}


def _params(name: str, tactic: type[Tactic[Any]]) -> dict[str, Any]:
    params = _plain(tactic.Params.model_json_schema())
    params["additionalProperties"] = False
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {"properties": {"params": params}},
    }


# ---- the reference in docs/rules.md

_SECTIONS = (
    ("RulesFile", "A rules document"), ("DefaultsSpec", "defaults"), ("TimeoutsSpec", "timeouts"),
    ("RetriesSpec", "retries"), ("HealthSpec", "health"), ("CooldownSpec", "cooldown"),
    ("CredentialCooldownSpec", "credential_cooldown"),
    ("ProviderSpec", "providers.NAME"), ("SecretSource", "token"),
    ("MountedSecret", "token.secret"), ("OAuthSpec", "oauth_detail"), ("LimitsSpec", "limits"),
    ("RequestSpec", "request"), ("ParametersSpec", "request.defaults"),
    ("ThinkingSpec", "request.thinking"),
    ("RuleSpec", "rules[]"), ("ServiceSpec", "services[]"), ("TacticSpec", "lb_tactic"),
    ("BlockSpec", "smart_routing[]"), ("OpSpec", "ops[]"), ("AffinitySpec", "affinity"),
    ("RaceSpec", "race"), ("HedgeSpec", "hedge"), ("VirtualModelSpec", "virtual_models.NAME"),
    ("ParticipantSpec", "virtual_models.NAME.providers[]"), ("ScenarioSpec", "scenarios.NAME"),
    ("FlagsSpec", "scenarios.NAME.flags"), ("PriceSpec", "prices.NAME"),
    ("AbovePriceSpec", "prices.NAME.above"),
    ("TierPriceSpec", "prices.NAME.tiers.TIER"), ("VendorPricesSpec", "price_lists.VENDOR"),
    ("BudgetSpec", "budgets"),
)  # fmt: skip


def reference() -> str:
    """Markdown tables of all keys. Options of kinds and parameters of tactics are described on
    pages of their own.
    """
    schema = json_schema()
    out: list[str] = []
    for definition, title in _SECTIONS:
        node = schema if definition == "RulesFile" else schema["$defs"][definition]
        intro = node.get("description", "").split("\n\n")[0].replace("\n", " ")
        out += [f"### `{title}`" if title[0].islower() else f"### {title}", ""]
        out += [intro, ""] if intro else []
        out += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        required = node.get("required", ())
        out += [_row(key, value, key in required) for key, value in node["properties"].items()]
        out.append("")
    out += ["### Positions and operations", "", "| position | operations |", "| --- | --- |"]
    out += [
        f"| `{position}` | {', '.join(f'`{o}`' for o in operations)} |"
        for position, operations in POSITIONS.items()
    ]
    out.append("")
    return "\n".join(out)


def _row(key: str, node: dict[str, Any], required: bool) -> str:
    meaning = node.get("description", "").replace("|", "\\|")
    default, meaning = _default(node, meaning)
    return f"| `{key}`{' (required)' if required else ''} | {_type(node)} | {default} | {meaning} |"


# A default that is a record's stands at the end of the key's description, in brackets.
_AT_THE_END = re.compile(r"(; absent: the defaults')? \((\[[\w, ]*\]|\w[\w.]*)\)$")


def _default(node: dict[str, Any], meaning: str) -> tuple[str, str]:
    """The default, empty where there is none, and the meaning without it."""
    value = node.get("default")
    found = _AT_THE_END.search(meaning)
    if value is not None:
        words = f"{value:g}" if isinstance(value, float) else str(value)
        words = words.lower() if isinstance(value, bool) else words
        if found is not None and found[2] == words:
            meaning = meaning[: found.start()]
        return f"`{words}`" if value not in ("", [], {}) else "", meaning
    if found is None:
        return "", meaning
    return f"{'`defaults`, else ' if found[1] else ''}`{found[2]}`", meaning[: found.start()]


def _type(node: dict[str, Any]) -> str:
    arms = [a for word in ("anyOf", "oneOf") for a in node.get(word, ()) if a.get("type") != "null"]
    if arms:
        return " or ".join(dict.fromkeys(_type(a) for a in arms))
    if "$ref" in node:
        return "object"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"] if value is not None)
    if node.get("type") == "array":
        return f"list of {_type(node['items'])}"
    if isinstance(node.get("additionalProperties"), dict):
        return f"object of {_type(node['additionalProperties'])}"
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "object": "object",
    }
    return words.get(str(node.get("type")), "any") + _bounds(node)


def _bounds(node: dict[str, Any]) -> str:
    words = {"exclusiveMinimum": "> {}", "minimum": ">= {}", "maximum": "<= {}"}
    bounds = [text.format(f"{node[key]:g}") for key, text in words.items() if key in node]
    return f", {', '.join(bounds)}" if bounds else ""
