"""Token counts, as every style reports them in the end."""

from __future__ import annotations

import msgspec

# No answer has as many. Vendors' numbers are held to it, so that sums stay what others can read:
# logs and JSON have 64 bits.
MAX_TOKENS = (1 << 30) - 1


class Usage(msgspec.Struct):
    """Token counts with one meaning for every vendor.

    `input` holds all input tokens, cached and written ones included; `output` holds reasoning.
    `cache_write_1h`: those of `cache_write` that are kept for an hour, which cost more.
    `audio_input`, `image_input` and the like: parts of `input` and `output` that have prices of
    their own, where the vendor tells them apart. `tier`: the service tier that the vendor says it
    served in, lower case; empty where it says nothing.
    `estimated`: the upstream gave none. `clamped`: it gave a number that no count of tokens can be,
    in whose place stands the nearest that one can.
    """

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False
    cache_write_1h: int = 0
    clamped: bool = False
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0
    tier: str = ""

    def __post_init__(self) -> None:
        # All at once: beyond 30 bits there is something only where a count is too large, or is
        # negative.
        bits = self.input | self.output | self.cached_input | self.cache_write | self.reasoning
        bits |= self.cache_write_1h | self.audio_input | self.audio_output
        if (bits | self.image_input | self.image_output) >> 30:
            self.clamped = True
            for name in _COUNTS:
                setattr(self, name, min(max(getattr(self, name), 0), MAX_TOKENS))

    def plus(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached_input=self.cached_input + other.cached_input,
            cache_write=self.cache_write + other.cache_write,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            clamped=self.clamped or other.clamped,
            audio_input=self.audio_input + other.audio_input,
            audio_output=self.audio_output + other.audio_output,
            image_input=self.image_input + other.image_input,
            image_output=self.image_output + other.image_output,
            tier=self.tier or other.tier,
        )


_COUNTS = (
    "input", "output", "cached_input", "cache_write", "reasoning", "cache_write_1h", "audio_input",
    "audio_output", "image_input", "image_output",
)  # fmt: skip
