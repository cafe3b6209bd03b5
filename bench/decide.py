"""What a decision costs: match, smart routing, plan and choice for a rule with 20 services and 10
blocks, of which the last matches.

`python bench/decide.py` prints microseconds of CPU time per decision for each tactic, the least of
several rounds.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

# The checkout's own sources, whichever version is installed.
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from pilotfish import providers, styles, tactics
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.calls import chat_of
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.request_view import RequestView
from pilotfish.core.formats.neutral import Chat
from pilotfish.core.model.smart_rules import first_match
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.match import match, routes_smartly
from pilotfish.core.routing.plan import Plan, RuleState
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger

SERVICES = 20
BLOCKS = 10
PATH = "/v1/chat/completions"
BODY = (
    b'{"model":"gpt-4o","messages":['
    b'{"role":"system","content":"You are a helpful assistant."},'
    b'{"role":"user","content":"Tell me about pilot fish."}]}'
)


def rules(tactic: str) -> str:
    """A rules file with one rule, by this tactic."""
    services = ", ".join(f"{{provider: p{i}, model: m}}" for i in range(SERVICES))
    blocks = [
        f"{{ops: [{{position: user, operation: contains, value: word{i}}}], "
        f"services: [{{provider: p{i}, model: m}}]}}"
        for i in range(BLOCKS - 1)
    ]
    last = f"{{ops: [{{position: token, operation: ge, value: '1'}}], services: [{services}]}}"
    accounts = [
        f"  p{i}: {{kind: openai, api_base: 'http://127.0.0.1:9/v1', no_key_required: true}}"
        for i in range(SERVICES)
    ]
    rule = (
        f"  - {{name: r, request_model: gpt-4o, services: [{services}], "
        f"lb_tactic: {{type: {tactic}}}, smart_routing: [{', '.join([*blocks, last])}]}}"
    )
    return "\n".join(["providers:", *accounts, "rules:", rule])


class Decider:
    """The rules in force and their state: what `proxy` holds to decide on a request."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot, self.ledger, self.rng = snapshot, Ledger(), random.Random(1)
        self.ledger.adopt(snapshot)
        self.rule_states = {rule.name: RuleState(rule, self.ledger) for rule in snapshot.rules}

    @staticmethod
    def chat_of(inbound: Inbound) -> Chat:
        return chat_of(inbound, styles.get)

    def decide(self, inbound: Inbound, now: float) -> tuple[Candidate | None, int | None]:
        """The service for a request, and the block that matched."""
        found = match(self.snapshot, scenario=inbound.scenario, model=inbound.model)
        assert found is not None
        assert found.rule is not None
        rule, block = found.rule, None
        if rule.smart and routes_smartly(self.snapshot, inbound.scenario):
            view = RequestView(inbound, self.chat_of, self.ledger, now)
            matched = first_match(rule.smart, view, time.time())
            block = None if matched is None else rule.smart.index(matched)
        plan = Plan(
            self.rule_states[rule.name],
            self.ledger,
            op=inbound.op,
            tokens=inbound.tokens,
            rng=self.rng,
            block=block,
        )
        return plan.next(now), block


def decider(tactic: str) -> Decider:
    return Decider(
        compile_documents(
            documents_of_text("bench", rules(tactic)),
            kinds=providers.all_kinds(),
            tactics=tactics.all_tactics(),
        )
    )


def requests(count: int) -> list[Inbound]:
    endpoint = endpoints.find(PATH)
    assert endpoint is not None
    return [Inbound(endpoint, PATH, "", [], BODY, "id", "127.0.0.1") for _ in range(count)]


def microseconds(tactic: str, rounds: int = 10) -> float:
    """CPU time of one decision. Reading the neutral form is not part of it: it is needed anyway for
    a service of another style.
    """
    one, best = decider(tactic), float("inf")
    for _ in range(rounds):
        inbounds = requests(200)
        for inbound in inbounds:
            one.chat_of(inbound)
        now = time.monotonic()
        began = time.process_time()
        for inbound in inbounds:
            one.decide(inbound, now)
        best = min(best, (time.process_time() - began) / len(inbounds))
    return best * 1e6


def main() -> None:
    for name in sorted(tactics.all_tactics()):
        print(f"{name:16s} {microseconds(name):7.1f} us per decision")


if __name__ == "__main__":
    main()
