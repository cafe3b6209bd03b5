"""Series exist before anything happens, and go with what they count."""

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing.match import DIRECT
from pilotfish.telemetry import series as s
from pilotfish.telemetry.children import Children
from pilotfish.telemetry.registry import FEW_SERVICES, Registry
from telemetry.rules import USAGE, rule, snapshot

RACE = {"strategy": "first_wins", "max_parallel": 2}


def children(*rules, **more):
    made = Children(Registry())
    adopted = snapshot(*rules, **more)
    made.adopt(adopted)
    return made, adopted


def labels(made, series):
    return set(made.registry[series].children)


def test_all_that_a_rule_may_count_in_is_there_before_its_first_request():
    made, _ = children(
        rule("plain"),
        rule("race", "p/m", "q/m", race=RACE),
        rule("hedge", "p/m", "q/m", hedge={"after": 100}),
        rule("go-on", on_stream_break="continue"),
        rule("anew", on_stream_break="restart", buffer=True),
    )
    names = {("plain",), ("race",), ("hedge",), ("go-on",), ("anew",)}
    for series in (s.IN_FLIGHT, s.RETRIES, s.FALLBACKS, s.CLIENT_GONE, s.FORCED):
        assert labels(made, series) >= names
    assert ("plain", "openai", "503") in labels(made, s.REQUESTS)
    assert ("plain", "p", "m", "server_error") in labels(made, s.ATTEMPTS)
    assert labels(made, s.HEDGES) == {("hedge", "won"), ("hedge", "lost")}
    assert {at[0] for at in labels(made, s.RACES)} == {"race"}
    assert ("anew", "restart", "failed") in labels(made, s.STREAM_RESCUES)
    assert ("go-on", "continue", "rescued") in labels(made, s.STREAM_RESCUES)
    assert ("p", "m", "stalled") in labels(made, s.STREAM_BREAKS)
    assert {("race", "race"), ("hedge", "hedge"), ("anew", "rescue")} == labels(
        made, s.WASTED_TOKENS
    )


def test_the_series_of_what_was_removed_go_and_those_of_the_rest_count_on():
    made, before = children("kept", "gone")
    for each in before.rules:
        made.service(each.name, each.services[0], True).cost.value = 7.0
        made.code(each.name, "openai", 200).value = 3.0
    made.adopt(snapshot("kept"))
    assert {at[0] for at in labels(made, s.COST)} == {"kept"}
    assert made.registry[s.COST].children["kept", "p", "m"].value == 7.0
    assert made.code("kept", "openai", 200).value == 3.0
    assert {at[0] for at in labels(made, s.REQUESTS)} == {"kept"}


def test_a_request_on_its_way_brings_no_series_back():
    made, before = children("kept", "gone")
    gone = next(r for r in before.rules if r.name == "gone")
    made.adopt(snapshot("kept"))
    counted, gen_ai = made.of_attempt(gone, gone.services[0], "chat", True)
    counted.usage(USAGE, gone.services[0].price, 1.0)
    gen_ai.usage(USAGE)
    made.code("gone", "openai", 200).value += 1
    made.of_rule("gone")[s.RETRIES].counter("gone").inc()
    assert {at[0] for at in labels(made, s.COST) | labels(made, s.RETRIES)} == {"kept"}


def test_a_rule_that_comes_back_begins_at_nothing():
    made, before = children("chat")
    service = before.rules[0].services[0]
    made.service("chat", service, True).cost.value = 7.0
    made.code("chat", "openai", 200).value = 3.0
    made.adopt(snapshot())
    made.adopt(snapshot("chat"))
    assert made.service("chat", service, True).cost.value == 0.0
    assert made.code("chat", "openai", 200).value == 0.0


@pytest.mark.interpreted  # compiled, a pair has no identity of its own
def test_what_an_attempt_counts_in_is_looked_up_once_until_the_rules_change():
    made, before = children("chat")
    chat = before.rules[0]
    first = made.of_attempt(chat, chat.services[0], "chat", True)
    assert made.of_attempt(chat, chat.services[0], "chat", True) is first
    assert made.of_attempt(chat, chat.services[0], "embeddings", True)[1] is not first[1]
    made.adopt(snapshot("chat"))
    again = made.of_attempt(chat, chat.services[0], "chat", True)
    assert again is not first
    assert again[0] is first[0]  # counts on


