"""Kubernetes quantities (`250m`, `1.5`, `128Mi`, `2e3`), compared and fitted into what a namespace
allows.

Source: the Kubernetes reference, "Quantity" and "LimitRange" (v1). The text that someone wrote is
kept wherever it is the one chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
}
_SUFFIXES |= {
    suffix: Decimal(1000) ** n for n, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)
}
_SUFFIXES |= {
    suffix: Decimal(1024) ** n for n, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
}
_QUANTITY = re.compile(
    r"(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE]([+-]?\d{1,2})|([A-Za-z]{0,2}))"
)


def amount(text: object) -> Decimal | None:
    """The number that a quantity means (cores, bytes), or None where it is not one. Negative
    quantities are none.
    """
    found = _QUANTITY.fullmatch(str(text).strip())
    if not found or (found[3] or "") not in _SUFFIXES:
        return None
    return Decimal(found[1]) * (
        Decimal(10) ** int(found[2]) if found[2] else _SUFFIXES[found[3] or ""]
    )


def larger(left: str, right: str) -> str:
    return right if (amount(right) or 0) > (amount(left) or 0) else left


def smaller(left: str, right: str) -> str:
    return right if (amount(right) or 0) < (amount(left) or 0) else left


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one resource of the sidecar asks for and may take at most, as quantities."""

    request: str
    limit: str

    def fitted(self, resource: str, limit_ranges: Iterable[Mapping[str, Any]]) -> Bounds:
        """These bounds within every LimitRange of the namespace: a Pod outside them would be
        refused for our sidecar's sake.
        """
        bounds = self
        for limit_range in limit_ranges:
            for item in (limit_range.get("spec") or {}).get("limits") or ():
                if item.get("type") == "Container":
                    bounds = bounds._within(resource, item)
        return bounds

    def within_pod(
        self, resource: str, pod_level: Mapping[str, Any], taken: Iterable[Mapping[str, Any]]
    ) -> Bounds:
        """These bounds within a Pod's own resources (Kubernetes 1.34): no container's limit may be
        above the Pod's, nor the sum of requests.

        `taken`: the `resources` of the containers that are there already.
        """
        request, limit = self.request, self.limit
        most = _of(pod_level, "limits", resource)
        asked = _of(pod_level, "requests", resource) or most
        if most is not None:
            limit = smaller(limit, most)
        if asked is not None:
            used = sum(
                (
                    (
                        amount(_of(r, "requests", resource) or _of(r, "limits", resource) or "")
                        or Decimal(0)
                    )
                    for r in taken
                ),
                Decimal(0),
            )
            left = max(Decimal(0), (amount(asked) or Decimal(0)) - used)
            if (amount(request) or Decimal(0)) > left:
                request = _written(resource, left, ROUND_FLOOR)
        return Bounds(smaller(request, limit), limit)

    def _within(self, resource: str, item: Mapping[str, Any]) -> Bounds:
        request, limit = self.request, self.limit
        if (most := _of(item, "max", resource)) is not None:
            limit = smaller(limit, most)
            request = smaller(request, limit)
        if (least := _of(item, "min", resource)) is not None:
            request = larger(request, least)
            limit = larger(limit, request)
        if ratio := amount(_of(item, "maxLimitRequestRatio", resource) or ""):
            most_by_ratio = _written(resource, (amount(request) or Decimal(0)) * ratio)
            limit = smaller(limit, most_by_ratio)
        return replace(self, request=request, limit=limit)


def _of(item: Mapping[str, Any], field: str, resource: str) -> str | None:
    value = (item.get(field) or {}).get(resource)
    return None if amount(value) is None else str(value)


def _written(resource: str, value: Decimal, rounding: str = ROUND_CEILING) -> str:
    if resource == "cpu":
        return f"{int((value * 1000).to_integral_value(rounding))}m"
    return str(int(value))
