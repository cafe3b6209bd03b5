"""Merges what several watches report into one ordered set of rules ConfigMaps, or into problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.rules.documents import SUFFIXES
from pilotfish.errors import Problem


@dataclass(frozen=True, slots=True)
class Offered:
    """One version of a ConfigMap (`configmap`: as the Kubernetes API gives it), for the compiler.
    `source`: `configmap:NAMESPACE/NAME@RESOURCE_VERSION`.
    """

    source: str
    configmap: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one watch asks for: a ConfigMap by name, or with an empty name all of a namespace that
    match a label selector.
    """

    namespace: str
    name: str = ""
    selector: str = ""

    def __str__(self) -> str:
        return (
            f"configmap:{self.namespace}/{self.name}"
            if self.name
            else f"configmaps:{self.namespace}?{self.selector}"
        )


def wanted_from(configmaps: Iterable[str], selector: str, namespace: str) -> list[Wanted]:
    """The watches that the settings ask for: `configmaps` as `[namespace/]name`, or if there are
    none the `selector`. `namespace`: the one of the proxy.
    """
    named = [
        Wanted(ns or namespace, name)
        for ns, _, name in (entry.strip().rpartition("/") for entry in configmaps)
        if name
    ]
    return list(dict.fromkeys(named)) or [Wanted(namespace, selector=selector)]


class Collected:
    """The ConfigMaps that each watch reports. `offered` is meaningful once `is_complete`."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._seen: dict[Wanted, dict[str, Mapping[str, Any]] | None] = dict.fromkeys(wanted)

    def listed(self, wanted: Wanted, objects: Iterable[Mapping[str, Any]]) -> None:
        """A watch has listed its ConfigMaps."""
        self._seen[wanted] = {item["metadata"]["name"]: item for item in objects}

    def changed(self, wanted: Wanted, kind: str, item: Mapping[str, Any]) -> None:
        """A watch that has listed reports a change: `ADDED`, `MODIFIED` or `DELETED`."""
        seen = self._seen[wanted]
        assert seen is not None, "a change before the list"
        if kind == "DELETED":
            seen.pop(item["metadata"]["name"], None)
        else:
            seen[item["metadata"]["name"]] = item

    def is_complete(self) -> bool:
        """Whether every watch has listed."""
        return all(seen is not None for seen in self._seen.values())

    def offered(self) -> list[Offered]:
        """The ConfigMaps in the order of the watches, and for a selector by name, so that the same
        objects always give the same list.
        """
        maps: dict[str, Offered] = {}
        for seen in self._seen.values():
            for _, item in sorted((seen or {}).items()):
                offer = Offered(
                    f"{name_of(item)}@{item['metadata'].get('resourceVersion', '')}", item
                )
                maps.setdefault(name_of(item), offer)
        return list(maps.values())

    def missing(self) -> list[Problem]:
        """A problem for each watch without ConfigMaps. Like a document that does not validate it
        keeps the rules in force: a ConfigMap deleted by mistake must not remove them.
        """
        return [
            Problem(str(w), "", "not found" if w.name else "no ConfigMap is selected")
            for w, seen in self._seen.items()
            if not seen
        ]


def holds_rules(configmap: Mapping[str, Any]) -> bool:
    """Whether any key for rules has any text."""
    data = configmap.get("data") or {}
    return any(str(key).endswith(SUFFIXES) and str(text).strip() for key, text in data.items())


def size_of(offer: Offered) -> int:
    """The characters of its keys for rules."""
    data = offer.configmap.get("data") or {}
    return sum(len(str(text)) for key, text in data.items() if str(key).endswith(SUFFIXES))


def name_of(configmap: Mapping[str, Any]) -> str:
    """`configmap:NAMESPACE/NAME`."""
    metadata = configmap["metadata"]
    return f"configmap:{metadata.get('namespace', '')}/{metadata['name']}"
