"""Tokens and what they cost."""

from __future__ import annotations

from pilotfish.core.exchange.inbound import BYTES_PER_TOKEN
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.service import Price


def cost_of(usage: Usage, price: Price | None) -> float:
    """US dollars; 0 without a price. Cached and written input tokens have prices of their own, or
    the input's.
    """
    if price is None:
        return 0.0
    cached_price = price.input if price.cached_input is None else price.cached_input
    write_price = price.input if price.cache_write is None else price.cache_write
    plain = max(0, usage.input - usage.cached_input - usage.cache_write)
    dollars = (
        plain * price.input
        + usage.cached_input * cached_price
        + usage.cache_write * write_price
        + usage.output * price.output
    )
    return dollars / 1_000_000


def final_usage(
    known: Usage | None, chars: int, input_tokens: int, *, complete: bool, is_text: bool
) -> Usage | None:
    """What an attempt took. The upstream's own count where its answer came to an end; else, for
    text, what was read of it is estimated.

    `chars`: characters of content seen. `input_tokens`: our estimate of the request's. `is_text`:
    an operation that answers with text.
    """
    if complete and known is not None:
        return known
    if not is_text or not (complete or chars):
        return known
    spoken = -(-chars // BYTES_PER_TOKEN)
    if known is None:
        return Usage(input=input_tokens, output=spoken, estimated=True)
    return Usage(
        input=known.input,
        output=max(known.output, spoken),
        cached_input=known.cached_input,
        cache_write=known.cache_write,
        reasoning=known.reasoning,
        estimated=True,
    )
