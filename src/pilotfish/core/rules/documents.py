"""Text -> the rules documents in it: of a rules file, or of the ConfigMaps in a Kubernetes
manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.rules.yaml_text import Parsed, TextError, parse
from pilotfish.errors import Problem, RuleError

SUFFIXES = (".yaml", ".yml", ".json")
LABEL = "pilotfish.dev/config"


@dataclass(frozen=True, slots=True)
class RulesDocument:
    """One rules document. `source`: its name in problems (`file:rules.yaml`, `configmap:ns/name@12:
    rules.yaml`). `origin`: the file or ConfigMap that it is from (`configmap:ns/name@12`). `lines`:
    path -> line number, empty for JSON.
    """

    source: str
    data: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """The documents of a text that could be read, and the problems of the others."""

    documents: list[RulesDocument] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def whole(self) -> list[RulesDocument]:
        """All documents. Raises `RuleError` if there are problems."""
        if self.problems:
            raise RuleError(self.problems)
        return self.documents


def read_documents(source: str, text: str) -> list[RulesDocument]:
    """The documents of a rules file; none for an empty text. Raises `RuleError`."""
    return _rules(source, source, _parsed(source, text)).whole()


def documents_of_manifest(source: str, text: str) -> list[RulesDocument]:
    """The rules in the ConfigMaps of a Kubernetes manifest, those inside a `List` too. Raises
    `RuleError` with all problems.

    If some of the ConfigMaps have the label `pilotfish.dev/config: "true"`, the others are taken to
    hold something else and are skipped.
    """
    return _manifest(source, _parsed(source, text)).whole()


def documents_of_config_map(source: str, config_map: Mapping[str, Any]) -> list[RulesDocument]:
    """The rules in a ConfigMap, given as the Kubernetes API does: one document for each data key
    that ends in .yaml, .yml or .json. Raises `RuleError`.
    """
    return _config_map(source, source, config_map).whole()


def or_empty(source: str, documents: list[RulesDocument]) -> list[RulesDocument]:
    """The documents of a file or ConfigMap; one without content where it holds none, so that it is
    known to be there and empty.
    """
    return documents or [RulesDocument(source, {}, origin=source)]


def documents_of_text(source: str, text: str) -> list[RulesDocument]:
    """The documents of a rules file or a manifest; text with `apiVersion` and `kind` is a manifest.
    Raises `RuleError`.
    """
    return read_text(source, text).whole()


def read_text(source: str, text: str) -> Reading:
    """As `documents_of_text`, but keeps the documents that can be read when others cannot."""
    try:
        parsed = _parsed(source, text)
    except RuleError as error:
        return Reading(problems=error.problems)
    if any(
        isinstance(p.data, dict) and "apiVersion" in p.data and "kind" in p.data for p in parsed
    ):
        return _manifest(source, parsed)
    return _rules(source, source, parsed)


def _rules(source: str, origin: str, parsed: Iterable[Parsed]) -> Reading:
    reading = Reading()
    for one in parsed:
        if isinstance(one.data, dict):
            reading.documents.append(RulesDocument(source, one.data, one.lines, origin))
        else:
            expected = "expected an object with keys such as 'rules' and 'providers'"
            reading.problems.append(Problem(source, "", f"{expected}, found {_kind(one.data)}"))
    return reading


def _manifest(source: str, parsed: Iterable[Parsed]) -> Reading:
    maps = [m for one in parsed for m in _config_maps(one.data)]
    labelled = [m for m in maps if _metadata(m, "labels").get(LABEL) == "true"]
    return _together(
        _config_map(f"{source}: configmap {_name(m)}", source, m) for m in labelled or maps
    )


def _config_map(source: str, origin: str, config_map: Mapping[str, Any]) -> Reading:
    data = config_map.get("data") or {}
    if not isinstance(data, Mapping):
        return Reading(
            problems=[Problem(source, "data", f"expected an object, found {_kind(data)}")]
        )
    return _together(
        _key(f"{source}: {key}", origin, text)
        for key, text in sorted(data.items())
        if str(key).endswith(SUFFIXES)
    )


def _key(source: str, origin: str, text: object) -> Reading:
    if not isinstance(text, str):
        return Reading(problems=[Problem(source, "", f"expected text, found {_kind(text)}")])
    try:
        return _rules(source, origin, _parsed(source, text))
    except RuleError as error:
        return Reading(problems=error.problems)


def _together(readings: Iterable[Reading]) -> Reading:
    whole = Reading()
    for reading in readings:
        whole.documents.extend(reading.documents)
        whole.problems.extend(reading.problems)
    return whole


def _parsed(source: str, text: str) -> list[Parsed]:
    try:
        return parse(text, is_json=source.endswith(".json"))
    except TextError as error:
        raise RuleError([Problem(source, error.path, error.message)]) from None


def _config_maps(data: object) -> Iterable[dict[str, Any]]:
    if not isinstance(data, dict):
        return
    if data.get("kind") == "ConfigMap":
        yield data
    elif str(data.get("kind", "")).endswith("List") and isinstance(data.get("items"), list):
        for item in data["items"]:
            # Items of a ConfigMapList need not say their kind.
            yield from _config_maps(
                {"kind": str(data["kind"]).removesuffix("List"), **item}
                if isinstance(item, dict)
                else item
            )


def _metadata(config_map: Mapping[str, Any], key: str) -> dict[str, Any]:
    metadata = config_map.get("metadata")
    found = metadata.get(key) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _name(config_map: Mapping[str, Any]) -> str:
    metadata = config_map.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or '?'}"


def _kind(value: object) -> str:
    return {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }.get(type(value), "nothing")
