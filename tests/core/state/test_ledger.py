"""The ledger: what an attempt changes, whom a failure takes out, and what new rules keep and
forget.
"""

from __future__ import annotations

import pytest

from fleet import failure, ledger_of, provider, service, snapshot
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import SecretRef
from pilotfish.core.model.smart_rules import Block
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.evidence import SILENT, AttemptResult, Timings, Trials, evidence_of
from pilotfish.core.state.health import COOLING, PROBING, SERVING
from pilotfish.core.state.ledger import (
    BACK,
    OUT,
    REFUSED,
    HealthChange,
    Ledger,
    all_services,
)

THREE_KEYS = tuple(SecretRef("env", f"KEY_{i}") for i in range(3))


def attempt(
    ledger: Ledger,
    c: Candidate,
    rule: Rule,
    outcome: Outcome,
    now: float,
    *,
    began: float | None = None,
    wait_s: float | None = None,
    key: int = 0,
    usage: Usage | None = None,
    timings: Timings | None = None,
) -> list[HealthChange]:
    """One attempt from its start to its end."""
    began = now if began is None else began
    trials = ledger.begin(c, key, 100, began)
    return end(
        ledger, c, rule, outcome, now, began=began, wait_s=wait_s, key=key, usage=usage, timings=timings,
        trials=trials,
    )  # fmt: skip


def end(
    ledger: Ledger,
    c: Candidate,
    rule: Rule,
    outcome: Outcome,
    now: float,
    *,
    began: float,
    wait_s: float | None = None,
    key: int = 0,
    usage: Usage | None = None,
    timings: Timings | None = None,
    trials: Trials = (),
    awaited: bool = False,
    last_resort: bool = False,
) -> list[HealthChange]:
    failed = None if outcome is Outcome.SERVED else failure(outcome, wait_s)
    result = AttemptResult(
        key=key,
        tokens=100,
        outcome=outcome,
        evidence=evidence_of(
            outcome,
            failed,
            silent=False,
            counted=False,
            last_resort=last_resort,
            trial=bool(trials),
        ),
        failure=failed,
        usage=usage,
        timings=timings or Timings(1.0, 0.2, 80.0),
        cost_usd=0.5,
        began=began,
        streams=True,
        awaited=awaited,
        silent_s=None,
        trials=trials,
    )
    return ledger.finish(c, rule, result, now)


def test_requests_and_their_estimated_tokens_are_in_flight_between_begin_and_finish() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    ledger.begin(c, 0, 100, 0.0)
    ledger.begin(c, 0, 100, 0.0)
    assert (c.state.in_flight, c.state.tokens_in_flight) == (2, 200)
    end(ledger, c, rule, Outcome.SERVER_ERROR, 1.0, began=0.0)
    end(ledger, c, rule, Outcome.CLIENT_GONE, 1.0, began=0.0)
    assert (c.state.in_flight, c.state.tokens_in_flight) == (0, 0)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SERVED])
def test_only_successes_feed_latency_and_speed(outcome: Outcome) -> None:
    """A service that fails at once must not look fast."""
    ledger, [c], rule = ledger_of(service("m"))
    attempt(ledger, c, rule, outcome, 1.0, timings=Timings(0.001, 0.001, 9999.0))
    state = c.state
    assert (state.latency.count(1.0), state.ttft.count(1.0), state.speed.count(1.0)) == (0, 0, 0)
    assert state.window(300, 1.0).requests == 0


def test_a_success_is_measured_and_counted_in_the_window_of_its_service() -> None:
    ledger, [c], rule = ledger_of(service("m", time_window_s=60))
    attempt(
        ledger,
        c,
        rule,
        Outcome.SERVED,
        1.0,
        usage=Usage(input=1000, output=200, cached_input=800),
        timings=Timings(2.0, 0.5, 40.0),
    )
    attempt(
        ledger,
        c,
        rule,
        Outcome.SERVED,
        2.0,
        usage=Usage(input=1000, output=200),
        timings=Timings(4.0),
    )
    assert c.state.latency.average(2.0) == 3.0
    assert c.state.ttft.summary(2.0)["samples"] == 1
    window = c.state.window(60, 2.0)
    assert window.summary(2.0) == {
        "requests": 2,
        "input_tokens": 2000,
        "output_tokens": 400,
        "total_tokens": 2400,
        "cache_hits": 1,
        "cache_misses": 1,
        "cache_hit_rate": 0.5,
        "cost_tokens": 2400,
        "cost_usd": 1.0,
    }
    assert c.state.window(60, 62.0).tokens() == 0


