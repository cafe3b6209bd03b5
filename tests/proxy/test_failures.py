"""Failures in the proxy's own words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.http1 import pending
from pilotfish.proxy.failures import LOST, after_content, failure_of_ours


@pytest.mark.interpreted  # compiled, it has no docstring
def test_every_way_to_lose_a_connection_has_an_outcome_and_a_status():
    """The words are those that a pool may report, as its `Listener` names them."""
    told = (pending.Listener.on_lost.__doc__ or "").partition(":")[2]
    known = set(re.findall(r"(\w+)(?: \([^)]*\))?[,.]", told))
    assert set(LOST) == known
    assert all(status >= 500 for _, status in LOST.values())


def test_every_kind_that_a_connection_reports_is_known():
    """So that no lost connection ends in a KeyError."""
    sources = (Path(pending.__file__).parent / name for name in ("pool.py", "upstream.py"))
    said = {
        kind for source in sources for kind in re.findall(r'lost\(\s*"(\w+)"', source.read_text())
    }
    assert len(said) >= 4
    assert said <= set(LOST)


def test_a_failure_without_more_is_a_bad_gateway():
    failure = failure_of_ours(Outcome.SERVER_ERROR, "in words")
    assert (failure.status, failure.code, failure.message) == (502, "upstream_error", "in words")
    assert (failure.body, failure.wait_s, failure.local) == (b"", None, False)


def test_an_error_after_content_is_a_broken_stream_in_the_upstreams_words():
    said = Failure(
        outcome=Outcome.RATE_LIMITED, status=429, message="m", code="c", failed_generation="f("
    )
    broken = after_content(said)
    assert broken.outcome is Outcome.BROKEN_STREAM
    assert (broken.status, broken.message, broken.code) == (429, "m", "c")
    assert broken.failed_generation == "f("
