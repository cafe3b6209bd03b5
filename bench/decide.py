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
from pilotfish.core.routing.router import Router
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory

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


def router(tactic: str) -> Router:
    """What decides in a proxy, with these rules in force."""
    one = Router(Ledger(), Budgets(), RaceHistory(), styles.get, random.Random(1))
    one.adopt(
        compile_documents(
            documents_of_text("bench", rules(tactic)),
            kinds=providers.all_kinds(),
            tactics=tactics.all_tactics(),
        )
    )
    return one


def decide(one: Router, inbound: Inbound, now: float) -> tuple[Candidate | None, int | None]:
    """The service for a request, and the block that matched."""
    plan = one.plan(one.take(inbound).rule_state, inbound, now, wall=now)
    key = plan.candidate_sets[0].key
    return plan.next(now), key[1] if isinstance(key, tuple) else None


def requests(count: int) -> list[Inbound]:
    endpoint = endpoints.find(PATH)
    assert endpoint is not None
    return [Inbound(endpoint, PATH, "", [], BODY, "id", "127.0.0.1") for _ in range(count)]


def microseconds(tactic: str, rounds: int = 10) -> float:
    """CPU time of one decision. Reading the neutral form is not part of it: it is needed anyway for
    a service of another style.
    """
    one, best = router(tactic), float("inf")
    for _ in range(rounds):
        inbounds = requests(200)
        for inbound in inbounds:
            chat_of(inbound, styles.get)
        now = time.monotonic()
        began = time.process_time()
        for inbound in inbounds:
            decide(one, inbound, now)
        best = min(best, (time.process_time() - began) / len(inbounds))
    return best * 1e6


def main() -> None:
    for name in sorted(tactics.all_tactics()):
        print(f"{name:16s} {microseconds(name):7.1f} us per decision")


if __name__ == "__main__":
    main()