def test_tokens_that_a_loser_or_a_broken_stream_reports_are_counted_though_it_is_no_success() -> (
    None
):
    ledger, [c], rule = ledger_of(service("m"))
    attempt(ledger, c, rule, Outcome.LOST_RACE, 1.0, usage=Usage(input=50, output=5))
    attempt(ledger, c, rule, Outcome.BROKEN_STREAM, 1.0, usage=Usage(input=50, output=5))
    window = c.state.window(300, 1.0)
    assert (window.requests, window.tokens(), window.cache_hit_rate()) == (0, 110, None)


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_GONE, Outcome.LOST_RACE, Outcome.BAD_REQUEST])
def test_what_is_not_the_services_fault_does_not_touch_its_health(outcome: Outcome) -> None:
    ledger, [c], rule = ledger_of(service("m"))
    for now in range(50):
        assert attempt(ledger, c, rule, outcome, float(now)) == []
    assert (ledger.state_of(c.state, 50.0), c.state.health.consecutive) == (SERVING, 0)


def out(ledger: Ledger, c: Candidate, rule: Rule) -> float:
    """Takes the service out by three errors; returns when its cooldown is over."""
    for now in (0.0, 0.1, 0.2):
        attempt(ledger, c, rule, Outcome.SERVER_ERROR, now)
    return c.state.health.until


def test_going_out_and_coming_back_are_said_once_each() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    assert attempt(ledger, c, rule, Outcome.SERVER_ERROR, 0.0) == []
    attempt(ledger, c, rule, Outcome.SERVER_ERROR, 1.0)
    [change] = attempt(ledger, c, rule, Outcome.SERVER_ERROR, 2.0)
    assert (change.kind, change.seconds, change.service.id) == (OUT, 5.0, c.service.id)
    assert attempt(ledger, c, rule, Outcome.SERVER_ERROR, 3.0, began=1.5) == []
    [change] = attempt(ledger, c, rule, Outcome.SERVED, 7.5, began=7.0)
    assert (change.kind, change.seconds) == (BACK, 5.5)


def test_a_trial_without_a_verdict_leaves_the_question_open() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    due = out(ledger, c, rule)
    trials = ledger.begin(c, 0, 100, due)
    assert trials == (c.state.health,)
    assert ledger.blocking(c.state, due) is c.state.health, "one request at a time"
    end(ledger, c, rule, Outcome.CLIENT_GONE, due + 1, began=due, trials=trials)
    assert ledger.state_of(c.state, due + 1) == PROBING
    assert ledger.blocking(c.state, due + 1) is None


def test_a_trials_first_content_brings_the_service_back_before_its_end() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    due = out(ledger, c, rule)
    trials = ledger.begin(c, 0, 100, due, streams=True)
    [change] = ledger.on_first_token(c, due, due + 0.3, trials)
    assert (change.kind, ledger.state_of(c.state, due + 0.3)) == (BACK, SERVING)


def test_a_forced_request_changes_nothing_by_failing_and_ends_the_outage_by_its_success() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    due = out(ledger, c, rule)
    for now in (1.0, 2.0, 3.0):
        trials = ledger.begin(c, 0, 100, now)
        assert trials == ()
        end(ledger, c, rule, Outcome.SERVER_ERROR, now, began=now, last_resort=True)
    assert c.state.health.until == due
    ledger.begin(c, 0, 100, 4.0)
    end(ledger, c, rule, Outcome.SERVED, 4.5, began=4.0, last_resort=True)
    assert ledger.state_of(c.state, 4.5) == SERVING


def test_silence_for_a_whole_patience_is_a_sample_so_that_a_slow_service_gets_more_of_it() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    ledger.begin(c, 0, 100, 0.0, streams=True)
    result = AttemptResult(
        0, 100, Outcome.LOST_RACE, Outcome.TIMEOUT, SILENT, None, Timings(20.0), 0.0, 0.0,
        True, True, 20.0, (),
    )  # fmt: skip
    ledger.finish(c, rule, result, 20.0)
    assert (c.state.ttft.average(20.0), c.state.latency.count(20.0)) == (20.0, 0)
    assert c.state.health.consecutive == 1


