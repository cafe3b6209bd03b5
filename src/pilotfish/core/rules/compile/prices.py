"""Compiles `prices` and `price_lists`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotfish.core.model.price import RULES, Price
from pilotfish.core.model.price_list import Catalogue, PriceList, VendorPrices
from pilotfish.core.model.service import Provider
from pilotfish.core.rules.compile.findings import Findings, unknown
from pilotfish.core.rules.compile.merge import Merged
from pilotfish.core.rules.schema.prices import AbovePriceSpec, PriceSpec, TierPriceSpec

_KINDS = (
    "input", "output", "cached_input", "cache_write", "cache_write_1h", "audio_input",
    "audio_output", "image_input", "image_output",
)  # fmt: skip


def price_list(
    merged: Merged,
    providers: Mapping[str, Provider],
    catalogue: Catalogue | None,
    findings: Findings,
) -> PriceList:
    """All prices. They may name models that no rule uses; only a name whose first part is nearly
    that of a provider is a problem.
    """
    for name, (place, _) in merged.prices.items():
        head, slash, _rest = name.partition("/")
        if slash and head not in merged.names_given:
            message = unknown("provider", head, merged.names_given)
            if "did you mean" in message:
                findings.add(place, message)
    return PriceList(
        given={name: price_of(spec) for name, (_, spec) in merged.prices.items()},
        lists={
            vendor: VendorPrices(
                spec.as_of,
                {model: price_of(p, list_of(spec.as_of)) for model, p in spec.models.items()},
            )
            for vendor, (_, spec) in merged.price_lists.items()
        },
        catalogue=catalogue,
    )


def list_of(as_of: str) -> str:
    """The source of prices that a vendor's list gives: later lists sort after earlier ones."""
    return f"list {as_of}"


def price_of(spec: PriceSpec, source: str = RULES) -> Price:
    """The record of a price, with all that it costs instead in its tiers and above its bound."""
    rates = {kind: getattr(spec, kind) for kind in _KINDS}
    above = spec.above
    long = _other(rates, above, source) if above is not None else None
    return Price(
        **rates,
        above_tokens=above.tokens if above is not None else 0,
        above=long,
        tiers={name: _tier(tier, rates, above, source) for name, tier in spec.tiers.items()},
        source=source,
    )


def _tier(
    tier: TierPriceSpec,
    rates: Mapping[str, Any],
    above: AbovePriceSpec | None,
    source: str,
) -> Price:
    """A tier with a `share` has long requests at that share too; one with prices of its own has
    one price for all."""
    share = tier.share
    if share is None:
        return _other(rates, tier, source)
    shared = _times(rates, share)
    standard = _other(shared, tier, source)
    if above is None:
        return standard
    long = {**rates, **_given(above)}
    return Price(
        **{kind: getattr(standard, kind) for kind in _KINDS},
        above_tokens=above.tokens,
        above=Price(**_times(long, share), source=source),
        source=source,
    )


def _other(rates: Mapping[str, Any], instead: AbovePriceSpec | TierPriceSpec, source: str) -> Price:
    return Price(**{**rates, **_given(instead)}, source=source)


def _given(spec: AbovePriceSpec | TierPriceSpec) -> dict[str, Any]:
    found = {kind: getattr(spec, kind) for kind in _KINDS}
    return {kind: rate for kind, rate in found.items() if rate is not None}


def _times(rates: Mapping[str, Any], share: float) -> dict[str, Any]:
    return {kind: None if rate is None else rate * share for kind, rate in rates.items()}
