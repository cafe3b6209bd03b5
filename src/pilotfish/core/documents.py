"""Text -> the documents in it: rules files, and Kubernetes manifests whose ConfigMaps hold rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pilotfish.core.yaml_text import Parsed, TextError, parse
from pilotfish.errors import Problem, RuleError

SUFFIXES = (".yaml", ".yml", ".json")
LABEL = "pilotfish.dev/config"


@dataclass(frozen=True, slots=True)
class Document:
    """One rules document. `source` names it (`file:rules.yaml`, `configmap:ns/name@12: rules.yaml`); `lines` maps paths to lines."""

    source: str
    data: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)


def read_documents(source: str, text: str) -> list[Document]:
    """The documents of a text that holds rules; an empty one is nothing. Raises `RuleError`."""
    return [_document(source, parsed) for parsed in _parsed(source, text)]


def documents_of_manifest(source: str, text: str) -> list[Document]:
    """The rules in the ConfigMaps of a Kubernetes manifest, inside a `List` too. Raises `RuleError` with the problems of all of them.

    Where some ConfigMap carries the label `pilotfish.dev/config: "true"`, those without it are somebody else's and are left alone.
    """
    maps = [m for parsed in _parsed(source, text) for m in _config_maps(parsed.data)]
    labelled = [m for m in maps if _metadata(m, "labels").get(LABEL) == "true"]
    return _all(partial(documents_of_config_map, f"{source}: configmap {_name(m)}", m) for m in labelled or maps)


def documents_of_config_map(source: str, config_map: Mapping[str, Any]) -> list[Document]:
    """The rules in one ConfigMap (as the Kubernetes API gives it): every data key ending in .yaml, .yml or .json."""
    data = config_map.get("data") or {}
    if not isinstance(data, Mapping):
        raise RuleError([Problem(source, "data", f"expected an object, found {_kind(data)}")])
    texts = {key: text for key, text in sorted(data.items()) if str(key).endswith(SUFFIXES)}
    return _all(partial(_of_key, f"{source}: {key}", text) for key, text in texts.items())


def documents_of_text(source: str, text: str) -> list[Document]:
    """The documents of a text that may be either: one with `apiVersion` and `kind` is a manifest. Raises `RuleError`."""
    parsed = _parsed(source, text)
    if any(isinstance(p.data, dict) and "apiVersion" in p.data and "kind" in p.data for p in parsed):
        return documents_of_manifest(source, text)
    return [_document(source, p) for p in parsed]


def _of_key(source: str, text: object) -> list[Document]:
    if not isinstance(text, str):
        raise RuleError([Problem(source, "", f"expected text, found {_kind(text)}")])
    return read_documents(source, text)


def _all(parts: Iterable[Callable[[], list[Document]]]) -> list[Document]:
    """The documents of every part, or the problems of all parts."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for part in parts:
        try:
            documents += part()
        except RuleError as error:
            problems += error.problems
    if problems:
        raise RuleError(problems)
    return documents


def _parsed(source: str, text: str) -> list[Parsed]:
    try:
        return parse(text, is_json=source.endswith(".json"))
    except TextError as error:
        raise RuleError([Problem(source, error.path, error.message)]) from None


def _document(source: str, parsed: Parsed) -> Document:
    if not isinstance(parsed.data, dict):
        raise RuleError([Problem(source, "", f"expected an object with keys such as 'rules' and 'providers', found {_kind(parsed.data)}")])
    return Document(source, parsed.data, parsed.lines)


def _config_maps(data: object) -> Iterable[dict[str, Any]]:
    if not isinstance(data, dict):
        return
    if data.get("kind") == "ConfigMap":
        yield data
    elif str(data.get("kind", "")).endswith("List") and isinstance(data.get("items"), list):
        for item in data["items"]:
            # Items of a ConfigMapList need not say their kind.
            yield from _config_maps({"kind": str(data["kind"]).removesuffix("List"), **item} if isinstance(item, dict) else item)


def _metadata(config_map: Mapping[str, Any], key: str) -> dict[str, Any]:
    metadata = config_map.get("metadata")
    found = metadata.get(key) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _name(config_map: Mapping[str, Any]) -> str:
    metadata = config_map.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or '?'}"


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(
        type(value), "nothing"
    )
