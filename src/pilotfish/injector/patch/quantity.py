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
class Totals:
    """What a Pod's containers ask for and may take of one resource, all together."""

    requests: Decimal = Decimal(0)
    limits: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one resource of the sidecar asks for and may take at most, as quantities."""

    request: str
    limit: str

    def fitted(
        self, resource: str, limit_ranges: Iterable[Mapping[str, Any]], taken: Totals = Totals()
    ) -> Bounds:
        """These bounds within every LimitRange of the namespace: a Pod outside them would be
        refused for our sidecar's sake. `taken`: by the containers that are there already.
        """
        bounds = self
        for limit_range in limit_ranges:
            for item in (limit_range.get("spec") or {}).get("limits") or ():
                if item.get("type") == "Container":
                    bounds = bounds._within(resource, item)
                elif item.get("type") == "Pod":
                    bounds = bounds._beside(resource, item, taken)
        return bounds

    def within_pod(self, resource: str, pod_level: Mapping[str, Any], taken: Totals) -> Bounds:
        """These bounds within a Pod's own resources (Kubernetes 1.34): no container's limit may be
        above the Pod's, nor the sum of requests.
        """
        request, limit = self.request, self.limit
        most = _of(pod_level, "limits", resource)
        asked = _of(pod_level, "requests", resource) or most
        if most is not None:
            limit = smaller(limit, most)
        if asked is not None:
            left = max(Decimal(0), (amount(asked) or Decimal(0)) - taken.requests)
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

    def _beside(self, resource: str, item: Mapping[str, Any], taken: Totals) -> Bounds:
        """Within a range for whole Pods: ours and what is taken count together."""
        request, limit = self.request, self.limit
        most = amount(_of(item, "max", resource) or "")
        if most is not None:
            room = _written(resource, max(Decimal(0), most - taken.limits), ROUND_FLOOR)
            limit = smaller(limit, room)
            left = _written(resource, max(Decimal(0), most - taken.requests), ROUND_FLOOR)
            request = smaller(smaller(request, left), limit)
        if ratio := amount(_of(item, "maxLimitRequestRatio", resource) or ""):
            together = (taken.requests + (amount(request) or Decimal(0))) * ratio
            room = _written(resource, max(Decimal(0), together - taken.limits), ROUND_FLOOR)
            limit = larger(smaller(limit, room), request)
        return replace(self, request=request, limit=limit)


def _of(item: Mapping[str, Any], field: str, resource: str) -> str | None:
    value = (item.get(field) or {}).get(resource)
    return None if amount(value) is None else str(value)


def _written(resource: str, value: Decimal, rounding: str = ROUND_CEILING) -> str:
    if resource == "cpu":
        return f"{int((value * 1000).to_integral_value(rounding))}m"
    whole = int(value.to_integral_value(rounding))
    mebi, rest = divmod(whole, 2**20)
    return str(whole) if rest else f"{mebi}Mi"
