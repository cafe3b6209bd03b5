"""`prices` and `price_lists`: what tokens cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pilotfish.core.rules.schema.base import Count, Name, NotNegative, Spec

Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
TierName = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[a-z][a-z0-9_-]*$")]


class AbovePriceSpec(Spec):
    """What a long request costs instead, all of its tokens. Absent prices are as for others."""

    tokens: Count = Field(description="input tokens; a request with more costs these prices")
    input: NotNegative | None = Field(default=None, description="input tokens")
    output: NotNegative | None = Field(default=None, description="output tokens")
    cached_input: NotNegative | None = Field(default=None, description="read from a cache")
    cache_write: NotNegative | None = Field(default=None, description="written to a cache")
    cache_write_1h: NotNegative | None = Field(default=None, description="written for an hour")
    audio_input: NotNegative | None = Field(default=None, description="input tokens of audio")
    audio_output: NotNegative | None = Field(default=None, description="output tokens of audio")
    image_input: NotNegative | None = Field(default=None, description="input tokens of images")
    image_output: NotNegative | None = Field(default=None, description="output tokens of images")


class TierPriceSpec(Spec):
    """What a request costs instead that the vendor says it served in this tier."""

    share: NotNegative | None = Field(
        default=None, description="every price times this; 0.5 is half price"
    )
    input: NotNegative | None = Field(default=None, description="input tokens")
    output: NotNegative | None = Field(default=None, description="output tokens")
    cached_input: NotNegative | None = Field(default=None, description="read from a cache")
    cache_write: NotNegative | None = Field(default=None, description="written to a cache")
    cache_write_1h: NotNegative | None = Field(default=None, description="written for an hour")
    audio_input: NotNegative | None = Field(default=None, description="input tokens of audio")
    audio_output: NotNegative | None = Field(default=None, description="output tokens of audio")
    image_input: NotNegative | None = Field(default=None, description="input tokens of images")
    image_output: NotNegative | None = Field(default=None, description="output tokens of images")


class PriceSpec(Spec):
    """US dollars per million tokens."""

    input: NotNegative = Field(default=0, description="input tokens")
    output: NotNegative = Field(default=0, description="output tokens, reasoning included")
    cached_input: NotNegative | None = Field(
        default=None, description="input tokens read from a cache; absent: as input"
    )
    cache_write: NotNegative | None = Field(
        default=None, description="input tokens written to a cache; absent: as input"
    )
    cache_write_1h: NotNegative | None = Field(
        default=None,
        description="input tokens written to a cache for an hour; absent: as cache_write",
    )
    audio_input: NotNegative | None = Field(
        default=None, description="input tokens of audio; absent: as input"
    )
    audio_output: NotNegative | None = Field(
        default=None, description="output tokens of audio; absent: as output"
    )
    image_input: NotNegative | None = Field(
        default=None, description="input tokens of images; absent: as input"
    )
    image_output: NotNegative | None = Field(
        default=None, description="output tokens of images; absent: as output"
    )
    above: AbovePriceSpec | None = Field(
        default=None, description="prices of requests with a long input; absent: the same"
    )
    tiers: dict[TierName, TierPriceSpec] = Field(
        default={},
        description="prices by the vendor's service tier (batch, flex, priority, ...)",
    )


class VendorPricesSpec(Spec):
    """A vendor's list prices, which stand in for the package's where they are newer."""

    as_of: Day = Field(description="the day on which the vendor's page said so, as 2026-11-20")
    models: dict[Name, PriceSpec] = Field(default={}, description="by the vendor's model name")
