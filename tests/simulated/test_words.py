"""Faults by words in a model's name."""

from __future__ import annotations

import pytest

from pilotfish.simulated.behaviour import Fault
from pilotfish.simulated.words import fault_in


@pytest.mark.parametrize("model", ["sim-ttft", "sim-ttft-fast", "sim-gap20", "sim-heartbeats7"])
def test_a_time_without_a_unit_is_refused(model):
    with pytest.raises(ValueError, match="needs a time such as 300ms"):
        fault_in(model)


@pytest.mark.parametrize(
    "model", ["sim-rest", "sim-n", "sim-cut6x", "sim-200", "sim-ra", "gpt-sim-oops-500"]
)
def test_a_word_that_means_nothing_is_refused_with_the_list_of_those_that_do(model):
    """A misspelt fault would otherwise make a test pass that tests nothing."""
    with pytest.raises(ValueError, match=r"unknown word .* known: .*badgzip"):
        fault_in(model)


def test_a_model_without_sim_has_no_words():
    assert fault_in("gpt-4o-reset") is None


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("sim-ttft-300ms", Fault(ttft_s=0.3)),
        ("sim-ttft300ms", Fault(ttft_s=0.3)),
        ("sim-ttft-2s-gap-20ms-n200", Fault(ttft_s=2.0, gap_s=0.02, chunks=200)),
        ("gpt-4o-sim-429-ra7", Fault(code=429, kind="", retry_after="7")),
        (
            "sim-503-rams250-radate3-rahint20",
            Fault(code=503, kind="", retry_after_ms=250, retry_after_date_s=3, retry_hint_s=20),
        ),
        ("sim-529", Fault(code=529, kind="")),
        ("sim-err-before", Fault(error_when="before")),
        ("sim-err-after", Fault.error_event("after", 50)),
        ("sim-err-after80", Fault.error_event("after", 80)),
        ("sim-cut", Fault.cut_at(50)),
        ("sim-cut66", Fault.cut_at(66)),
        ("sim-silent200", Fault.silence("after_head")),
        ("sim-heartbeats", Fault.heartbeats(0.02)),
        ("sim-heartbeats-5ms-n3", Fault(heartbeat_s=0.005, chunks=3)),
        ("sim-large", Fault()),
        ("sim-every3-reset", Fault(every=3, reset_early=True)),
    ],
)
def test_words_and_values_say_the_same(model, fault):
    assert fault_in(model) == fault


def test_of_two_faults_the_right_one_wins_where_both_speak():
    both = Fault.status(500) | Fault.delays(ttft_s=0.1) | Fault.status(429, retry_after=3)
    assert both == Fault(code=429, kind="", retry_after="3", ttft_s=0.1)
