"""The ledger as plain data: what comes back after a restart, and what must not."""

from __future__ import annotations

import msgspec
import pytest

from fleet import failure, ledger_of, measured, provider, service, snapshot
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import SecretRef, Service
from pilotfish.core.model.snapshot import CooldownRules, HealthRules
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.evidence import AttemptResult, Timings
from pilotfish.core.state.health import COOLING, SERVING
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.persistence import decode, dump, encode, restore
from pilotfish.core.state.race_history import RaceHistory

# The old process counted from one origin, the new one counts from another; between them lie `PAUSE`
# seconds of wall-clock time.
OLD_NOW, NEW_NOW, WALL, PAUSE = 5000.0, 10.0, 1.7e9, 20.0


def restarted(
    ledger: Ledger, *services: Service, history: RaceHistory | None = None, pause: float = PAUSE
) -> tuple[Ledger, RaceHistory]:
    """Saved by one process, loaded by another one with these services in its rules."""
    saved = decode(encode(dump(ledger, history, OLD_NOW, WALL)))
    new, races = Ledger(), RaceHistory()
    new.adopt(snapshot(*services))
    restore(saved, new, races, NEW_NOW, WALL + pause)
    return new, races


def trip(c: Candidate, outcome: Outcome, now: float, wait_s: float | None = None) -> None:
    for _ in range(3):
        c.state.health.failed(
            outcome,
            wait_s=wait_s,
            reason="",
            began=now,
            now=now,
            trial=False,
            health=HealthRules(),
            cooldown=CooldownRules(),
        )


def test_samples_come_back_with_their_ages() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    measured(c, OLD_NOW - 590, latency=9.0)
    measured(c, OLD_NOW - 10, latency=1.0, ttft=0.1, speed=80.0)
    new, _ = restarted(ledger, service("m"))
    state = new.candidate(service("m")).state
    assert state.latency.summary(NEW_NOW)["samples"] == 1, "the older one is ten minutes old by now"
    assert (
        state.latency.average(NEW_NOW),
        state.ttft.average(NEW_NOW),
        state.speed.average(NEW_NOW),
    ) == (1.0, 0.1, 80.0)
    assert state.latency.last_at == pytest.approx(NEW_NOW - 10 - PAUSE)


def test_windows_go_on_where_they_were_and_end_when_they_would_have() -> None:
    ledger, [c], _ = ledger_of(service("m", time_window_s=300))
    window = c.state.window(300, OLD_NOW - 100)
    window.requests, window.input_tokens, window.cache_hits, window.cost_usd = 7, 1000, 3, 0.25
    new, _ = restarted(ledger, service("m"))
    state = new.candidate(service("m")).state
    assert state.window(300, NEW_NOW).summary(NEW_NOW)["requests"] == 7
    assert state.window(300, NEW_NOW + 179).requests == 7
    assert state.window(300, NEW_NOW + 181).requests == 0


def test_a_service_that_still_cools_is_not_asked_after_the_restart_either() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    trip(c, Outcome.RATE_LIMITED, OLD_NOW - 10, wait_s=100)
    new, _ = restarted(ledger, service("m"))
    health = new.candidate(service("m")).state.health
    assert (health.state(NEW_NOW), health.retry_after_given, health.outcome) == (
        COOLING,
        True,
        Outcome.RATE_LIMITED,
    )
    assert health.until == pytest.approx(NEW_NOW + 100 - 10 - PAUSE)
    assert "rate_limited" in health.reason


def test_a_cooldown_that_ended_meanwhile_is_due_for_a_probe_and_remembers_how_often_it_tripped() -> (
    None
):
    ledger, [c], _ = ledger_of(service("m"))
    trip(c, Outcome.SERVER_ERROR, OLD_NOW)
    new, _ = restarted(ledger, service("m"), pause=1000)
    health = new.candidate(service("m")).state.health
    assert health.is_due(NEW_NOW)
    assert health.trips == 1


def test_refused_credentials_are_tried_again_since_a_restart_may_be_their_repair() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    trip(c, Outcome.AUTH_FAILED, OLD_NOW)
    new, _ = restarted(ledger, service("m"))
    assert new.candidate(service("m")).state.health.state(NEW_NOW) == SERVING


def test_each_key_of_several_comes_back_as_it_was() -> None:
    at = provider(tokens=(SecretRef("env", "A"), SecretRef("env", "B")))
    ledger, [c], rule = ledger_of(service("m", at))
    c.state.keys[1].failed(
        Outcome.RATE_LIMITED,
        wait_s=50,
        reason="",
        began=OLD_NOW,
        now=OLD_NOW,
        trial=False,
        health=rule.health,
        cooldown=rule.cooldown,
    )
    new, _ = restarted(ledger, service("m", at))
    assert [h.state(NEW_NOW) for h in new.candidate(service("m", at)).state.keys] == [
        SERVING,
        COOLING,
    ]
    one_key = provider(tokens=(SecretRef("env", "A"),))
    new, _ = restarted(ledger, service("m", one_key))
    assert new.candidate(service("m", one_key)).state.keys == []


