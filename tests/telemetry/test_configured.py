"""Labels are those that the rules name, however many models clients make up."""

from __future__ import annotations

from pilotfish.core.routing.match import DIRECT
from pilotfish.telemetry.configured import configured, costed
from telemetry.rules import PROVIDER, rule, snapshot


def test_what_the_rules_name_is_counted_and_the_rest_is_other():
    found = set(configured(snapshot("chat")))
    others = {(r, p, "other") for r in ("", DIRECT) for p in ("p", "q")}
    assert found == {("chat", "p", "m"), *others}


def test_a_service_for_any_model_counts_under_the_names_that_its_provider_allows():
    providers = {"p": {**PROVIDER, "models": ["m", "n"]}, "q": PROVIDER}
    made = snapshot(
        rule("any", "p/@requested", "q/@requested", request_model="*"), providers=providers
    )
    names = {at[2] for at in configured(made) if at[0] == "any" and at[1] == "p"}
    assert names == {"m", "n", "other"}
    priced, unpriced = costed(made)
    assert {("any", "p", "n"), ("any", "q", "other")} <= priced
    assert {("p", "n"), ("q", "other")} <= unpriced


def test_a_service_is_priced_or_it_is_not():
    priced, unpriced = costed(snapshot(rule("chat", "p/m", "q/m")))
    assert ("chat", "p", "m") in priced
    assert ("p", "m") not in unpriced
    assert ("q", "m") in unpriced
    assert ("chat", "q", "m") not in priced
