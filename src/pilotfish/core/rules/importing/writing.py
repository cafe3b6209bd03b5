"""Shared by the importers: the result, unique names, names of variables for keys, and readers for
values of any type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pilotfish.core.model.provider import ProviderKind

_NOT_IN_NAMES = re.compile(r"[^ -.0-~]+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True)
class Known:
    """The names that rules may use. `kinds`: by name. `tactics`: name -> names of parameters."""

    kinds: Mapping[str, ProviderKind]
    tactics: Mapping[str, frozenset[str]]


@dataclass
class Imported:
    """The result of a conversion. `rules`: a rules file as plain data. `lost`: settings that could
    not be converted, or only to something different, each as `path: why`.
    """

    rules: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def lose(self, path: str, why: str) -> None:
        """Adds a line to `lost`, once."""
        line = f"{path}: {why}"
        if line not in self.lost:
            self.lost.append(line)

    def lose_keys(
        self,
        path: str,
        data: Mapping[str, Any],
        known: Iterable[str],
        why: str = "has no counterpart",
    ) -> None:
        """Adds every key of `data` that is set and not `known` to `lost`, without its value, which
        may be a secret.
        """
        for key in sorted(set(map(str, data)) - set(known)):
            if data.get(key) not in (None, "", [], {}, False, 0):
                self.lose(f"{path}.{key}" if path else key, why)

    def lose_texts(self, path: str, data: Mapping[str, Any], keys: Iterable[str]) -> None:
        """Adds those of `keys` that are set to something other than a number, such as a reference
        to an environment variable, to `lost`.
        """
        for key in keys:
            if data.get(key) not in (None, "") and number(data[key]) is None:
                self.lose(f"{path}.{key}", "expected a number, which must be written out here")

    def plain_url(self, path: str, url: str) -> str:
        """The URL without user and password, which must not be written to the rules."""
        parts = urlsplit(url)
        if parts.username is None and parts.password is None:
            return url
        self.lose(path, "its user and password are left out")
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def unique(wanted: str, taken: Iterable[str], fallback: str) -> str:
    """A printable name without a slash that is not `taken`: `wanted`, `wanted-2`, ...; `fallback`
    if nothing printable is left of `wanted`.
    """
    base = _NOT_IN_NAMES.sub("-", wanted).strip(" -")[:80] or fallback
    used = set(taken)
    name, n = base, 1
    while name in used:
        n += 1
        name = f"{base}-{n}"
    return name


def variable(name: str, suffix: str = "API_KEY") -> str:
    """The name of an environment variable: `my provider` gives MY_PROVIDER_API_KEY."""
    base = _NOT_IN_VARIABLES.sub("_", name.upper()).strip("_") or "PROVIDER"
    return f"{'P_' if base[0].isdigit() else ''}{base}_{suffix}"


def kind_of_host(base: str, kinds: Mapping[str, ProviderKind]) -> str:
    """The kind whose own base URL has the same host as `base`; empty if none has."""
    host = urlsplit(base).hostname or ""
    for name, kind in kinds.items():
        own = urlsplit(kind.base_url).hostname or ""
        if own and own == host and own != "localhost":
            return name
    return ""


def same_base(base: str, kind: ProviderKind) -> bool:
    """Whether a base URL is the kind's own, with or without the version."""
    own = kind.base_url.rstrip("/")
    return base.rstrip("/") in (own, own.removesuffix(kind.version))


def text(value: Any) -> str:
    """Text without spaces around it; empty for any other value."""
    return value.strip() if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A number, or text that holds one; None for any other value."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value.strip()) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; other entries are left out. Empty for any value but a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one for any other value."""
    return value if isinstance(value, Mapping) else {}