def test_whose_turn_it_is_and_who_won_races_is_remembered() -> None:
    ledger, _, _ = ledger_of(service("m"))
    ledger.memory("chat", "rule").update(
        turn="acme/m", served=3, turns={"acme/x": None, "acme/m": None}
    )
    ledger.memory("chat", ("block", 2))["turn"] = "acme/y"
    ledger.memory("chat", ("block", 3))
    history = RaceHistory()
    for won in (True, True, False):
        history.record("fastest", "acme/m").add(won, OLD_NOW, 1.5)
    new, races = restarted(ledger, service("m"), history=history, pause=3600)
    assert new.memories == {
        ("chat", "rule"): {
            "turn": "acme/m",
            "served": 3,
            "turns": {"acme/x": None, "acme/m": None},
        },
        ("chat", ("block", 2)): {"turn": "acme/y"},
    }
    assert list(new.memories["chat", "rule"]["turns"]) == ["acme/x", "acme/m"]
    record = races.records["fastest", "acme/m"]
    record.win_rate(NEW_NOW)
    assert record.wins == pytest.approx(1.0), "half an hour is worth half: it was an hour"
    assert (record.total, record.latency_s) == (3, 1.5)
    assert record.last_at == pytest.approx(NEW_NOW - 3600)


def test_requests_are_counted_over_a_life_and_not_since_the_start() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    c.state.requests_total, c.state.last_used = 7, OLD_NOW
    new, _ = restarted(ledger, service("m"), pause=60)
    state = new.candidate(service("m")).state
    assert (state.requests_total, state.last_used) == (7, pytest.approx(NEW_NOW - 60))


def test_services_that_the_rules_no_longer_name_are_left_out() -> None:
    ledger, [c], _ = ledger_of(service("gone"))
    measured(c, OLD_NOW, latency=1.0)
    new, _ = restarted(ledger, service("m"))
    assert list(new.services) == [("acme", "m")]


def test_what_was_measured_since_the_start_is_not_overwritten() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    measured(c, OLD_NOW, latency=9.0)
    saved = dump(ledger, None, OLD_NOW, WALL)
    new, [c], _ = ledger_of(service("m"))
    measured(c, NEW_NOW, latency=1.0)
    restore(saved, new, None, NEW_NOW, WALL)
    assert c.state.latency.average(NEW_NOW) == 1.0


def test_a_wall_clock_that_was_set_back_makes_no_samples_of_the_future() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    measured(c, OLD_NOW, latency=1.0)
    c.state.window(300, OLD_NOW).requests = 5
    new, _ = restarted(ledger, service("m"), pause=-86400)
    state = new.candidate(service("m")).state
    assert state.latency.last_at <= NEW_NOW
    assert state.window(300, NEW_NOW + 301).requests == 0


def test_two_savings_in_a_row_say_the_same() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    measured(c, OLD_NOW, latency=1.0, ttft=0.5)
    trip(c, Outcome.SERVER_ERROR, OLD_NOW)
    once = dump(ledger, None, OLD_NOW, WALL)
    new, _ = restarted(ledger, service("m"), pause=0)
    again = dump(new, None, NEW_NOW, WALL)
    assert msgspec.to_builtins(again) == msgspec.to_builtins(once)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "truncated"),
        (b'{"version": 1, "saved_at": 1.0, "services": [{"prov', "truncated"),
        (b"\x00" * 100, "malformed"),
        (b'{"saved_at": 1.0}', "version"),
        (b'{"version": 2, "saved_at": 1.0}', "version 2, expected 1"),
        (b'{"version": 1, "saved_at": "yesterday"}', "saved_at"),
        (
            b'{"version": 1, "saved_at": 1, "services": [{"provider": "p", "model": "m", "latency": [["a", 1]]}]}',
            r"services\[0\].latency",
        ),
        (b'{"version": 1, "saved_at": 1, "memories": [["r", "rule", {"turn": [1]}]]}', "memories"),
    ],
)
def test_damaged_data_is_refused_with_what_is_wrong(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        decode(data)


def test_every_beginning_of_a_file_is_either_whole_or_refused() -> None:
    ledger, [c], _ = ledger_of(service("m"))
    measured(c, OLD_NOW, latency=1.0)
    data = encode(dump(ledger, None, OLD_NOW, WALL))
    for cut in range(len(data)):
        with pytest.raises(ValueError):
            decode(data[:cut])


def test_no_secret_is_in_what_is_saved() -> None:
    at = provider(
        tokens=(
            SecretRef("literal", value="sk-secret-value"),
            SecretRef("literal", value="sk-other"),
        ),
        headers=(("x-key", "sk-third"),),
    )
    ledger, [c], rule = ledger_of(service("m", at))
    ledger.begin(c, 0, 10, OLD_NOW)
    refused = failure(Outcome.RATE_LIMITED, 10, 429)
    result = AttemptResult(
        0, 10, refused.outcome, refused.outcome, refused, None, Timings(1.0), 0.0, OLD_NOW,
        False, False, None, (),
    )  # fmt: skip
    ledger.finish(c, rule, result, OLD_NOW)
    assert b"sk-" not in encode(dump(ledger, None, OLD_NOW, WALL))
