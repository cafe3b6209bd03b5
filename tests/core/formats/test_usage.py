"""Token counts."""

from pilotfish.core.formats.usage import Usage


def test_counts_begin_at_nothing_and_are_taken_as_reported():
    usage = Usage()
    assert (usage.input, usage.output, usage.cached_input, usage.cache_write) == (0, 0, 0, 0)
    assert usage.reasoning == 0
    assert not usage.estimated
