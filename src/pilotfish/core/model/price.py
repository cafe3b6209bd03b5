"""What the tokens of a model cost, and the name by which a price list has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

RULES = "rules"  # the source of a price that the rules give under `prices`


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens. None means: as `input` or `output`; for `cache_write_1h`, as
    `cache_write`.

    `above`: what a request with more than `above_tokens` input tokens costs instead, all of its
    tokens. `tiers`: what it costs instead where the vendor says that it served it in this tier
    (`batch`, `flex`, `priority`). `source`: where the price comes from.
    """

    input: float = 0.0
    output: float = 0.0
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    image_input: float | None = None
    image_output: float | None = None
    above_tokens: int = 0
    above: Price | None = None
    tiers: Mapping[str, Price] = field(default_factory=dict)
    source: str = RULES


class ListedModel(NamedTuple):
    """Under which names a vendor's price list has a model. `tier`: the tier of that price which
    this provider is charged, such as `regional`; empty: the price itself."""

    vendor: str
    model: str
    tier: str = ""


def names_of(listed: ListedModel) -> list[str]:
    """The names to look a model up by: its own, and that without the date of its snapshot."""
    name = listed.model
    names = [name]
    for cut in (name.removesuffix("-latest"), name.partition("@")[0], _undated(name)):
        if cut not in names:
            names.append(cut)
    return names


def _undated(name: str) -> str:
    """Without `-2025-04-14`, `-20250929` or `-2512` at the end."""
    parts = name.split("-")
    for count, digits in ((3, (4, 2, 2)), (1, (8,)), (1, (4,))):
        last = parts[-count:]
        is_date = all(p.isdigit() for p in last) and tuple(map(len, last)) == digits
        if len(parts) > count and is_date:
            return "-".join(parts[:-count])
    return name


def listed_by(vendor: str) -> Callable[[str, Mapping[str, object]], ListedModel]:
    """For kinds whose model names are those of a vendor's own list."""

    def listed(model: str, options: Mapping[str, object]) -> ListedModel:
        return ListedModel(vendor, model)

    return listed
