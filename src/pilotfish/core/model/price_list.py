"""Where prices are looked up: in the rules, in vendors' lists that the rules bring, and in the list
of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pilotfish.core.model.price import Price, names_of
from pilotfish.core.model.service import Provider


@dataclass(frozen=True, slots=True)
class VendorPrices:
    """A vendor's list prices by model, as its page had them at `as_of` (year-month-day)."""

    as_of: str
    models: Mapping[str, Price] = field(default_factory=dict)


# (vendor, model) -> its list price; None where the list does not have it. Reads a file.
Catalogue = Callable[[str, str], Price | None]


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices in force. `given`: those of the rules, by "provider/model", "provider/*" or by
    model for every provider. `lists`: vendors' lists that the rules bring, by vendor. `catalogue`:
    the list in the package, which is only asked for what the others do not have.
    """

    given: Mapping[str, Price] = field(default_factory=dict)
    lists: Mapping[str, VendorPrices] = field(default_factory=dict)
    catalogue: Catalogue | None = None

    def of(self, provider: Provider, model: str) -> Price | None:
        """What this provider charges for a model; None where nobody knows."""
        given = self.given
        found = (
            given.get(f"{provider.name}/{model}")
            or given.get(f"{provider.name}/*")
            or given.get(model)
        )
        if found is not None or provider.kind.listed is None:
            return found
        listed = provider.kind.listed(model, provider.options)
        if listed is None:
            return None
        price = next(filter(None, (self._listed(listed.vendor, m) for m in names_of(listed))), None)
        if price is None or not listed.tier:
            return price
        return price.tiers.get(listed.tier, price)

    def _listed(self, vendor: str, model: str) -> Price | None:
        """The newer of the two lists decides."""
        brought = self.lists.get(vendor)
        ours = brought.models.get(model) if brought is not None else None
        theirs = self.catalogue(vendor, model) if self.catalogue is not None else None
        if ours is None or theirs is None:
            return ours or theirs
        return ours if ours.source >= theirs.source else theirs
