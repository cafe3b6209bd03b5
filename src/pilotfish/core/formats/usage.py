"""Token counts, as every style reports them in the end."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct):
    """Token counts with one meaning for every vendor.

    `input` holds all input tokens, cached and written ones included; `output` holds reasoning.
    `cache_write_1h`: those of `cache_write` that are kept for an hour, which cost more.
    `estimated`: the upstream gave none.
    """

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False
    cache_write_1h: int = 0

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
        )
