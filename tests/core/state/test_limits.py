"""Our own limits: a sliding minute of requests and tokens, and requests at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import ledger_of, provider, service, snapshot
from pilotfish.core.model.service import Limits, Service
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets, strictest
from pilotfish.core.state.meter import Meter


def budgets_of(*services: Service) -> tuple[Budgets, Ledger, list[Candidate]]:
    ledger, candidates, _ = ledger_of(*services)
    budgets = Budgets()
    budgets.adopt(snapshot(*services), ledger)
    return budgets, ledger, candidates


def admitted(
    budgets: Budgets, c: Candidate, start: float, end: float, step: float, tokens: int = 0
) -> list[float]:
    """When requests were let through, with one knocking every `step` seconds."""
    times, now = [], start
    while now < end:
        if budgets.blocked(c, tokens, now) is None:
            budgets.take(c, tokens, now)
            times.append(now)
        now += step
    return times


def test_a_service_without_limits_is_never_blocked() -> None:
    budgets, _, [free, _] = budgets_of(
        service("free"), service("tight", limits=Limits(requests_per_minute=1))
    )
    assert len(admitted(budgets, free, 0, 1, 0.001)) >= 1000


def test_sixty_a_minute_are_never_more_in_any_minute_and_hardly_fewer_in_the_long_run() -> None:
    budgets, _, [c] = budgets_of(service("m", limits=Limits(requests_per_minute=60)))
    times = admitted(budgets, c, 0.0, 600.0, 0.05)
    for start in range(540):
        assert sum(start <= t < start + 60 for t in times) <= 60
    assert 570 <= len(times) <= 600


def test_there_is_no_double_burst_where_a_minute_ends() -> None:
    """Sixty at second 59 and sixty at second 61 is what a fixed window would let through."""
    budgets, _, [c] = budgets_of(service("m", limits=Limits(requests_per_minute=60)))
    assert len(admitted(budgets, c, 59.0, 59.9, 0.01)) == 60
    assert admitted(budgets, c, 60.0, 118.9, 0.1) == []


def test_it_says_when_there_will_be_room_and_then_there_is() -> None:
    budgets, _, [c] = budgets_of(service("m", limits=Limits(requests_per_minute=2)))
    budgets.take(c, 0, 10.0)
    budgets.take(c, 0, 30.0)
    blocked = budgets.blocked(c, 0, 40.0)
    assert blocked is not None
    assert blocked.reason == "2 requests a minute are the limit of service acme/m"
    assert blocked.until == pytest.approx(71.0)
    assert budgets.blocked(c, 0, 70.9) is not None
    assert budgets.blocked(c, 0, blocked.until) is None


def test_tokens_count_as_estimated_until_the_real_usage_is_known() -> None:
    budgets, _, [c] = budgets_of(service("m", limits=Limits(tokens_per_minute=1000)))
    budgets.take(c, 400, 0.0)
    assert budgets.blocked(c, 600, 1.0) is None
    budgets.settle(c, 400, 900, 1.0)
    assert budgets.blocked(c, 101, 1.0) is not None
    assert budgets.blocked(c, 100, 1.0) is None


def test_an_estimate_that_was_too_high_is_given_back() -> None:
    budgets, _, [c] = budgets_of(service("m", limits=Limits(tokens_per_minute=1000)))
    budgets.take(c, 900, 0.0)
    budgets.settle(c, 900, 100, 5.0, began=0.0)
    assert budgets.blocked(c, 900, 5.0) is None
    assert budgets.blocked(c, 901, 5.0) is not None


def test_an_estimate_that_has_left_the_window_is_not_given_back_out_of_others_tokens() -> None:
    budgets, _, [c] = budgets_of(service("m", limits=Limits(tokens_per_minute=1000)))
    budgets.take(c, 900, 0.0)
    budgets.take(c, 800, 90.0)
    budgets.settle(c, 900, 0, 91.0, began=0.0)
    assert budgets.blocked(c, 300, 91.0) is not None


def test_a_request_larger_than_the_whole_limit_waits_for_an_empty_window_but_not_for_ever() -> None:
    budgets, _, [c] = budgets_of(service("m", limits=Limits(tokens_per_minute=1000)))
    budgets.take(c, 1, 0.0)
    blocked = budgets.blocked(c, 5000, 1.0)
    assert blocked is not None
    assert blocked.until is not None
    assert budgets.blocked(c, 5000, blocked.until) is None


def test_requests_at_once_are_counted_over_all_services_of_a_provider() -> None:
    at = provider(limits=Limits(concurrency=3))
    budgets, _, [a, b] = budgets_of(service("a", at), service("b", at))
    a.state.in_flight, b.state.in_flight = 2, 0
    assert budgets.blocked(b, 0, 0.0) is None
    b.state.in_flight = 1
    blocked = budgets.blocked(b, 0, 0.0)
    assert blocked == ("3 requests at once are the limit of provider acme", None)


def test_a_service_that_no_rule_names_falls_under_its_providers_limits() -> None:
    """Asked for as `provider/model`: the ledger meets it after the rules were adopted."""
    at = provider(limits=Limits(concurrency=1, requests_per_minute=5))
    budgets, ledger, [a] = budgets_of(service("a", at))
    stranger = ledger.candidate(service("stranger", at))
    assert budgets.blocked(stranger, 0, 0.0) is None
    stranger.state.in_flight = 1
    assert budgets.blocked(stranger, 0, 0.0) is not None
    assert budgets.blocked(a, 0, 0.0) is not None


def test_provider_and_service_limits_both_hold() -> None:
    at = provider(limits=Limits(requests_per_minute=3))
    budgets, _, [a, b] = budgets_of(
        service("a", at, limits=Limits(requests_per_minute=2)), service("b", at)
    )
    assert len(admitted(budgets, a, 0, 1, 0.1)) == 2
    assert len(admitted(budgets, b, 1, 2, 0.1)) == 1


def test_the_strictest_of_several_rules_numbers_holds() -> None:
    assert strictest(Limits(10, None, 4), Limits(20, 500, None)) == Limits(10, 500, 4)


def test_new_rules_forget_nothing_of_the_last_minute() -> None:
    budgets, ledger, [c] = budgets_of(service("m", limits=Limits(requests_per_minute=5)))
    admitted(budgets, c, 0, 1, 0.1)
    changed = service("m", limits=Limits(requests_per_minute=8))
    budgets.adopt(snapshot(changed), ledger)
    assert len(admitted(budgets, c, 1, 2, 0.1)) == 3


def test_limits_that_are_taken_out_of_the_rules_are_gone() -> None:
    budgets, ledger, [c] = budgets_of(service("m", limits=Limits(requests_per_minute=1)))
    budgets.take(c, 0, 0.0)
    budgets.adopt(snapshot(service("m")), ledger)
    assert budgets.blocked(c, 0, 0.0) is None
    assert budgets.meters() == {}


def tell(meter: Meter, amount: float, now: float) -> None:
    if amount >= 0:
        meter.take(amount, now)
    else:
        meter.correct(amount, now)


@given(st.lists(st.tuples(st.floats(0, 40), st.floats(-50, 50)), max_size=60))
def test_a_meter_never_counts_below_nothing_and_forgets_all_after_a_minute(
    steps: list[tuple[float, float]],
) -> None:
    meter, now = Meter("m", 100, "full"), 0.0
    told: list[tuple[float, float]] = []

    def after_all() -> Meter:
        again = Meter("m", 100, "full")
        for at, amount in told:
            tell(again, amount, at)
        return again

    for pause, amount in steps:
        now += pause
        told.append((now, amount))
        tell(meter, amount, now)
        assert meter.used(now) >= -1e-9
        at = meter.room_at(1, now)
        assert now <= at <= now + 62
        assert after_all().room_at(1, at) == at, "asked at that time it would say no other"
    assert meter.used(now + 61.1) == pytest.approx(0)


def test_what_a_request_needs_room_in_is_said_for_those_who_share_limits() -> None:
    at = provider(limits=Limits(requests_per_minute=60))
    budgets, _, [c] = budgets_of(service("m", at, limits=Limits(tokens_per_minute=1000)))
    assert [(meter.name, need) for meter, need in budgets.meters_of(c, 5000)] == [
        ("service acme/m tokens", 1000),
        ("provider acme requests", 1.0),
    ]
    assert sorted(budgets.meters()) == ["provider acme requests", "service acme/m tokens"]
