"""Which fault a request gets."""

from __future__ import annotations

import asyncio

import pytest

from pilotfish.simulated.behaviour import Fault, Profile
from pilotfish.simulated.faults import Faults

BAD, SLOW = Fault.status(500), Fault.delays(ttft_s=1.0)


@pytest.fixture
def faults():
    return Faults(Profile())


@pytest.mark.parametrize("name", ["model", "list-models", "", "/v1/models"])
def test_an_endpoint_that_is_none_is_refused_with_the_list_of_those_that_are(faults, name):
    """A misspelt endpoint would otherwise make a test pass that tests nothing."""
    with pytest.raises(ValueError, match=r"unknown endpoint .* known: .*chat, .*models"):
        faults.any.on(name, BAD)


def test_a_fault_of_one_endpoint_is_that_endpoints_only(faults):
    faults.any.on("models", BAD)
    assert faults.next_for("models", None, "") == BAD
    assert faults.next_for("chat", None, "m") == Fault()


def test_a_fault_of_one_key_or_model_is_that_ones_only(faults):
    faults.any.for_key("bad", BAD)
    faults.any.for_model("large", SLOW)
    assert faults.next_for("chat", "good", "small") == Fault()
    assert faults.next_for("chat", None, "small") == Fault()
    assert faults.next_for("chat", "bad", "small") == BAD
    assert faults.next_for("chat", "good", "large") == SLOW


def test_faults_that_speak_of_different_things_come_together(faults):
    faults.any.always(SLOW)
    faults.any.on("chat", BAD)
    assert faults.next_for("chat", None, "m") == SLOW | BAD


@pytest.mark.parametrize("narrow_first", [True, False])
def test_where_two_speak_of_the_same_the_narrower_one_wins(faults, narrow_first):
    narrow, wide = Fault.status(403), Fault.status(500)
    given = [
        lambda: faults.any.for_key("k").on("chat").for_model("m", narrow),
        lambda: faults.any.on("chat", wide),
    ]
    for give in given if narrow_first else reversed(given):
        give()
    assert faults.next_for("chat", "k", "m") == narrow
    assert faults.next_for("chat", "k", "n") == wide


def test_the_order_of_narrowing_does_not_matter(faults):
    one = faults.any.on("chat").for_key("k")
    assert one is faults.any.for_key("k").on("chat")


def test_a_script_is_used_up_by_the_requests_that_it_concerns(faults):
    faults.any.on("chat").script(BAD, Fault()).always(SLOW)
    assert faults.next_for("models", None, "") == Fault()
    assert [faults.next_for("chat", None, "m") for _ in range(3)] == [BAD, Fault(), SLOW]


def test_a_standing_fault_ends_with_none(faults):
    behaviour = faults.any.on("chat", BAD)
    behaviour.always(None)
    assert faults.next_for("chat", None, "m") == Fault()


async def test_an_outage_ends_when_its_gate_is_set(faults):
    healed = asyncio.Event()
    faults.any.on("chat", BAD, until=healed)
    assert [faults.next_for("chat", None, "m") for _ in range(2)] == [BAD, BAD]
    healed.set()
    assert faults.next_for("chat", None, "m") == Fault()


def test_a_fault_wins_over_the_words_in_a_models_name_where_both_speak(faults):
    faults.any.always(Fault.status(429))
    found = faults.next_for("chat", None, "sim-500-ttft-2s")
    assert (found.code, found.ttft_s) == (429, 2.0)


def test_words_that_concern_every_nth_request_count_this_models_requests(faults):
    found = [faults.next_for("chat", None, "sim-every2-500").code for _ in range(4)]
    faults.next_for("chat", None, "sim-every2-503")
    assert found == [None, 500, None, 500]
    assert faults.next_for("chat", None, "sim-every2-503").code == 503


def test_a_key_is_known_once_a_behaviour_speaks_of_it(faults):
    assert not faults.knows("k")
    faults.any.for_key("k").on("chat")
    assert faults.knows("k")
    assert not faults.knows(None)
