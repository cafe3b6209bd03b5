"""The tokens of an attempt, and their cost."""

from __future__ import annotations

from pilotfish.core.exchange.inbound import BYTES_PER_TOKEN
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.price import Price


def cost_of(usage: Usage, price: Price | None) -> float:
    """The cost in US dollars; 0 without a price. Input tokens read from or written to a cache, and
    tokens of audio and images, have prices of their own, or else the price of input or output.
    """
    if price is None:
        return 0.0
    if usage.tier and price.tiers:
        price = price.tiers.get(usage.tier, price)
    if price.above is not None and usage.input > price.above_tokens:
        price = price.above
    cached_price = price.input if price.cached_input is None else price.cached_input
    write_price = price.input if price.cache_write is None else price.cache_write
    hour_price = write_price if price.cache_write_1h is None else price.cache_write_1h
    for_an_hour = min(usage.cache_write_1h, usage.cache_write)
    plain = max(0, usage.input - usage.cached_input - usage.cache_write)
    dollars = 0.0
    if usage.audio_input or usage.audio_output or usage.image_input or usage.image_output:
        dollars = _surcharge(usage, price, plain)
    dollars += (
        plain * price.input
        + usage.cached_input * cached_price
        + (usage.cache_write - for_an_hour) * write_price
        + for_an_hour * hour_price
        + usage.output * price.output
    )
    return dollars / 1_000_000


def _surcharge(usage: Usage, price: Price, plain: int) -> float:
    """What tokens of audio and images cost beside what they would cost as text, in dollars per
    million. No more of them than there are: some vendors count cached ones in both.
    """
    audio = min(usage.audio_input, plain)
    images = min(usage.image_input, plain - audio)
    spoken = min(usage.audio_output, usage.output)
    drawn = min(usage.image_output, usage.output - spoken)
    return (
        audio * _beside(price.audio_input, price.input)
        + images * _beside(price.image_input, price.input)
        + spoken * _beside(price.audio_output, price.output)
        + drawn * _beside(price.image_output, price.output)
    )


def _beside(own: float | None, of_text: float) -> float:
    return 0.0 if own is None else own - of_text


def final_usage(
    known: Usage | None, chars: int, input_tokens: int, *, complete: bool, is_text: bool
) -> Usage | None:
    """The tokens of an attempt; None if nothing is known.

    They are the upstream's own count (`known`) if the response is `complete`. Otherwise, for
    operations that answer with text (`is_text`), output is estimated from `chars`, the characters
    of content received, and input from `input_tokens`, the estimate made of the request.
    """
    if complete and known is not None:
        return known
    if not is_text or not (complete or chars):
        return known
    output = -(-chars // BYTES_PER_TOKEN)
    if known is None:
        return Usage(input=input_tokens, output=output, estimated=True)
    return Usage(
        input=known.input,
        output=max(known.output, output),
        cached_input=known.cached_input,
        cache_write=known.cache_write,
        reasoning=known.reasoning,
        estimated=True,
        cache_write_1h=known.cache_write_1h,
        clamped=known.clamped,
        audio_input=known.audio_input,
        audio_output=known.audio_output,
        image_input=known.image_input,
        image_output=known.image_output,
        tier=known.tier,
    )
