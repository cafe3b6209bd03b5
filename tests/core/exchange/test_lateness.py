from __future__ import annotations

import pytest

from pilotfish.core.exchange.lateness import late_first_token, over_provider_limit, stalled
from pilotfish.core.model.snapshot import Timeouts

TIMEOUTS = Timeouts(first_token_s=10, idle_s=5)


def test_a_provider_without_a_limit_is_never_late():
    assert over_provider_limit(1e9, None) is None


@pytest.mark.parametrize(("sent_s", "late"), [(29.9, False), (30.0, False), (30.1, True)])
def test_a_providers_limit_is_for_the_whole_exchange(sent_s, late):
    found = over_provider_limit(sent_s, 30.0)
    assert (found is not None) is late
    if found is not None:
        assert found.code == "timeout"
        assert "30 s" in found.message


@pytest.mark.parametrize(
    ("sent_s", "thinking", "late"),
    [(10.0, False, False), (10.1, False, True), (10.1, True, False), (20.1, True, True)],
)
def test_a_model_that_thinks_has_twice_the_time_to_its_first_token(sent_s, thinking, late):
    assert (late_first_token(sent_s, TIMEOUTS, thinking=thinking) is not None) is late


@pytest.mark.parametrize(
    ("quiet_s", "thinking", "late"),
    [(5.0, False, False), (5.1, False, True), (9.9, True, False), (10.1, True, True)],
)
@pytest.mark.parametrize("streams", [True, False])
def test_silence_within_an_answer_has_its_limit(quiet_s, thinking, late, streams):
    found = stalled(quiet_s, TIMEOUTS, thinking=thinking, streams=streams)
    assert (found is not None) is late
    if found is not None:
        assert found.code == ("stream_stalled" if streams else "timeout")
