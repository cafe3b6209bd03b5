"""Which rules ConfigMaps are there: several watches' lists and changes become one ordered set, or
problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilotfish.errors import Problem


@dataclass(frozen=True, slots=True)
class Offered:
    """One ConfigMap as it goes to the compiler. `source`:
    `configmap:NAMESPACE/NAME@RESOURCE_VERSION`.
    """

    source: str
    configmap: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One watch: a ConfigMap by name, or (name empty) all of a namespace that a label selector
    takes.
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
    """What the settings ask for: `[namespace/]name` each, or the selector in our own namespace."""
    named = [
        Wanted(ns or namespace, name)
        for ns, _, name in (entry.strip().rpartition("/") for entry in configmaps)
        if name
    ]
    return list(dict.fromkeys(named)) or [Wanted(namespace, selector=selector)]


class Collected:
    """What each watch has seen. `offered` only says something once every watch has listed."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._seen: dict[Wanted, dict[str, Mapping[str, Any]] | None] = dict.fromkeys(wanted)

    def listed(self, wanted: Wanted, objects: Iterable[Mapping[str, Any]]) -> None:
        self._seen[wanted] = {item["metadata"]["name"]: item for item in objects}

    def changed(self, wanted: Wanted, kind: str, item: Mapping[str, Any]) -> None:
        seen = self._seen[wanted]
        assert seen is not None, "a change before the list"
        if kind == "DELETED":
            seen.pop(item["metadata"]["name"], None)
        else:
            seen[item["metadata"]["name"]] = item

    def is_complete(self) -> bool:
        return all(seen is not None for seen in self._seen.values())

    def offered(self) -> list[Offered]:
        """In the settings' order, within a selector by name: the same objects always give the same
        set.
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
        """A ConfigMap that was named and is not there changes nothing, like one that does not
        validate: deleting it by mistake must not take its rules out of force."""
        return [
            Problem(str(w), "", "not found" if w.name else "no ConfigMap is selected")
            for w, seen in self._seen.items()
            if not seen
        ]


def name_of(configmap: Mapping[str, Any]) -> str:
    metadata = configmap["metadata"]
    return f"configmap:{metadata.get('namespace', '')}/{metadata['name']}"
