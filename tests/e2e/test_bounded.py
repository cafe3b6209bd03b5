"""Whatever clients make up (models, users, sessions, headers, paths, fields), nothing of the
proxy's state grows with it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import tracemalloc

from harness import proxied
from pilotfish.core.routing.router import DIRECT_RULES
from pilotfish.core.state.affinity import MAX_KEYS
from pilotfish.simulated import Profile, SimulatedVendor

# A million takes some minutes: PILOTFISH_FUZZ=1000000.
REQUESTS = int(os.environ.get("PILOTFISH_FUZZ", "4000"))
AT_ONCE = 40

RULES = """
providers:
  one: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
  two: {{kind: openai, api_base: "{base}/v1", no_key_required: true, limits: {{tokens_per_minute: 100000000}}}}
rules:
  - name: chat
    request_model: chat
    services: [{{provider: one, model: m}}, {{provider: two, model: m}}]
    affinity: {{by: header, header: x-session-id}}
  - {{name: glob, request_model: "glob-*", services: [{{provider: two, model: m}}], affinity: {{by: user}}}}
"""


def made_up(rng: random.Random) -> tuple[str, dict, dict[str, str]]:
    word = f"{rng.getrandbits(64):x}"
    model = rng.choice(
        ["chat", f"glob-{word}", f"one/{word}", f"two/{word}", word, f"{word}/{word}"]
    )
    path = rng.choice(
        ["/v1/chat/completions"] * 8 + [f"/{word}/v1/chat/completions", f"/v1/{word}"]
    )
    body = {
        "model": model,
        "user": word,
        word: word,
        "messages": [{"role": "user", "content": word}],
    }
    return path, body, {"x-session-id": word, f"x-{word}": word, "x-request-id": word}


async def requests(proxy, rng: random.Random, count: int) -> None:
    async def some(number: int) -> None:
        for _ in range(number):
            await proxy.post(*made_up(rng))

    await asyncio.gather(*(some(count // AT_ONCE) for _ in range(AT_ONCE)))
    await proxy.settled()


async def series(proxy) -> int:
    page = (await proxy.admin("/metrics")).text
    return sum(not line.startswith("#") for line in page.splitlines())


async def test_a_flood_of_made_up_names_leaves_series_state_and_memory_bounded(tmp_path):
    rng = random.Random(7)
    async with (
        SimulatedVendor(profile=Profile(chunks=1), remember=10) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        engine = proxy.app.engine
        await requests(
            proxy, rng, 2000
        )  # every kind of answer once, every bounded table full or on its way
        gc.collect()
        before, sizes = (
            await series(proxy),
            (len(engine.ledger.services), len(engine.router.budgets.meters())),
        )
        tracemalloc.start()
        try:
            await requests(proxy, rng, REQUESTS)
            proxy.app.log.flush()
            proxy.log.clear()
            gc.collect()
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert await series(proxy) == before
        assert sizes[0] <= 2 + DIRECT_RULES
        assert len(engine.ledger.services) <= 2 + DIRECT_RULES
        assert len(engine.router.budgets.meters()) == sizes[1]
        assert len(engine.router.affinity) <= MAX_KEYS
        assert not engine.in_flight
        # AffinityTable are still filling up: a few hundred bytes each, ten thousand at the most.
        # Nothing else may come near it.
        assert grown < 8 * 1024 * 1024
