"""least_busy: the fewest requests in flight for the weight."""

from __future__ import annotations

import random

from fleet import fleet, names
from pilotfish.core.model.tactic import Memory, NoParams
from pilotfish.tactics.least_busy import LeastBusy

TACTIC = LeastBusy(NoParams())


def test_the_fewest_in_flight_per_weight_comes_first() -> None:
    usable = fleet("a b c", weights=[1, 4, 1])
    for c, in_flight in zip(usable, (2, 4, 3), strict=True):
        c.state.in_flight = in_flight
    assert names(TACTIC.order(usable, Memory(), 0.0, random.Random(1))) == "b a c"
    assert TACTIC.explain_score(usable[1], Memory(), 0.0) == "4 in flight, weight 4"


def test_a_weight_of_0_is_only_for_when_the_others_have_failed() -> None:
    usable = fleet("busy none", weights=[1, 0])
    usable[0].state.in_flight = 500
    assert names(TACTIC.order(usable, Memory(), 0.0, random.Random(1))) == "busy none"
    both = fleet("x y", weights=[0, 0])
    both[0].state.in_flight = 1
    assert names(TACTIC.order(both, Memory(), 0.0, random.Random(1))) == "y x"


def test_idle_services_are_drawn_so_that_not_all_proxies_begin_with_the_first() -> None:
    usable = fleet("a b c")
    assert {
        TACTIC.order(usable, Memory(), 0.0, random.Random(s))[0].service.model for s in range(30)
    } == {"a", "b", "c"}