def test_a_429_on_one_of_several_keys_takes_out_that_key_for_this_model_only() -> None:
    at = provider(tokens=THREE_KEYS)
    ledger, [a, b], rule = ledger_of(service("a", at), service("b", at))
    assert ledger.key_for(a.state, 0.0) == 0
    attempt(ledger, a, rule, Outcome.RATE_LIMITED, 0.0, wait_s=30, key=0)
    assert ledger.state_of(a.state, 1.0) == SERVING
    assert ledger.key_for(a.state, 1.0) == 1
    assert ledger.key_for(b.state, 1.0) == 0, "the limit is per model"
    assert ledger.key_for(a.state, 30.0) == 1, "one that serves is taken before one on trial"


def test_a_429_on_the_last_key_takes_out_the_service_until_the_first_key_is_back() -> None:
    at = provider(tokens=THREE_KEYS)
    ledger, [c], rule = ledger_of(service("m", at))
    for key, wait_s in ((0, 30.0), (1, 60.0), (2, 90.0)):
        attempt(ledger, c, rule, Outcome.RATE_LIMITED, 0.0, wait_s=wait_s, key=key)
    assert ledger.state_of(c.state, 29.0) == COOLING
    assert ledger.key_for(c.state, 29.0) is None
    blocking = ledger.blocking(c.state, 29.0)
    assert blocking is not None
    assert blocking.until == 30.0, "the first of the keys is free again then"


def test_keys_that_are_out_for_different_reasons_are_all_out() -> None:
    """The plan and the status once looked at different places, and said 503 and serving."""
    at = provider(tokens=THREE_KEYS[:2])
    ledger, [c], rule = ledger_of(service("m", at))
    attempt(ledger, c, rule, Outcome.AUTH_FAILED, 0.0, key=0)
    attempt(ledger, c, rule, Outcome.RATE_LIMITED, 0.0, wait_s=40, key=1)
    assert ledger.key_for(c.state, 1.0) is None
    assert ledger.state_of(c.state, 1.0) == COOLING
    blocking = ledger.blocking(c.state, 1.0)
    assert blocking is not None
    assert (blocking.refused, blocking.until) == (False, 40.0)


def test_refused_credentials_take_out_every_service_of_that_credential() -> None:
    at = provider()
    ledger, [a, b], rule = ledger_of(service("a", at), service("b", at))
    [change] = attempt(ledger, a, rule, Outcome.AUTH_FAILED, 0.0)
    assert (change.kind, change.key, change.seconds) == (REFUSED, 0, 60.0)
    for c in (a, b):
        assert ledger.key_for(c.state, 1.0) is None
        assert ledger.state_of(c.state, 1.0) == COOLING


def test_one_refused_key_of_several_leaves_the_services_to_the_others() -> None:
    at = provider(tokens=THREE_KEYS)
    ledger, [a, b], rule = ledger_of(service("a", at), service("b", at))
    attempt(ledger, a, rule, Outcome.AUTH_FAILED, 0.0, key=0)
    assert ledger.state_of(a.state, 1.0) == SERVING
    assert (ledger.key_for(a.state, 1.0), ledger.key_for(b.state, 1.0)) == (1, 1)


def test_reset_brings_back_services_keys_and_credentials() -> None:
    at = provider(tokens=THREE_KEYS)
    ledger, [a, b], rule = ledger_of(service("a", at), service("b", at))
    for key in range(3):
        attempt(ledger, a, rule, Outcome.AUTH_FAILED, 0.0, key=key)
        attempt(ledger, b, rule, Outcome.RATE_LIMITED, 0.0, key=key, wait_s=100)
    assert ledger.reset(1.0, "acme", "a") == 1
    assert (ledger.state_of(a.state, 1.0), ledger.key_for(a.state, 1.0)) == (SERVING, 0)
    assert ledger.reset(1.0, "acme") == 2
    assert ledger.key_for(b.state, 1.0) == 0
    assert ledger.reset(1.0, "nobody") == 0
    assert ledger.reset(1.0) == 2, "all there are"