def test_made_up_models_share_one_series_and_their_look_ups_are_bounded():
    made, before = children("chat")
    service = before.rules[0].services[0]
    seen = {id(made.service(DIRECT, service, False)) for _ in range(3)}
    assert len(seen) == 1
    assert (DIRECT, "p", "other") in labels(made, s.ESTIMATED)
    assert not made.is_configured("p", "made-up")
    assert made.is_configured("p", "m")


def test_a_service_without_a_price_has_no_cost_but_tokens_that_nobody_knows_the_price_of():
    made, before = children(rule("chat", "p/m", "q/m"))
    assert labels(made, s.COST) == {("chat", "p", "m")}
    assert labels(made, s.UNPRICED) == {("q", "m")}
    priced, unpriced = before.rules[0].services
    for service in (priced, unpriced):
        made.service("chat", service, True).usage(USAGE, service.price, 0.5)
    assert made.registry[s.COST].children["chat", "p", "m"].value == 0.5
    assert made.registry[s.UNPRICED].children["q", "m"].value == USAGE.input + USAGE.output
    assert ("chat", "q", "m") not in labels(made, s.COST)


def test_a_price_that_comes_or_goes_with_the_rules_brings_its_series_and_takes_the_other():
    made, _ = children("chat")
    made.adopt(snapshot("chat", prices={}))
    assert (labels(made, s.COST), labels(made, s.UNPRICED)) == (set(), {("p", "m")})
    made.adopt(snapshot("chat"))
    assert (labels(made, s.COST), labels(made, s.UNPRICED)) == ({("chat", "p", "m")}, set())


def test_attempts_are_told_by_outcome_those_that_there_were():
    made, before = children("chat")
    counted = made.service("chat", before.rules[0].services[0], True)
    assert counted.counted() == {}
    for outcome, child in counted.outcomes.items():
        child.value = 2.0 if outcome == "timeout" else 0.0
    assert counted.counted() == {"timeout": 2}


def test_types_of_tokens_that_were_never_used_have_no_series():
    made, before = children("chat")
    chat = before.rules[0]
    made.gen_ai("chat", chat, chat.services[0], True)
    assert {at[4] for at in labels(made, s.GEN_AI_TOKENS)} == {"input", "output"}
    made.gen_ai("chat", chat, chat.services[0], True).usage(USAGE)
    assert len(labels(made, s.GEN_AI_TOKENS)) == 5


def services(count):
    return snapshot(*(rule(f"r{n}", f"p/m{n}") for n in range(count)))


def test_of_many_services_only_what_was_used_is_told_and_begun():
    """Two rules of a few thousand see a request: the others take neither memory nor a scrape."""
    made = Children(Registry())
    made.adopt(services(FEW_SERVICES + 1))
    assert made.registry.detail == "used"
    assert (
        labels(made, s.ATTEMPTS) == labels(made, s.OUTPUT_SPEED) == labels(made, s.RETRIES) == set()
    )
    adopted = services(FEW_SERVICES + 1)
    assert made.outcomes("r0", adopted.rules[0].services[0]) == {}
    assert labels(made, s.ATTEMPTS) == set(), "a look at the status page begins nothing"
    counted, _ = made.of_attempt(adopted.rules[0], adopted.rules[0].services[0], "chat", True)
    counted.outcomes[Outcome.SERVED].value += 1
    assert made.outcomes("r0", adopted.rules[0].services[0]) == {"served": 1}
    assert {at[0] for at in labels(made, s.ATTEMPTS)} == {"r0"}


def test_with_fewer_services_all_is_told_again_unless_something_else_was_asked_for():
    for asked, few in ((None, "full"), ("small", "small")):
        made = Children(Registry(detail=asked))
        made.adopt(services(FEW_SERVICES + 1))
        made.adopt(snapshot("chat"))
        assert made.registry.detail == few
    made = Children(Registry(detail="full"))
    made.adopt(services(FEW_SERVICES + 1))
    assert len({at[0] for at in labels(made, s.ATTEMPTS)}) == FEW_SERVICES + 1
