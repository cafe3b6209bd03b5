"""What a decision costs: match, smart routing, plan and pick for a rule with 20 services and 10
blocks, of which the last matches.

`python bench/decide.py` prints microseconds per decision, the least of some rounds, for each
tactic.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from pilotfish import (  # the checkout's own sources, whatever is installed
    providers,
    styles,
    tactics,
)
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.calls import chat_of
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.routing.router import Router
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory

SERVICES = 20
BLOCKS = 10
BODY = b'{"model":"gpt-4o","messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"Tell me about pilot fish."}]}'


def rules(tactic: str) -> str:
    services = ", ".join(f"{{provider: p{i}, model: m}}" for i in range(SERVICES))
    blocks = [
        f"{{description: b{i}, ops: [{{position: user, operation: contains, value: word{i}}}], services: [{{provider: p{i}, model: m}}]}}"
        for i in range(BLOCKS - 1)
    ]
    last = (
        "{description: last, ops: [{position: token, operation: ge, value: '1'}], services: ["
        + services
        + "]}"
    )
    return (
        "providers:\n"
        + "".join(
            f'  p{i}: {{kind: openai, api_base: "http://127.0.0.1:9/v1", no_key_required: true}}\n'
            for i in range(SERVICES)
        )
        + f"rules:\n  - {{name: r, request_model: gpt-4o, services: [{services}], lb_tactic: {{type: {tactic}}}, smart_enabled: true,"
        + f" smart_routing: [{', '.join([*blocks, last])}]}}\n"
    )


async def figure(tactic: str) -> float:
    """Microseconds of one decision. Reading the request's content, which ten blocks look at, is
    part of it.
    """
    router = Router(Ledger(), Budgets(), RaceHistory(), styles.get, random.Random(1))
    documents = documents_of_text("bench", rules(tactic))
    router.adopt(
        compile_documents(documents, kinds=providers.all_kinds(), tactics=tactics.all_tactics())
    )
    endpoint = endpoints.find("/v1/chat/completions")
    assert endpoint is not None
    best = float("inf")
    for _ in range(10):
        inbounds = [
            Inbound(endpoint, "/v1/chat/completions", "", [], BODY, "id", "127.0.0.1")
            for _ in range(200)
        ]
        for inbound in inbounds:
            # The neutral form is there anyway where a service speaks another style.
            chat_of(inbound, styles.get)
        now, wall = time.monotonic(), time.time()
        began = time.process_time()
        for inbound in inbounds:
            rule_state = router.take(inbound).rule_state
            plan, block, _ = router.plan(rule_state, inbound, now, wall)
            assert plan.next(now) is not None
            assert block == BLOCKS - 1
        best = min(best, (time.process_time() - began) / len(inbounds))
    return best * 1e6


async def main() -> None:
    for name in sorted(tactics.all_tactics()):
        print(f"{name:16s} {await figure(name):7.1f} us per decision")


if __name__ == "__main__":
    asyncio.run(main())
