"""Rules and records that the tests of metrics, log and traces count with."""

from __future__ import annotations

from random import Random

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing.plan import Plan
from pilotfish.core.routing.rule_state import RuleState
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.state.ledger import Ledger
from pilotfish.sources.judging import compiled
from pilotfish.telemetry.record import AttemptRecord, RequestRecord

PROVIDER = {"kind": "openai", "no_key_required": True}
STARTED, WALL = 1000.0, 1_764_000_000.0


def snapshot(*rules, providers=("p", "q"), **more):
    """Compiled rules; `rules` are names, or whole rules. Only p/m has a price."""
    made = [r if isinstance(r, dict) else rule(r) for r in rules]
    document = {
        "providers": providers
        if isinstance(providers, dict)
        else dict.fromkeys(providers, PROVIDER),
        "rules": made,
        "prices": {"p/m": {"input": 1, "output": 10}},
        **more,
    }
    return compiled([RulesDocument("test", document)], False)


def rule(name, *services, **more):
    """A rule with these `provider/model` services, by default one."""
    split = [service.split("/") for service in services or ("p/m",)]
    return {
        "name": name,
        "request_model": f"ask-{name}",
        "services": [{"provider": provider, "model": model} for provider, model in split],
        **more,
    }


def request(rule, *attempts, **fields):
    """A request of this rule that is over, after two seconds, with these attempts."""
    given = {
        "known": True,
        "request_id": "r-1",
        "style": "openai",
        "op": "chat",
        "path": "/v1/chat/completions",
        "model": rule.request_model,
        "scenario": "",
        "stream": True,
    }
    later = {name: value for name, value in fields.items() if name not in given}
    given.update({name: value for name, value in fields.items() if name in given})
    ledger = Ledger()
    plan = Plan(RuleState(rule, ledger), ledger, op=given["op"], tokens=0, rng=Random(0))
    made = RequestRecord(rule=rule, plan=plan, started=STARTED, started_wall=WALL, **given)
    made.finished_at, made.busy_s, made.code = STARTED + 2.0, 0.001, 200
    made.attempts = list(attempts)
    made.relayed = next((a for a in attempts if a.relayed), None)
    for name, value in later.items():
        setattr(made, name, value)
    return made


def attempt(service, outcome=Outcome.SERVED, *, n=0, usage=None, **fields):
    """An attempt that is over: sent at once, head after 100 ms, first content after 200 ms, last
    after 1.2 s.
    """
    made = AttemptRecord(n, service, STARTED)
    made.sent_at, made.head_at = STARTED, STARTED + 0.1
    made.first_at, made.last_at, made.over_at = STARTED + 0.2, STARTED + 1.2, STARTED + 1.3
    made.outcome, made.usage, made.status = outcome, usage, 200
    made.relayed = outcome is Outcome.SERVED
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def failure(outcome, *, code="", message="no", status=500):
    return Failure(outcome=outcome, status=status, message=message, code=code)


USAGE = Usage(input=100, output=11, cached_input=40, cache_write=10, reasoning=5)