def test_a_replaced_credential_brings_back_what_was_out_for_its_refusal_and_nothing_else() -> None:
    at = provider(tokens=THREE_KEYS[:1])
    ledger, [a, b, c], rule = ledger_of(
        service("a", at), service("b", at), service("c", provider("other"))
    )
    attempt(ledger, b, rule, Outcome.RATE_LIMITED, 0.0, wait_s=100)
    attempt(ledger, a, rule, Outcome.AUTH_FAILED, 0.0)
    attempt(ledger, c, rule, Outcome.AUTH_FAILED, 0.0)
    ledger.renewed("acme", 0, 1.0)
    assert (ledger.state_of(a.state, 1.0), ledger.key_for(a.state, 1.0)) == (SERVING, 0)
    assert ledger.state_of(b.state, 1.0) == COOLING
    assert ledger.state_of(c.state, 1.0) == COOLING
    ledger.renewed("nobody", 5, 1.0)


def test_new_rules_keep_what_is_known_of_services_that_stay_and_forget_those_that_go() -> None:
    ledger, [a, b], rule = ledger_of(service("a"), service("b"))
    attempt(ledger, a, rule, Outcome.SERVED, 0.0)
    ledger.memory("chat", "rule")["turn"] = "acme/a"
    ledger.adopt(snapshot(service("a"), service("c")))
    assert ledger.candidate(service("a")).state is a.state
    assert ledger.candidate(service("b")).state is not b.state
    assert ledger.memory("chat", "rule") == {"turn": "acme/a"}
    ledger.adopt(snapshot(service("a"), rule="another"))
    assert ledger.memories == {}


def test_services_of_smart_routing_blocks_are_known_as_well_as_the_rules_own() -> None:
    """One that only a block names would else be forgotten, cooling and all, whenever rules are
    loaded.
    """
    own, special = service("own"), service("special")
    rules = snapshot(own, smart=(Block(index=0, ops=(), services=(special,)),))
    assert [s.model for s in all_services(rules)] == ["own", "special"]
    ledger = Ledger()
    ledger.adopt(rules)
    state = ledger.candidate(special).state
    ledger.adopt(rules)
    assert ledger.candidate(special).state is state


def test_a_provider_that_gets_or_loses_keys_begins_anew() -> None:
    ledger, [c], _ = ledger_of(service("m", provider(tokens=THREE_KEYS)))
    assert len(c.state.keys) == 3
    one_key = provider(tokens=THREE_KEYS[:1])
    ledger.adopt(snapshot(service("m", one_key)))
    assert ledger.candidate(service("m", one_key)).state.keys == []
    assert len(ledger.credentials["acme"]) == 1


def test_requests_that_began_under_old_rules_end_without_harm() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    ledger.begin(c, 0, 100, 0.0)
    ledger.adopt(snapshot(service("other")))
    end(ledger, c, rule, Outcome.SERVER_ERROR, 1.0, began=0.0)
    end_usage = Usage(input=1, output=1)
    ledger.begin(c, 0, 100, 1.0)
    end(ledger, c, rule, Outcome.SERVED, 2.0, began=1.0, usage=end_usage)
    assert c.state.in_flight == 0


def test_a_stream_is_waited_for_until_it_speaks_or_ends_without_a_word() -> None:
    ledger, [c], rule = ledger_of(service("m"))
    for began in (0.0, 1.0, 2.0):
        ledger.begin(c, 0, 100, began, streams=True)
    assert c.state.waiting.count == 3
    ledger.on_first_token(c, 0.0, 2.5)
    assert (c.state.waiting.count, c.state.waiting.recent) == (2, 2.5)
    end(ledger, c, rule, Outcome.TIMEOUT, 3.0, began=1.0, awaited=True)
    end(ledger, c, rule, Outcome.SERVED, 3.0, began=0.0)
    ledger.on_first_token(c, 2.0, 3.0)
    assert c.state.waiting.count == 0


def test_other_answers_than_streams_are_not_waited_for() -> None:
    """They speak at their end; minutes of writing are no sign of a service that hangs."""
    ledger, [c], rule = ledger_of(service("m"))
    attempt(ledger, c, rule, Outcome.SERVED, 100.0, began=0.0)
    assert (c.state.waiting.count, c.state.waiting.expected(100.0)) == (0, None)
