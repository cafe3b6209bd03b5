"""The list prices that come with the package: facts from vendors' own pages, each vendor's with the
day on which it was read. Only rules that name such models have the file read.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from pilotfish.core.model.price import Price
from pilotfish.core.model.service import Provider
from pilotfish.core.rules.compile.prices import list_of, price_of
from pilotfish.core.rules.schema.prices import PriceSpec

FILE = Path(__file__).with_name("price_catalogue.json")


class VendorEntry(msgspec.Struct):
    """A vendor in the file. `page`: where its prices were read, at `as_of`. Models are left as they
    stand, since few of them are ever asked for. `unpriced`: models that are known, without a
    price."""

    as_of: str
    page: str
    models: dict[str, msgspec.Raw]
    unpriced: list[str] = []


@cache
def vendors() -> dict[str, VendorEntry]:
    """The file, by vendor."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, VendorEntry])


def list_price(vendor: str, model: str) -> Price | None:
    """A model's price in the package's list; None where it does not have it."""
    entry = vendors().get(vendor)
    if entry is None or model not in entry.models:
        return None
    given: Any = msgspec.json.decode(entry.models[model])
    return price_of(PriceSpec.model_validate(given), list_of(entry.as_of))


# Of a vendor with fewer models in the list most are missing.
_WHOLE = 10


def known_models(provider: Provider) -> list[str] | None:
    """The models of the vendor that a provider is; None where its list is not whole, or where the
    provider is another server.
    """
    kind = provider.kind
    if kind.listed is None or not kind.base_url or provider.base != kind.base_url:
        return None
    listed = kind.listed("", provider.options)
    entry = vendors().get(listed.vendor) if listed is not None else None
    if entry is None or len(entry.models) < _WHOLE:
        return None
    return [*entry.models, *entry.unpriced]
